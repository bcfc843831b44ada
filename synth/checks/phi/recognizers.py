"""The recognisers of the PHI check, as Presidio classes: each reports the hits of one finder, or of a model.

Imports Presidio, and is itself imported only when something was found.
"""

from __future__ import annotations

from collections.abc import Mapping

from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from synth.checks.phi.finders import Finder, Rule, find, finders
from synth.checks.phi.model_labels import entity_types
from synth.checks.phi.models import entities as found_by

_MODEL_THRESHOLD = 0.5
"""The least score of a model's finding, as that of the finders; nothing is calibrated."""


class _Reported:
    """Turns a finder's hits into Presidio's results."""

    def __init__(self, finder: Finder, identifier: str, prefilter: bool) -> None:
        self._finder = finder
        self._prefilter = prefilter
        self._keys = {
            RecognizerResult.RECOGNIZER_NAME_KEY: finder.name,
            RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: identifier,
        }

    def results(self, text: str) -> list[RecognizerResult]:
        return [
            RecognizerResult(self._finder.entity_type, start, end, score, recognition_metadata=self._keys)
            for start, end, score in find(text, self._prefilter).get(self._finder.name, ())
        ]


class _Described(Pattern):
    """A pattern that is not compiled here: its finder does that, with its own flags, when it first tries it."""

    def __init__(self, rule: Rule) -> None:
        self.name, self.regex, self.score = rule.name, rule.pattern, rule.score
        self.compiled_regex = self.compiled_with_flags = None


class FoundPatterns(PatternRecognizer):
    """A PatternRecognizer that reports what its patterns find where the prefilter lets them run.

    ``analyze`` is its own, for speed, and because Presidio's gives up a pattern that takes long, which here would
    pass a text unread.
    """

    def __init__(self, finder: Finder, prefilter: bool, threshold: float) -> None:
        patterns: list[Pattern] = [_Described(rule) for rule in finder.rules]
        super().__init__(supported_entity=finder.entity_type, name=finder.name, patterns=patterns)
        self.score_thresholds = {finder.entity_type: threshold}
        self._reported = _Reported(finder, self.id, prefilter)

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002  Presidio's signature
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002  as above
        regex_flags: int | None = None,  # noqa: ARG002  as above
    ) -> list[RecognizerResult]:
        """Return the hits in a text; the flags are those that the patterns were compiled with."""
        return self._reported.results(text)


class FoundTokens(EntityRecognizer):
    """Reports what a finder that looks at one token after the other finds."""

    def __init__(self, finder: Finder, prefilter: bool, threshold: float) -> None:
        super().__init__(supported_entities=[finder.entity_type], name=finder.name)
        self.score_thresholds = {finder.entity_type: threshold}
        self._reported = _Reported(finder, self.id, prefilter)

    def load(self) -> None:
        """Do nothing: the lists come with the finder."""

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002  Presidio's signature
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002  as above
    ) -> list[RecognizerResult]:
        """Return the hits in a text."""
        return self._reported.results(text)


class FoundByModel(EntityRecognizer):
    """Reports what a named-entity model finds."""

    def __init__(self, model: str, thresholds: Mapping[str, float]) -> None:
        super().__init__(supported_entities=list(entity_types()), name=model)
        self.score_thresholds = {"default": _MODEL_THRESHOLD, **thresholds}
        self._model = model
        self._keys = {
            RecognizerResult.RECOGNIZER_NAME_KEY: model,
            RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
        }

    def load(self) -> None:
        """Do nothing: the model is loaded with its first text, once for all recognisers of a process."""

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002  Presidio's signature
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002  as above
    ) -> list[RecognizerResult]:
        """Return what the model finds in a text; Unread where it fails on it."""
        return [
            RecognizerResult(entity_type, start, end, score, recognition_metadata=self._keys)
            for start, end, entity_type, score in found_by(self._model, text)
        ]


def recognizers(prefilter: bool, thresholds: Mapping[str, float], model: str | None) -> list[EntityRecognizer]:
    """Return one recogniser for each finder, in order, and one for the model.

    ``thresholds`` are by entity type, in place of the finders' own.
    """
    found: list[EntityRecognizer] = []
    for finder in finders():
        kind = FoundTokens if finder.by_token else FoundPatterns
        found.append(kind(finder, prefilter, thresholds.get(finder.entity_type, finder.threshold)))
    return [*found, *([FoundByModel(model, thresholds)] if model else [])]
