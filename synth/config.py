"""What a run is: YAML and flags become a RunConfig; everything that can change a byte of the data set is in it, and
nothing else.

How a run is executed (endpoint, concurrency, folder) stays outside, because the result must not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

import yaml
from pydantic import Field, JsonValue, ValidationError, ValidationInfo, field_validator, model_validator

from synth import __version__
from synth.assets import canonical_json, load_yaml, sha256
from synth.catalog import load_task, suggest
from synth.control import Control, Shares
from synth.errors import UserError
from synth.identities import catalogue
from synth.judgements import Hallucinations, Scale
from synth.record import none
from synth.records import IdentityMode, Language, Record
from synth.styles import Style, load_style

_DEPENDENCIES = ("Faker", "jsonschema", "jsonschema-rs", "numpy", "presidio-analyzer", "pyarrow", "pydantic", "regex")
"""Libraries whose version can change what is accepted or how it is written."""
CHECKS = ("schema", "phi", "faithfulness", "identities", "duplicates")
"""Those of a run that names none."""
FactKind = Literal[
    "patient",
    "complaint",
    "symptom",
    "history",
    "history/medical",
    "history/surgical",
    "history/family",
    "history/social",
    "history/allergy",
    "medication",
    "vital",
    "finding",
    "lab",
    "study",
    "diagnosis",
    "tumor",
    "therapy",
    "toxicity",
    "response",
    "plan",
    "differential",
    "question",
    "answer",
    "procedure",
]
InventedKind = Literal["medication", "dose", "value", "diagnosis", "negation", "laterality"]
_Types = TypeVar("_Types", dict[str, float], tuple[str, ...])


class TeacherConfig(Record):
    """Which teacher writes, and how it samples; the simulator reads none of the sampling fields."""

    name: Literal["simulator", "server", "vllm"]
    model: str | None = None
    temperature: float = Field(default=0.8, ge=0.0, le=2.0)
    max_tokens: int = Field(default=4096, ge=16)
    """Per response."""
    attempts: int = Field(default=3, ge=1)
    """At each part of a candidate, source and target, before it is rejected."""
    revision: str | None = None
    """Of the model, such as a commit on the Hub; vLLM is asked for it, a server is believed."""


class SplitConfig(Record):
    """Shares of the held-out splits; the rest is train."""

    validation: float = Field(default=0.1, ge=0.0, lt=0.5)
    test: float = Field(default=0.1, ge=0.0, lt=0.5)


class PhiConfig(Record):
    """What the PHI check does with what it finds."""

    policy: Literal["reject", "redact", "surrogate"] = "reject"
    """Reject the encounter, write a tag such as ``[NAME]`` instead, or a placeholder that is filled like any other."""
    thresholds: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]] = {}
    """The least score of a finding by entity type, where it is not the recognisers' own."""
    quarantine: tuple[str, ...] = ("OTHER_ID",)
    """Entity types whose encounters wait for a person to look at them, whatever the policy is."""
    model: str | None = None
    """A named-entity model that looks for identifiers besides."""

    @field_validator("thresholds", "quarantine")
    @classmethod
    def _known_types(cls, types: _Types) -> _Types:
        known = catalogue().found
        for name in types:
            if name not in known:
                raise ValueError(f"unknown entity type {name!r}{suggest(name, known)}; known: {', '.join(known)}")
        return types


class DuplicatesConfig(Record):
    """When two encounters are too much alike."""

    share: float = Field(default=0.5, gt=0.0, le=1.0)
    """The least share of the shorter source's word n-grams with facts that stand in the other one, too."""
    words: int = Field(default=8, ge=3, le=32)
    """Of an n-gram."""


class HeldOut(Record):
    """A benchmark that nothing in the run may come near; where it lies is not written down."""

    name: str
    items: int
    """Visits, sections or texts in it."""
    sha256: str


class ContaminationConfig(Record):
    """When an encounter comes too near to a benchmark that is held out."""

    words: int = Field(default=13, ge=3, le=32)
    """Of an n-gram; 13 as in Brown et al., "Language models are few-shot learners", 2020, appendix C."""
    shared: int = Field(default=1, ge=1)
    """The least number of n-grams in common with one text that rejects."""
    cosine: float = Field(default=0.75, gt=0.0, le=1.0)
    """The least similarity to one text, by words weighted with TF-IDF, that rejects."""


class FaithfulnessConfig(Record):
    """What the faithfulness check lets pass in one encounter."""

    source: float = Field(default=0.8, ge=0.0, le=1.0)
    """Least share of the scenario's facts that the source carries."""
    target: float = Field(default=0.8, ge=0.0, le=1.0)
    """Least share of them that the target carries."""
    required: tuple[FactKind, ...] = ("history/medical", "medication", "vital", "lab", "diagnosis")
    """Kinds of facts of which none may be missing, in source or target."""
    contradicted: int = Field(default=0, ge=0)
    """The most facts that are contradicted, in source and target each."""
    invented: dict[InventedKind, Annotated[int, Field(ge=0)] | None] = {"negation": 3}
    """The most items of a kind that are in the target and not in the source: 0 where a kind is not named, any number
    where it has null. Negations are the kind that is flagged in error the most, where it is said in other words."""


class JudgeConfig(Record):
    """Who judges what the checks accept, how it is asked, and what passes. The limits are for the median of the
    repeats; a dimension that is not named has none. They are a choice, not a calibration against human readers."""

    model: str
    revision: str | None = None
    """Of the model; the server is believed."""
    repeats: int = Field(default=3, ge=1, le=99)
    """Judgements of one encounter, each with a seed of its own."""
    temperature: float = Field(default=1.0, ge=0.0, le=2.0)
    """1 samples as the model would, so that the spread is the model's own."""
    max_tokens: int = Field(default=4096, ge=16)
    """Per response, reasoning included."""
    attempts: int = Field(default=3, ge=1)
    """At each repeat, where a reply cannot be read."""
    least: dict[Scale, Annotated[float, Field(ge=1.0, le=5.0)]] = {
        "plausibility": 3.0,
        "factual_correctness": 4.0,
        "completeness": 3.0,
        "structure": 3.0,
    }
    """The least median on a scale of 1 to 5 that passes."""
    most: dict[Hallucinations, Annotated[float, Field(ge=0.0)]] = {"major_hallucinations": 0.0}
    """The largest median of a count that passes."""

    @model_validator(mode="after")
    def _repeats_differ(self) -> Self:
        if self.repeats > 1 and self.temperature == 0.0:
            raise ValueError("a judge at temperature 0 repeats itself; raise temperature, or set repeats to 1")
        return self


class RunConfig(Record):
    """One run."""

    specialty: str
    task: str = "note"
    style: Style | None = Field(default=None, validate_default=True, exclude_if=none)
    """The house style, as what it says and not where it lies; a task that knows styles has one of its own."""
    n: int = Field(ge=1)
    """Accepted encounters."""
    seed: int = Field(0, ge=0)
    teacher: TeacherConfig
    control: Control = Field(default=Control(), exclude_if=lambda control: control == Control())
    """Which patients, in which shares, and how they speak; the pack's own where nothing is asked for."""
    hold_out: tuple[HeldOut, ...] = ()
    """Benchmarks that the data set is to be used with; the check of contamination runs where there are any."""
    contamination: ContaminationConfig = ContaminationConfig()
    checks: tuple[str, ...] = Field(default=CHECKS, validate_default=True)
    phi: PhiConfig = PhiConfig()
    duplicates: DuplicatesConfig = DuplicatesConfig()
    faithfulness: FaithfulnessConfig = FaithfulnessConfig()
    judge: JudgeConfig | None = Field(default=None, exclude_if=lambda judge: judge is None)
    """Who judges what all these accept; nobody unless asked for."""
    splits: SplitConfig = SplitConfig()
    identities: IdentityMode = "surrogate"
    """What is published where the logs hold placeholders; a complete run can be published again with another one."""

    @property
    def language(self) -> Language | None:
        """What is written in; None for English."""
        return "de" if self.style is not None and self.style.language == "de" else None

    @field_validator("style", mode="before")
    @classmethod
    def _resolved(cls, given: JsonValue, info: ValidationInfo) -> Style | JsonValue:
        task = load_task(info.data.get("task", "note"))
        if task.style is None:
            if given is not None:
                raise ValueError(f"the task {task.name!r} knows no styles; leave out --style")
            return None
        if given is None or isinstance(given, str):
            return load_style(task.style if given is None else given)
        return given

    @field_validator("style")
    @classmethod
    def _of_the_task(cls, style: Style | None, info: ValidationInfo) -> Style | None:
        task = load_task(info.data.get("task", "note"))
        if style is not None and set(style.sections) != set(task.sections):
            raise ValueError(
                f"{style.name} must give a heading to each of {', '.join(task.sections)}, and to no others"
            )
        return style

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if self.judge is not None and load_task(self.task).judgement is None:
            raise ValueError(f"there is no rubric for {self.task!r}; leave out --judge")
        return self

    @field_validator("hold_out")
    @classmethod
    def _by_name(cls, held_out: tuple[HeldOut, ...]) -> tuple[HeldOut, ...]:
        if len({one.name for one in held_out}) < len(held_out):
            raise ValueError("a benchmark is named twice")
        return tuple(sorted(held_out, key=lambda one: one.name))  # whatever order they are given in, it is one run

    @field_validator("checks")
    @classmethod
    def _in_order(cls, checks: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if checks[:1] != ("schema",):
            raise ValueError("'schema' must come first: what breaks its contract is no target")
        # What cannot be filled cannot be published, whatever else is checked; and encounters are compared last, with
        # those that nothing else rejected.
        gates = ("contamination",) if info.data.get("hold_out") else ()
        answer = ("answer",) if load_task(info.data.get("task", "note")).answer is not None else ()
        answer = (*answer, "style") if info.data.get("style") is not None else answer
        compared = tuple(name for name in checks if name == "duplicates")
        moved = ("answer", "style", "identities", "contamination", "duplicates")
        return (*(name for name in checks if name not in moved), *answer, "identities", *gates, *compared)


def read_settings(file: Path | None) -> dict[str, JsonValue]:
    """Return the settings in a YAML file, unchecked; none where no file was given. UserError where it cannot be
    read."""
    if file is None:
        return {}
    try:
        loaded = load_yaml(file)
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"cannot read {file}: {str(error).splitlines()[0]}") from error
    if not isinstance(loaded, dict):
        raise UserError(f"{file} must hold a mapping of settings, such as 'specialty: endocrinology'")
    return loaded


def read_shares(file: Path) -> dict[str, JsonValue]:
    """Return the target distribution in a YAML file, unchecked; UserError where it holds none."""
    shares = read_settings(file)
    known = tuple(Shares.model_fields)
    if not shares:
        such_as = "'sex: {female: 0.5, male: 0.5}'"
        raise UserError(f"{file} holds no shares; give some of {', '.join(known)}, such as {such_as}")
    for name in shares:
        if name not in known:
            raise UserError(f"{file}: unknown share {name!r}{suggest(name, known)}; known: {', '.join(known)}")
    return shares


def resolve_config(settings: Mapping[str, JsonValue]) -> RunConfig:
    """Return the configuration; UserError with one line that names the setting that is missing or wrong."""
    try:
        return RunConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "configuration"
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "missing":
            raise UserError(
                f"{where} is missing; give {'-n' if where == 'n' else f'--{where}'} or --config FILE"
            ) from error
        raise UserError(f"{where}: {message[0].lower()}{message[1:]}") from error


def run_versions() -> dict[str, str]:
    """Return the versions that a run's bytes depend on."""
    return {"notewright": __version__, **{name: version(name) for name in _DEPENDENCIES}}


def fingerprint(config: RunConfig, assets: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """Return the SHA-256 under which a run may be resumed.

    ``n`` is left out: the data set of n is a prefix of the data set of any larger n, so a run may be extended. So is
    ``identities``, which decides nothing but what is published of the logs.
    """
    content: JsonValue = {
        "config": config.model_dump(mode="json", exclude={"n", "identities"}),
        "assets": dict(assets),
        "versions": dict(versions),
    }
    return sha256(canonical_json(content))


def dump_config(config: RunConfig) -> str:
    """Return the configuration as YAML that ``synth generate --config`` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
