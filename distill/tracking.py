"""Where training is logged besides its own files: TensorBoard on this machine, Weights & Biases where it is asked for.

Losses, learning rate and gradient norm are logged, and no setting, text or path of this machine. ``curve.jsonl`` and
``report.html`` are written either way.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from synth.console import say
from synth.errors import UserError

Log = Literal["tensorboard", "wandb", "none"]
TENSORBOARD = "tensorboard"
"""The folder of TensorBoard's log, beside the student."""
_PROJECT = "notewright"
_NAMES = {
    "loss": "loss/train",
    "eval_loss": "loss/validation",
    "learning_rate": "learning_rate",
    "grad_norm": "gradient_norm",
}


class Sink(Protocol):
    """What takes values in; opened when training begins."""

    def open(self, step: int) -> None:
        """Begin, or go on after the checkpoint of a step."""

    def write(self, values: dict[str, float], step: int) -> None:
        """Take in the values of a step."""

    def close(self) -> None:
        """End; may be called without ``open``."""


def trackers(log: Log | None, out: Path, *, quiet: bool = False) -> list[TrainerCallback]:
    """Return what logs a training; None is TensorBoard where it is installed, and a line where it is not.

    Nothing leaves the machine but under ``wandb``. Raises UserError where what was asked for is not installed.
    """
    if log == "none":
        return []
    if log == "wandb":
        if find_spec("wandb") is None:
            raise UserError("--log wandb needs the package wandb; install it with: pip install wandb")
        return [ScalarLog(WandbSink(out))]
    if find_spec("tensorboard") is not None:
        return [ScalarLog(TensorBoardSink(out / TENSORBOARD))]
    if log == "tensorboard":
        raise UserError("--log tensorboard needs the package tensorboard; install it with: pip install tensorboard")
    if not quiet:
        say("no TensorBoard log: tensorboard is not installed (pip install tensorboard); report.html has the plots")
    return []


def remove_log(folder: Path) -> None:
    """Remove TensorBoard's log of an earlier training."""
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()


class ScalarLog(TrainerCallback):
    """Hands what the trainer logs to a sink."""

    def __init__(self, sink: Sink) -> None:
        """``sink`` is opened when training begins."""
        self._sink = sink

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Open the sink."""
        del args, control
        self._sink.open(state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        """Hand on the step's values."""
        del args, control
        values = {name: float(logs[key]) for key, name in _NAMES.items() if key in logs} if logs else {}
        if values:
            self._sink.write(values, state.global_step)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Close the sink."""
        del args, state, control
        self._sink.close()


class TensorBoardSink:
    """Event files in a folder. A training from the start takes the place of the folder's old ones; a resumed one takes
    the place of what was logged after its checkpoint."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is made when it is opened."""
        from torch.utils.tensorboard import SummaryWriter

        self._folder, self._kind = folder, SummaryWriter
        self._writer: SummaryWriter | None = None

    def open(self, step: int) -> None:
        """Open an event file."""
        if step == 0:
            remove_log(self._folder)
        self._writer = self._kind(str(self._folder), purge_step=step + 1 if step else None)

    def write(self, values: dict[str, float], step: int) -> None:
        """Write scalars; they are on the disk at once, for whoever watches."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class WandbSink:
    """A run of Weights & Biases, without console output, code or repository; ``WANDB_MODE=offline`` sends nothing."""

    def __init__(self, out: Path) -> None:
        """``out`` names the run, and its files lie below it."""
        self._out = out
        self._run: _WandbRun | None = None

    def open(self, step: int) -> None:
        """Begin a run; a resumed training is one of its own, from its step on."""
        del step
        import wandb  # type: ignore[import-not-found, unused-ignore]  # installed by who asks for it

        self._out.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            name=self._out.name,
            dir=str(self._out),
            settings=wandb.Settings(
                console="off",
                disable_code=True,
                disable_git=True,
                silent=True,
                # The client would tell the host's name, its packages and its load as well.
                host="-",
                x_disable_meta=True,
                x_disable_stats=True,
                x_disable_machine_info=True,
                x_save_requirements=False,
            ),
        )

    def write(self, values: dict[str, float], step: int) -> None:
        """Send values."""
        if self._run is not None:
            self._run.log(values, step=step)

    def close(self) -> None:
        """End the run."""
        if self._run is not None:
            self._run.finish()
            self._run = None


class _WandbRun(Protocol):
    """The part of ``wandb.Run`` that is used."""

    def log(self, data: dict[str, float], step: int) -> None: ...

    def finish(self) -> None: ...
