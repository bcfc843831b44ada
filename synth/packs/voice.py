"""Who speaks for the patient: a caregiver's words hold slots that the child's sex fills."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

from synth.packs.pack import Pack
from synth.records import Sex

_SLOT = re.compile(r"\{(\w+)\}")
WORDS: Mapping[Sex, Mapping[str, str]] = {
    "female": {"he": "she", "his": "her", "him": "her", "himself": "herself", "boy": "girl", "son": "daughter"},
    "male": {word: word for word in ("he", "his", "him", "himself", "boy", "son")},
}
"""What fills each slot."""


def voiced(pack: Pack, sex: Sex) -> Pack:
    """Return a pack whose words are said of a patient of a sex; the same pack where the patient speaks."""
    if pack.voice == "patient":
        return pack
    return Pack.model_validate(_filled(pack.model_dump(), WORDS[sex]))


def voices(pack: Pack) -> tuple[Pack, ...]:
    """Return a pack in every way in which its words can be heard: as it is, or of a girl and of a boy."""
    return (pack,) if pack.voice == "patient" else (voiced(pack, "female"), voiced(pack, "male"))


def _filled(value: JsonValue, words: Mapping[str, str]) -> JsonValue:
    if isinstance(value, str):
        return _SLOT.sub(lambda slot: words.get(slot[1], slot[0]), value) if "{" in value else value
    if isinstance(value, dict):
        return {key: _filled(one, words) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(one, words) for one in value]
    return value
