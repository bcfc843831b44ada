"""Sources: what a target is written from. A transcript is of turns, a case is of documents; both are of passages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field

from synth.record import Record


class Turn(Record):
    """One speaker's utterance."""

    speaker: Literal["doctor", "patient"]
    text: str


class Transcript(Record):
    """A doctor–patient dialogue; its passages are what is said in each turn."""

    kind: Literal["transcript"] = "transcript"
    turns: tuple[Turn, ...]

    @property
    def text(self) -> str:
        """One line a turn, ``[doctor] …`` and ``[patient] …``, as in ACI-Bench."""
        return "\n".join(f"[{turn.speaker}] {turn.text}" for turn in self.turns)

    @property
    def passages(self) -> list[str]:
        """What is written in it, without who speaks."""
        return [turn.text for turn in self.turns]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where each passage starts and ends in ``text``."""
        return _spans([(len(turn.speaker) + 3, len(turn.text)) for turn in self.turns], apart=1)

    def saying(self, passages: Sequence[str]) -> Self:
        """Return the same with other passages, as many as there are."""
        turns = (
            turn if turn.text == text else turn.model_copy(update={"text": text})
            for turn, text in zip(self.turns, passages, strict=True)
        )
        return self.model_copy(update={"turns": tuple(turns)})


class Document(Record):
    """One document of a case, such as a treatment record."""

    title: str
    text: str
    """Lines as in Markdown."""


class Documents(Record):
    """What is on paper of a case; its passages are the documents without their titles."""

    kind: Literal["documents"] = "documents"
    documents: tuple[Document, ...]

    @property
    def text(self) -> str:
        """Each document under its title, as a Markdown heading."""
        return "\n\n".join(f"# {document.title}\n{document.text}" for document in self.documents)

    @property
    def passages(self) -> list[str]:
        """What is written in it, without the titles."""
        return [document.text for document in self.documents]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where each passage starts and ends in ``text``."""
        return _spans([(len(document.title) + 3, len(document.text)) for document in self.documents], apart=2)

    def saying(self, passages: Sequence[str]) -> Self:
        """Return the same with other passages, as many as there are."""
        documents = (
            document if document.text == text else document.model_copy(update={"text": text})
            for document, text in zip(self.documents, passages, strict=True)
        )
        return self.model_copy(update={"documents": tuple(documents)})


Source = Annotated[Transcript | Documents, Field(discriminator="kind")]


def _spans(lengths: Sequence[tuple[int, int]], apart: int) -> list[tuple[int, int]]:
    """Return where passages stand, from the lengths of what is before each and of each, with so much between them."""
    found: list[tuple[int, int]] = []
    at = 0
    for before, length in lengths:
        start = at + before
        found.append((start, start + length))
        at = start + length + apart
    return found
