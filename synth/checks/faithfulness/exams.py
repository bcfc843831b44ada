"""Questions and answers to be judged, in a text: what is asked word for word, what is answered in whatever words."""

from __future__ import annotations

from synth.checks.faithfulness.findings import Reached
from synth.checks.faithfulness.statements import ENOUGH
from synth.checks.faithfulness.tokens import tokenize
from synth.checks.faithfulness.view import View
from synth.records import AnswerFact, QuestionFact

_FOUND, _MISSING = Reached("found"), Reached("missing")


def asked(fact: QuestionFact | AnswerFact, view: View) -> Reached:
    """Return whether a source holds a question with all its options, or an answer whole; whether a target speaks of
    what is right, or of every error."""
    if isinstance(fact, QuestionFact):
        wanted = [option.text for option in fact.options if option.right or not view.target]
    elif view.target:
        wanted = [error.said for error in fact.errors]
    else:
        wanted = [fact.diagnosis, *fact.claims, fact.recommendation]
    return _FOUND if all(_said(text, view) for text in wanted) else _MISSING


def _said(text: str, view: View) -> bool:
    """Return whether enough of a text's words stand in one line, numbers among them."""
    words = {word for word in tokenize(text) if word[0].isalnum()}
    tokens = view.reading.tokens
    start = 0
    for i in [*(i for i, word in enumerate(tokens) if word == "\n"), len(tokens)]:
        if len(words & set(tokens[start:i])) >= ENOUGH * len(words):
            return True
        start = i + 1
    return False
