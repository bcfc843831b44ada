"""The prompts that every client sends: those that Notewright writes where the server does not constrain decoding."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from benchmarks.generation.job import TARGET_BEGINS, Prompt, write_prompts
from synth.catalog import load_task
from synth.packs import load_pack
from synth.records import Transcript, Turn
from synth.scenarios import sample_scenario
from synth.teachers.prompts import Prompts

SPECIALTY = "endocrinology"
SEED = 0


def dump_prompts(file: Path, count: int) -> None:
    """Write the prompts of the first scenarios of the pack to a file that ``job.read_prompts`` reads.

    Raises ValueError where Notewright no longer asks in the form that the other clients are told to ask in.
    """
    pack = load_pack(SPECIALTY)
    worded = Prompts(load_task("note"), pack)
    prompts = []
    for index in range(count):
        scenario = sample_scenario(pack, SEED, index)
        prompts.append(Prompt(scenario.id, *contents(worded.source(scenario, constrained=False))))
    transcript = Transcript(turns=(Turn(speaker="doctor", text="Hello."), Turn(speaker="patient", text="Hello.")))
    target_system, user = contents(worded.target(transcript))
    if user != f"{TARGET_BEGINS}{transcript.text}\n":
        raise ValueError("the user message of a target is not its transcript under a heading")
    write_prompts(file, prompts, target_system)


def contents(messages: JsonValue) -> tuple[str, str]:
    """Return the system and the user message of a prompt; ValueError where it is anything else."""
    match messages:
        case [{"role": "system", "content": str(system)}, {"role": "user", "content": str(user)}]:
            return system, user
    raise ValueError("a prompt is not a system and a user message")
