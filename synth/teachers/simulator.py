"""The simulator: a teacher that needs no model. A stochastic grammar turns a scenario into a dialogue and its note."""

from __future__ import annotations

from synth.catalog import Task
from synth.clock import Traffic
from synth.draws import Draws
from synth.packs import Pack
from synth.packs.voice import voiced
from synth.records import Encounter, JsonObject, Scenario, Sex, Source, TeacherIdentity, Transcript, Usage
from synth.styles import Style
from synth.teachers.base import Candidate
from synth.teachers.chart import chart_places, charted, read_chart
from synth.teachers.dialogue import Dialogue
from synth.teachers.grammar import Expansion, load_grammar
from synth.teachers.note import write_note
from synth.teachers.templates import Templates


class Simulator:
    """Writes the same encounter for the same scenario, whatever was written before; holds nothing between encounters.

    The scenario carries its own seed. UserError where the task's grammar is unknown.
    """

    def __init__(self, pack: Pack, task: Task, style: Style | None = None) -> None:
        self._pack = pack
        self._packs: dict[Sex, Pack] = {"female": voiced(pack, "female"), "male": voiced(pack, "male")}
        self._places = chart_places(pack)
        self._task = task
        self._templates = Templates(task, pack, style)
        self._grammar = load_grammar(task.simulator if pack.voice == "patient" else pack.voice)
        self._identity = TeacherIdentity(name="simulator", model=None, revision=self._grammar.revision)

    @property
    def identity(self) -> TeacherIdentity:
        """Who writes: the simulator, with the grammar's hash as its revision."""
        return self._identity

    def encounter(self, scenario: Scenario) -> Encounter:
        """Return the encounter of a scenario; pure."""
        if self._task.source_kind == "documents":
            source = self._templates.source(scenario, simulated=self._task.source_by == "teacher")
            return self._made(scenario, source, self._templates.target(scenario))
        state = Expansion(Draws("simulator", scenario.id))
        transcript = self._transcript(scenario, state)
        listed = charted(self._places, scenario)

        def note() -> JsonObject:
            return self._note(listed, state)

        target = note() if self._task.simulated == "chart" else self._templates.target(listed, note)
        return self._made(scenario, transcript, target)

    def transcript(self, scenario: Scenario) -> Transcript:
        """Return the transcript of a scenario; pure."""
        return self._transcript(scenario, Expansion(Draws("simulator", scenario.id)))

    def _transcript(self, scenario: Scenario, state: Expansion) -> Transcript:
        chart = read_chart(scenario)
        return Transcript(turns=Dialogue(self._packs[chart.patient.sex], self._grammar, chart, scenario, state).turns())

    def _note(self, listed: Scenario, state: Expansion) -> JsonObject:
        chart = read_chart(listed)
        length = listed.manner.length if listed.manner is not None else "usual"
        symptom = self._packs[chart.patient.sex].symptoms.get(chart.complaint.name)
        occasion = symptom is None or (symptom.once and chart.complaint.duration is not None)
        return write_note(chart, occasion, self._grammar, state, length)

    def _made(self, scenario: Scenario, source: Source, target: JsonObject) -> Encounter:
        return Encounter(
            id=scenario.id,
            index=scenario.index,
            task=self._task.name,
            scenario=scenario,
            source=source,
            target=target,
            teacher=self._identity,
            attempts=1,
            usage=Usage(),
        )

    @property
    def attempts(self) -> int:
        """One: it would write the same again."""
        return 1

    @property
    def traffic(self) -> Traffic:
        """None: it has no server."""
        return Traffic()

    @property
    def constrained(self) -> None:
        """None: it is no model."""

    async def write(self, candidate: Candidate) -> Encounter:
        """Return the encounter of a candidate; the simulator never rejects."""
        candidate.attempts = {"source": 1, "target": 1}
        return self.encounter(candidate.scenario)

    async def close(self) -> None:
        """Do nothing: there is nothing to give back."""
