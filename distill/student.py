"""Students: which base, which LoRA, how they are loaded; one YAML file each in ``students/``, a folder, or a hub id.

Nothing is downloaded here. A base from the hub is read from the local cache, and where it is missing one line says how
to get it. Weights are read from safetensors only, and no code comes with them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, JsonValue, model_validator

from distill.files import existing, read_yaml, yaml_names
from distill.hub import quiet_hub
from synth.assets import sha256
from synth.catalog import suggest
from synth.errors import UserError
from synth.records import Record

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.utils.quantization_config import BitsAndBytesConfig

_FOLDER = Path(__file__).resolve().parent / "students"
_OWN_LENGTH = 4096
"""Tokens of an example for a base that the user brought, unless it reads fewer."""
ADAPTER_FILE = "adapter_config.json"
"""Where it lies beside a base, transformers puts the adapter on the base as that is read."""
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_HASHED_BYTES = 1_000_000_000
"""Larger bases are known by their repository's revision alone."""
_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w.-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
Method = Literal["lora", "qlora", "full", "gkd", "dpo"]
Quantisation = Literal["nf4", "int8"]
Template = Literal["tiny", "llama3", "qwen3", "gemma3", "chatml", "phi4", "harmony"]
"""Families of chat templates; chatml is SmolLM2's, harmony that of gpt-oss."""
Architecture = Literal["llama", "qwen3", "gemma3_text", "gemma3", "phi3", "gpt_oss"]
"""``model_type`` in the base's config.json."""


class LoraSettings(Record):
    """What the adapter adds to the base."""

    rank: int = Field(gt=0)
    alpha: int = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    target_modules: str | tuple[str, ...] = "all-linear"
    target_parameters: tuple[str, ...] = ()
    """Parameters that are no linear layer, such as the experts of a mixture."""
    modules_to_save: tuple[str, ...] = ()
    """Modules that are trained whole and kept in the adapter, such as the embeddings of a small base."""


class Recipe(Record):
    """How the adapter learns, unless a recipe file or the command says otherwise."""

    method: Method = "lora"
    """LoRA on the base as it is, LoRA on a quantised base, or every weight, on the targets; LoRA towards a teacher's
    distribution (generalised knowledge distillation), or on preferences."""
    quantisation: Literal["nf4", "int8", "none"] = "none"
    """Of the frozen base while it is trained on; never ``none`` for qlora, always for the others."""
    format: Literal["json", "text"] = "json"
    """What the student writes."""
    learning_rate: float = Field(gt=0)
    """Peak; about ten times that of full fine-tuning, as LoRA wants ("LoRA without regret", Thinking Machines,
    2025)."""
    optimiser: Literal["adamw"] = "adamw"
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = Field(default=0.0, ge=0)
    epochs: float = Field(gt=0)
    steps: int | None = Field(default=None, gt=0)
    """Optimiser steps; goes before ``epochs``."""
    batch_size: int = Field(gt=0)
    """Examples a forward pass."""
    accumulation: int = Field(gt=0)
    """Forward passes an optimiser step."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps."""
    packing: bool | None = None
    """Several examples in one row; None leaves it to the device."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    eval_every: int | None = Field(default=None, gt=0)
    """Optimiser steps between two evaluations; None is an epoch."""
    patience: int | None = Field(default=None, gt=0)
    """Evaluations without a better validation loss before training stops; None never stops early."""
    seed: int = Field(default=0, ge=0)
    teacher: str | None = None
    """Whose distribution is learned under gkd: as for a student, a name, a folder, or a hub id."""
    on_policy: float | None = Field(default=None, ge=0, le=1)
    """Share of the batches of gkd that the student writes itself."""
    beta: float | None = Field(default=None, ge=0)
    """Of the divergence under gkd, of the deviation from the reference under dpo."""

    @model_validator(mode="after")
    def _quantised_where_it_says_so(self) -> Recipe:
        if (self.method == "qlora") != (self.quantisation != "none"):
            raise ValueError(f"method {self.method} does not go with quantisation {self.quantisation}")
        return self


USUAL = Recipe(learning_rate=2e-4, epochs=3, batch_size=1, accumulation=8)
"""Of a base that the user brought."""


class Shape(Record):
    """The sizes in the base's config.json, and what follows from them."""

    architecture: Architecture
    parameters: int
    """All weights, each once: a head that is the embeddings' transpose is not counted again."""
    adapter_parameters: int
    """What the student's LoRA trains."""
    layers: int
    hidden: int
    intermediate: int
    """Width of the feed-forward block; of one expert where there are experts."""
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    """The head is the embeddings' transpose."""
    experts: int = 0
    """In each layer; 0 for a dense model."""
    active_experts: int = 0
    """That one token passes through."""
    other_parameters: int = 0
    """Besides the language model, such as a vision tower that a text never reaches."""


class Start(Record):
    """An adapter that a training goes on with."""

    folder: str
    quantisation: Quantisation | None = None
    """Of the base that it was trained on."""


class Student(Record):
    """A base and how it is taught."""

    name: str
    repository: str | None = None
    """On the Hugging Face hub; None for a base in a folder."""
    revision: str | None = None
    """Commit of the repository."""
    folder: str | None = None
    """Below ``distill/students/`` for a shipped base, else the path that the user gave."""
    licence: str
    gated: bool = False
    """The hub gives it only to who has accepted the licence."""
    template: Template | None = None
    """Family of the chat template; None for a base that the user brought."""
    quantisation: Literal["mxfp4"] | None = None
    """How the base is stored; it is dequantised for training."""
    quantisations: tuple[Quantisation, ...] = ("nf4", "int8")
    """What its linear layers can be quantised to for training, by bitsandbytes."""
    context: int | None = Field(default=None, gt=0)
    """Tokens that the base can read at most; None for a base that the user brought."""
    max_length: int = Field(gt=0)
    """Tokens of prompt and completion together."""
    lora: LoraSettings
    recipe: Recipe
    start: Start | None = Field(default=None, exclude_if=lambda start: start is None)
    """None where the adapter is new."""
    shape: Shape | None = None
    """None where nobody has written it down: a base that the user brought."""


def student_names() -> list[str]:
    """Return the names of the students that the project knows."""
    return yaml_names(_FOLDER)


def is_shipped(student: Student) -> bool:
    """Return whether a student is one of the catalogue, and not a folder of that name."""
    own = student.folder is not None and Path(student.folder).is_absolute()
    return not own and student.name in student_names()


@cache
def find_student(name: str) -> Student:
    """Return the student of a name, or one made for a local folder with a base; UserError where there is neither."""
    names = student_names()
    if name in names:
        return read_yaml(_FOLDER / f"{name}.yaml", Student)
    if (path := existing(name)) is not None and path.is_dir():
        if (path / "config.json").is_file():
            length = min(_OWN_LENGTH, _said_context(path) or _OWN_LENGTH)
            return _own_student(path.name, folder=str(path.resolve()), max_length=length)
        raise UserError(f"{name} holds no base: config.json is missing")
    if hub := _HUB_ID.fullmatch(name):
        return _own_student(name, repository=hub[1], revision=hub[2])
    raise UserError(
        f"unknown student {name!r}{suggest(name, names)}; known: {', '.join(names)}, a folder with a base, "
        "or a hub id (ORG/NAME)"
    )


def how_to_find(student: Student) -> str:
    """Return the name by which ``find_student`` finds the student's base again: that of the catalogue, the path of a
    folder, or a hub id with its commit, where that is known."""
    if is_shipped(student):
        return student.name
    if student.folder is not None:
        return student.folder
    return f"{student.repository}@{student.revision}" if student.revision else str(student.repository)


def _own_student(
    name: str,
    *,
    folder: str | None = None,
    repository: str | None = None,
    revision: str | None = None,
    max_length: int = _OWN_LENGTH,
) -> Student:
    """Return a student with usual settings for a base that the user brought."""
    return Student(
        name=name,
        folder=folder,
        repository=repository,
        revision=revision,
        licence="see the base" if repository is None else f"see https://huggingface.co/{repository}",
        max_length=max_length,
        lora=LoraSettings(rank=16, alpha=32, dropout=0.0),
        recipe=USUAL,
    )


def base_folder(student: Student) -> Path:
    """Return the folder with the student's base; UserError with the command that gets it where it is not on this
    machine."""
    if student.folder is not None:
        path = _FOLDER / student.folder  # An absolute path stays as it is.
        if not (path / "config.json").is_file():
            made = f"make it with: python -m distill.tiny --out {path}"
            back = made if is_shipped(student) else "put it back, or say where it is with --base"
            raise UserError(f"the base of {student.name} is not at {path}; {back}")
        return path
    quiet_hub()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    assert student.repository is not None
    try:
        return Path(snapshot_download(student.repository, revision=student.revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        raise UserError(_missing(student)) from error


def base_context(student: Student) -> int | None:
    """Return how many tokens a base can read at most, as the catalogue says it or its own config.json; None where
    neither does. UserError where there is no base to look at."""
    return student.context if student.context is not None else _said_context(base_folder(student))


def _said_context(folder: Path) -> int | None:
    try:
        config: JsonValue = json.loads((folder / "config.json").read_text("utf-8"))
    except ValueError:
        return None
    said = config.get("text_config", config) if isinstance(config, dict) else None
    found = said.get("max_position_embeddings") if isinstance(said, dict) else None
    return found if isinstance(found, int) and found > 0 else None


def pinned(student: Student) -> Student:
    """Return the student with the commit that lies in the cache, where none, or a branch, was asked for; UserError
    where there is none."""
    if student.repository is None or _COMMIT.fullmatch(student.revision or ""):
        return student
    return student.model_copy(update={"revision": base_folder(student).name})


def how_to_get(student: Student) -> str:
    """Return the command that gets a base, licence first where the hub asks for it."""
    if student.repository is None:
        return f"python -m distill.tiny --out {student.folder}"
    revision = f" --revision {student.revision}" if student.revision else ""
    first = (
        f"accept the licence ({student.licence}) at https://huggingface.co/{student.repository}, hf auth login, then: "
        if student.gated
        else ""
    )
    return (
        f"{first}hf download {student.repository}{revision} "
        "--exclude 'original/*' --exclude '*.bin' --exclude 'metal/*'"
    )


def _missing(student: Student) -> str:
    """Return the line that says what is missing and how to get it."""
    where = "" if student.template else f" ({student.name} is no folder here, nor in the hub's cache)"
    return f"the base of {student.name} is not on this machine{where}; get it: {how_to_get(student)}"


def load_tokenizer(student: Student) -> PreTrainedTokenizerBase:
    """Return the student's tokenizer, with a padding token and a chat template; UserError where it has no template."""
    folder = base_folder(student)
    quiet_hub()
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"the tokenizer of {student.name} cannot be read from {folder}: {_first_line(error)}"
        ) from error
    if tokenizer.chat_template is None:
        raise UserError(f"the tokenizer of {student.name} has no chat template; use an instruction-tuned base")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    student: Student,
    *,
    device: str = "cpu",
    precision: Literal["bf16", "fp32"] | None = None,
    quantise: BitsAndBytesConfig | None = None,
) -> PreTrainedModel:
    """Return the student's base, in bfloat16 on CUDA and in float32 elsewhere unless told otherwise; UserError where it
    is missing or unreadable, or an adapter lies in its folder."""
    folder = base_folder(student)
    if (folder / ADAPTER_FILE).is_file():
        raise UserError(
            f"{folder} holds an adapter ({ADAPTER_FILE}) beside the model of {student.name}, and both would be loaded; "
            "train again into another folder, or remove the adapter's files where they are left over"
        )
    quiet_hub()
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.quantization_config import Mxfp4Config

    narrow = precision == "bf16" if precision is not None else device.startswith("cuda")
    dtype: torch.dtype = torch.bfloat16 if narrow else torch.float32
    extra: dict[str, object] = {}
    if quantise is not None:
        # Weights are quantised as they are read, so they have to be read to their place.
        extra = {"quantization_config": quantise, "device_map": {"": device}}
    elif student.quantisation == "mxfp4":
        extra = {"quantization_config": Mxfp4Config(dequantize=True)}
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, local_files_only=True, trust_remote_code=False, use_safetensors=True, **extra
        )
    except (OSError, ValueError) as error:
        hint = f"; {_missing(student)}" if student.repository else ""
        raise UserError(f"the base of {student.name} cannot be read: {_first_line(error)}{hint}") from error
    if quantise is None:
        torch.nn.Module.to(model, device)
    return model


def pick_device() -> str:
    """Return ``cuda`` where there is a usable device, else ``cpu``."""
    quiet_hub()
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def base_sha256(student: Student) -> str | None:
    """Return the SHA-256 of the base's weights where they are one file, else None; UserError where the base is
    missing."""
    path = base_folder(student) / "model.safetensors"
    return sha256(path.read_bytes()) if path.is_file() and path.stat().st_size < _HASHED_BYTES else None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
