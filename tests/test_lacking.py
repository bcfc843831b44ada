"""Too little memory and packages that are not there are one line, whatever the command; any other error is a fault."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from distill.lacking import EXTRAS, lacking
from tests.running import here

ROOT = Path(__file__).resolve().parent.parent
MEMORY = (
    "distill: the device has too little memory; take a smaller --batch-size or --max-length, or train with "
    "--method qlora ('distill doctor' says what fits here)"
)
COMMANDS = {
    "distill.train.train": ("train", "--student", "tiny", "--data", ".", "--out", "nowhere"),
    "distill.sweep.sweep": ("sweep", "--data", ".", "--out", "nowhere"),
    "distill.memorisation.measuring.measure": ("memorisation", "--student", ".", "--data", "."),
    "distill.evaluate.evaluate": ("eval", "--student", ".", "--data", "."),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_too_little_memory_is_one_line(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def too_much(*_args: object, **_said: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has a total of 7 GiB")

    monkeypatch.setattr(what, too_much)
    result = here(*COMMANDS[what], program="distill")
    assert result.returncode == 2
    assert result.stderr.splitlines() == [MEMORY]


@pytest.mark.parametrize("what", COMMANDS)
def test_any_other_error_is_a_fault(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_said: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(what, broken)
    with pytest.raises(RuntimeError, match="a fault"):
        here(*COMMANDS[what], program="distill")


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("transformers", "transformers is not installed; install it with: pip install 'notewright[train]'"),
        ("scipy", "scipy is not installed; install it with: pip install 'notewright[eval]'"),
        ("trl.experimental.gkd", None),
        ("distill.nothing", None),
        ("yaml", None),
        (None, None),
    ],
)
def test_only_modules_of_the_extras_are_asked_for(module: str | None, line: str | None) -> None:
    assert lacking(ModuleNotFoundError(f"No module named {module!r}", name=module)) == line


def test_what_a_library_makes_of_a_missing_module_is_seen_through() -> None:
    try:
        try:
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        except ModuleNotFoundError as error:
            raise ImportError("could not import Trainer") from error
    except ImportError as error:
        line = lacking(error)
    assert line == "torch is not installed; install it with: pip install 'notewright[train]'"
    assert lacking(ValueError("of something else")) is None


def test_every_package_of_an_extra_is_known_by_its_module() -> None:
    """Those that every installation has, and those of developers, aside."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    def modules(lines: list[str]) -> set[str]:
        return {line.partition(">")[0].partition("=")[0].strip().replace("-", "_") for line in lines}

    always = modules(project["dependencies"])
    extras = {
        name: modules(lines) - always for name, lines in project["optional-dependencies"].items() if name != "dev"
    }
    assert set().union(*extras.values()) <= EXTRAS.keys()
    for module, extra in EXTRAS.items():
        homes = {name for name, found in extras.items() if module in found}
        assert extra in homes or not homes, module
    assert set(EXTRAS.values()) <= extras.keys()


def test_training_without_its_packages_is_one_line(tmp_path: Path) -> None:
    from tests.students import write_run

    run = write_run(tmp_path / "run")
    absent = ("torch", "transformers", "peft", "trl", "datasets", "huggingface_hub")
    words = ["distill", "train", "--student", "tiny", "--data", str(run), "--out", str(tmp_path / "out")]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent!r})); sys.argv = {words!r}; "
        "from distill.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 2, result.stderr
    assert result.stderr == "distill: transformers is not installed; install it with: pip install 'notewright[train]'\n"
