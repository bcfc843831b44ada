"""What a method trains, adapter or whole base: how the base is loaded for each, what is trained, and what is kept."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from distill.approaches import APPROACHES
from distill.settings import TrainSettings
from distill.student import Method, Quantisation, Student, base_context, load_model
from distill.trained import is_trained, read_trained
from synth.errors import UserError

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def check_asked(student: Student, settings: TrainSettings) -> None:
    """Raise UserError where the settings do not go with the method, or the student is none that it can start from."""
    method = settings.method
    approach = APPROACHES[method]
    if approach.needs_teacher and settings.teacher is None:
        raise UserError(f"--method {method} needs a teacher with the student's tokenizer; say which with --teacher")
    if settings.teacher is not None and not approach.needs_teacher:
        raise UserError(f"--teacher is for --method gkd; --method {method} has none")
    if settings.on_policy is not None and not approach.needs_teacher:
        raise UserError(f"--on-policy is for --method gkd, not {method}")
    if settings.beta is not None and approach.beta is None:
        raise UserError(f"--beta is for --method gkd and dpo, not {method}")
    if settings.beta is not None and not approach.lowest_beta <= settings.beta <= approach.highest_beta:
        reach = "from 0 to 1" if approach.highest_beta == 1 else "above 0"
        raise UserError(f"beta has to be {reach} under --method {method}, not {settings.beta:g}")
    if "quantisation" in settings.model_fields_set and not approach.quantised:
        raise UserError(f"--quantisation is for --method qlora; --method {method} does not quantise, leave it out")
    if settings.rank is not None and approach.whole:
        raise UserError(f"--rank is of an adapter; --method {method} trains every weight, leave it out")
    if approach.objective != "sft" and settings.packing:
        raise UserError(f"--method {method} does not pack; leave --packing out")
    if approach.objective != "sft" and settings.canaries:
        raise UserError(f"canaries are planted in targets; --method {method} does not learn them word for word")
    whole = student.folder is not None and is_trained(student.folder)
    if approach.needs_trained and student.start is None and not whole:
        raise UserError(
            f"--method {method} starts from a trained student; train one with --method lora and say --student FOLDER"
        )
    if student.start is None:
        return
    if approach.whole or approach.quantised:
        raise UserError(f"an adapter goes on as it is, not by --method {method}; use --method lora, gkd or dpo")
    if student.lora != read_trained(Path(student.start.folder)).student.lora:
        raise UserError(
            f"{student.start.folder} goes on with its own adapter; leave --rank, and the recipe's lora, out"
        )


def check_length(student: Student) -> None:
    """Raise UserError where examples may be longer than the base can read: beyond that it has learned no places."""
    context = base_context(student)
    if context is not None and student.max_length > context:
        raise UserError(
            f"examples of up to {student.max_length:,} tokens (--max-length, or the recipe's) are more than "
            f"{student.name} can read ({context:,}); take --max-length {context}, or a student with a longer context"
        )


def load_for_training(student: Student, settings: TrainSettings, device: str, precision: str) -> PreTrainedModel:
    """Return the base as a method trains it, with the adapter that it goes on with, where there is one.

    What is trained is float32 in any precision, for Adam's steps are too small for bfloat16 weights: under ``full``
    that is the whole base. Raises UserError where the base, or what quantises it, is missing.
    """
    quantisation = quantised_to(student, settings)
    if quantisation is not None:
        model = load_quantised(student, quantisation, device, precision)
    else:
        narrow = precision == "bf16" and not APPROACHES[settings.method].whole
        model = load_model(student, device=device, precision="bf16" if narrow else "fp32")
    # A checkpoint has tied weights once; what is not named here is told as missing where the checkpoint is read back.
    model._keys_to_ignore_on_save = set(model.all_tied_weights_keys)
    if student.start is None:
        return model
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(model, student.start.folder, is_trainable=True, use_safetensors=True)
    # The adapter says only the base's name; PEFT looks for the base's settings when it writes a checkpoint.
    adapted.peft_config["default"].base_model_name_or_path = model.name_or_path
    return cast("PreTrainedModel", adapted)


def quantised_to(student: Student, settings: TrainSettings) -> Quantisation | None:
    """Return what the base is quantised to in training; None where it is not."""
    if student.start is not None:
        return student.start.quantisation
    return settings.quantisation if APPROACHES[settings.method].quantised else None


def load_quantised(student: Student, wanted: Quantisation, device: str, precision: str) -> PreTrainedModel:
    """Return the base in NF4 or LLM.int8(); UserError where bitsandbytes is missing or the base comes
    quantised already."""
    if find_spec("bitsandbytes") is None:
        raise UserError("quantising a base needs bitsandbytes; install it with: pip install 'notewright[quantised]'")
    if student.quantisation is not None:
        raise UserError(f"{student.name} comes in {student.quantisation} and is not quantised again; use --method lora")
    import torch
    from bitsandbytes.nn.modules import Linear4bit
    from transformers.utils.quantization_config import BitsAndBytesConfig

    compute: torch.dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    config = (
        BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute,
        )
        if wanted == "nf4"
        else BitsAndBytesConfig(load_in_8bit=True)
    )
    model = load_model(student, device=device, precision="bf16" if precision == "bf16" else "fp32", quantise=config)
    for module in model.modules():
        # On a CPU with AVX-512 BF16 bitsandbytes packs NF4 weights anew at the first pass without gradients: that fails
        # where a row is no whole number of blocks, and the weights that training goes on with would be others.
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
    return model


def adapter_config(student: Student, method: Method) -> LoraConfig | None:
    """Return the settings of a new adapter, None where the whole base is trained or there is an adapter already."""
    return None if APPROACHES[method].whole or student.start is not None else lora_config(student)


def lora_config(student: Student) -> LoraConfig:
    """Return the settings of the student's adapter."""
    from peft import LoraConfig

    settings = student.lora
    modules = settings.target_modules
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        # PEFT refuses dropout beside parameters that are no linear layers; distill.dropout adds it to the layers.
        lora_dropout=0.0 if settings.target_parameters else settings.dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
        target_parameters=list(settings.target_parameters) or None,
        modules_to_save=list(settings.modules_to_save) or None,
        # A head that is the embeddings' transpose in the base stays so.
        ensure_weight_tying=bool(settings.modules_to_save),
    )


def train_in_float32(model: torch.nn.Module) -> None:
    """Make what is trained float32: TRL makes the adapter of a quantised base bfloat16."""
    for weights in model.parameters():
        if weights.requires_grad:
            weights.data = weights.data.float()


def save_student(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    student: Student,
    out: Path,
    state: dict[str, torch.Tensor] | None = None,
) -> None:
    """Write the adapter, or the whole model where that was trained, and the tokenizer.

    ``state`` is given where the weights lie on several devices.
    """
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

    if isinstance(model, PeftModel):
        for config in model.peft_config.values():
            assert isinstance(config, LoraConfig)
            # The path of the base on this machine means nothing elsewhere; student.json says how to find it.
            config.base_model_name_or_path = student.repository or student.name
            config.revision = student.revision
        # Beside the adapter that was trained there may be the frozen copy that served as reference.
        model.save_pretrained(
            str(out),
            safe_serialization=True,
            save_embedding_layers=False,
            state_dict=state,
            selected_adapters=["default"],
        )
    else:
        assert isinstance(model, PreTrainedModel)
        model.save_pretrained(str(out), state_dict=state)
    tokenizer.save_pretrained(str(out), save_jinja_files=False)
