"""The Presidio engine of the PHI check: no network, no log, built once a process and setting.

Imports Presidio, and is itself imported only when something was found.
"""

from __future__ import annotations

import logging
from functools import cache

from synth.checks.phi.lean import without

with without("torch", "transformers"):
    from presidio_analyzer import (
        AnalyzerEngine,
        EntityRecognizer,
        RecognizerRegistry,
        RecognizerResult,
    )
    from presidio_analyzer.app_tracer import AppTracer
    from presidio_analyzer.nlp_engine import NlpArtifacts, NoOpNlpEngine

    from synth.checks.phi.recognizers import recognizers


class _Engine(AnalyzerEngine):
    """Leaves scores as they are: context words need lemmas, which no blank or no-op NLP engine has.

    Presidio compares every result with every recogniser to find that out, in most of the time that it takes.
    """

    def _enhance_using_context(
        self,
        text: str,  # noqa: ARG002  Presidio's signature
        raw_results: list[RecognizerResult],
        nlp_artifacts: NlpArtifacts,  # noqa: ARG002  as above
        recognizers: list[EntityRecognizer],  # noqa: ARG002  as above
        context: list[str] | None = None,  # noqa: ARG002  as above
    ) -> list[RecognizerResult]:
        """Return the results as they came."""
        return raw_results


@cache
def engine(
    prefilter: bool = True, thresholds: tuple[tuple[str, float], ...] = (), model: str | None = None
) -> AnalyzerEngine:
    """Return this process's engine of these settings; ``thresholds`` are by entity type, ``model`` runs besides.

    Presidio's loggers are silenced: one that a host program turned on could write what was matched.
    """
    for name in ("presidio-analyzer", "decision_process"):
        logging.getLogger(name).disabled = True
    return _Engine(
        registry=RecognizerRegistry(
            recognizers=recognizers(prefilter, dict(thresholds), model), supported_languages=["en"]
        ),
        nlp_engine=NoOpNlpEngine([{"lang_code": "en", "model_name": "none"}]),
        app_tracer=AppTracer(enabled=False),
    )
