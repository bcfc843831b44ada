"""What a model said → turns, documents or a JSON object; what cannot be read says why, and no gap is filled."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from synth.records import Document, Documents, JsonObject, Transcript, Usage

_TAG = re.compile(r"[*_]*\[(doctor|patient)\]:?[*_]*:?", re.IGNORECASE)
_NAME = re.compile(r"^[ \t]*[*_]*(doctor|patient)[*_]*:[*_]*", re.IGNORECASE | re.MULTILINE)
_SURROGATE = re.compile(r"\\u[dD]")
"""What an escape of half a character begins with."""
_HEADING = re.compile(r"[ \t]*#{1,3}[ \t]+")
_FENCE = re.compile(r"```[a-z]*[ \t]*\n(.*?)\n?```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """One finished answer of the server."""

    text: str
    """The message's content alone; what a reasoning model thought is elsewhere in the message and is not read."""
    finish_reason: str
    usage: Usage


class UnusableReply(Exception):
    """An answer that cannot be read; the caller asks again or rejects the candidate."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        """Code for the ledger, such as ``truncated``."""
        self.detail = detail
        """One line for a person."""


def finished(reply: Reply) -> str:
    """Return the text of an answer that came to its end.

    Raises UnusableReply: ``truncated``, ``filtered``, ``empty``, ``not_unicode``, ``reasoning_in_content``.
    """
    if reply.finish_reason == "length":
        raise UnusableReply("truncated", f"stopped at the limit of {reply.usage.completion_tokens} tokens")
    if reply.finish_reason == "content_filter":
        raise UnusableReply("filtered", "the server's content filter withheld the answer")
    if not reply.text.strip():
        raise UnusableReply("empty", f"no content (finish reason {reply.finish_reason!r})")
    if not _is_unicode(reply.text):
        raise UnusableReply("not_unicode", "the answer holds a lone surrogate")
    if "</think>" in reply.text:
        raise UnusableReply("reasoning_in_content", "reasoning in the answer; start the server with a reasoning parser")
    return reply.text


def read_lines(text: str) -> Transcript:
    """Return the transcript in a text of ``[doctor] …`` and ``[patient] …`` lines.

    Lenient in form: Markdown emphasis, a code fence and ``Doctor:`` are read too, and a line without a speaker goes on
    with the turn above it. A paragraph without a speaker before the first or after the last turn is the model's own
    remark and is left out. Raises UnusableReply: ``no_turns``, ``no_dialogue``.
    """
    fenced = _FENCE.search(text)
    body = fenced[1] if fenced else text
    tag = _TAG if _TAG.search(body) else _NAME
    paragraphs = [tag.split(paragraph) for paragraph in re.split(r"\n[ \t]*\n", body)]
    # Splitting at n speakers gives what stands before the first one, then n pairs of speaker and words.
    spoken = [i for i, parts in enumerate(paragraphs) if len(parts) > 1]
    said: list[tuple[str, str]] = []
    for parts in paragraphs[spoken[0] : spoken[-1] + 1] if spoken else []:
        if said:
            said[-1] = (said[-1][0], f"{said[-1][1]} {parts[0]}")
        said += [(speaker.lower(), words) for speaker, words in zip(parts[1::2], parts[2::2], strict=True)]
    return _transcript(said)


def read_turns(text: str) -> Transcript:
    """Return the transcript in a JSON text under ``decoding.turns_schema``.

    Raises UnusableReply: ``not_json``, ``not_an_object``, ``no_turns``, ``no_dialogue``.
    """
    turns = read_object(text).get("turns")
    said: list[tuple[str, str]] = []
    for turn in turns if isinstance(turns, list) else []:
        if not isinstance(turn, dict):
            continue
        speaker, words = turn.get("speaker"), turn.get("text")
        if isinstance(speaker, str) and isinstance(words, str):
            said.append((speaker, words))
    return _transcript(said)


def read_documents(text: str, titles: Sequence[str]) -> Documents:
    """Return the documents in a text, each under a Markdown heading with one of the titles; a text without any of them
    is the one document, where one is asked for.

    Raises UnusableReply: ``no_documents``.
    """
    fenced = _FENCE.fullmatch(text.strip())
    known = {title.casefold(): title for title in titles}
    found: list[tuple[str, list[str]]] = []
    for line in (fenced[1] if fenced else text).splitlines():
        title = known.get(_HEADING.sub("", line).strip(" *:").casefold()) if _HEADING.match(line) else None
        if title is not None:
            found.append((title, []))
        elif found:
            found[-1][1].append(line.rstrip())
        elif line.strip() and len(titles) == 1:
            found.append((titles[0], [line.rstrip()]))
    return _documents(found)


def read_document_lines(text: str) -> Documents:
    """Return the documents in a JSON text under ``decoding.documents_schema``.

    Raises UnusableReply: ``not_json``, ``not_an_object``, ``no_documents``.
    """
    documents = read_object(text).get("documents")
    found: list[tuple[str, list[str]]] = []
    for document in documents if isinstance(documents, list) else []:
        if not isinstance(document, dict):
            continue
        title, lines = document.get("title"), document.get("lines")
        if isinstance(title, str) and isinstance(lines, list):
            found.append((title, [line for line in lines if isinstance(line, str)]))
    return _documents(found)


def _documents(found: Sequence[tuple[str, list[str]]]) -> Documents:
    """Return the documents that hold text, blank lines around it left out."""
    documents = tuple(
        Document(title=title, text=text) for title, lines in found if (text := "\n".join(lines).strip("\n ")).strip()
    )
    if not documents:
        raise UnusableReply("no_documents", "no document under one of the titles that were asked for")
    return Documents(documents=documents)


def read_object(text: str) -> JsonObject:
    """Return the JSON object in a text, alone or in one code fence; raises UnusableReply as ``json_object`` does."""
    return json_object(unfenced(text))


def unfenced(text: str) -> str:
    """Return what one Markdown code fence around all of a text holds; the text as it is where there is none."""
    fenced = _FENCE.fullmatch(text.strip())
    return fenced[1] if fenced else text


def json_object(text: str) -> JsonObject:
    """Return the JSON object that a text is, white space around it aside.

    Raises UnusableReply: ``not_json`` (RFC 8259; numbers that no double holds and lone surrogates included),
    ``not_an_object``.
    """
    try:
        value: JsonValue = json.loads(text, parse_float=_finite, parse_constant=_finite)
        whole = not _SURROGATE.search(text) or _is_unicode(json.dumps(value, ensure_ascii=False))
    except json.JSONDecodeError as error:
        raise UnusableReply("not_json", f"{error.msg} at character {error.pos}") from error
    except (ValueError, RecursionError) as error:
        raise UnusableReply("not_json", "a number out of range, or nesting without end") from error
    if not isinstance(value, dict):
        raise UnusableReply("not_an_object", f"JSON, but a {type(value).__name__}")
    if not whole:
        raise UnusableReply("not_json", "an escape spells a lone surrogate")
    return value


def _transcript(said: list[tuple[str, str]]) -> Transcript:
    """Return the turns that say something, white space reduced to single blanks."""
    spoken = [(speaker, " ".join(words.split())) for speaker, words in said if speaker in ("doctor", "patient")]
    turns: JsonValue = [{"speaker": speaker, "text": text} for speaker, text in spoken if text]
    transcript = Transcript.model_validate({"turns": turns})
    speakers = {turn.speaker for turn in transcript.turns}
    if not speakers:
        raise UnusableReply("no_turns", "no turn of the doctor or the patient")
    if len(speakers) == 1:
        raise UnusableReply("no_dialogue", f"only the {transcript.turns[0].speaker} speaks")
    return transcript


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise ValueError(literal)
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
