"""A bank of answers: encounters that the simulator wrote, each in every form that a request may ask for."""

from __future__ import annotations

import json

from tests.fake_server.answers import Answer, Form, answer_of

_SEED = 90_210
_SKIPPED, _KEY = 200, 80
"""A transcript is known by so many of its bytes after so many others, because greetings are alike."""
_MARKS_TRIED = 4


class Bank:
    """Answers by the digest of a request; a note belongs to the transcript in its request where that is the bank's."""

    def __init__(self, size: int, pack: str = "endocrinology", task: str = "note") -> None:
        """Write the encounters, about 2 ms each; ``size`` is at least one."""
        from synth.assets import canonical_json
        from synth.catalog import load_task
        from synth.packs import load_pack
        from synth.scenarios import sample_scenario
        from synth.teachers.simulator import Simulator

        loaded = load_pack(pack)
        simulator = Simulator(loaded, load_task(task))
        self._answers: list[dict[Form, Answer]] = []
        self._by_transcript: dict[bytes, int] = {}
        for i in range(size):
            encounter = simulator.encounter(sample_scenario(loaded, _SEED, i))
            turns = canonical_json({"turns": [turn.model_dump() for turn in encounter.turns]})
            lines, note = encounter.source.text, canonical_json(encounter.target)
            self._by_transcript.setdefault(_key(json.dumps(lines, ensure_ascii=False).encode(), 1), i)
            self._answers.append(
                {"turns": _answer(turns), "lines": _answer(lines), "note": _answer(note), "fenced": _answer(note)}
            )

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, form: Form, raw: bytes, number: int) -> Answer:
        """Return the answer to a request in a form other than ``other``."""
        index = self._transcript_in(raw) if form in ("note", "fenced") else None
        return self._answers[number % len(self._answers) if index is None else index][form]

    def _transcript_in(self, raw: bytes) -> int | None:
        """Return the encounter whose transcript a request holds; a prompt may name the mark itself before it."""
        at = -1
        for _ in range(_MARKS_TRIED):
            at = raw.find(b"[doctor] ", at + 1)
            if at < 0:
                return None
            index = self._by_transcript.get(_key(raw, at))
            if index is not None:
                return index
        return None


def _key(raw: bytes, at: int) -> bytes:
    return raw[at + _SKIPPED : at + _SKIPPED + _KEY]


def _answer(text: str) -> Answer:
    """Return an answer at about four characters a token."""
    return answer_of(text, -(-len(text) // 4))
