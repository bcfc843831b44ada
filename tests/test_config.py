"""Settings become a configuration, and the fingerprint covers what can change a byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from synth.catalog import load_task, resolve, suggest
from synth.config import PhiConfig, RunConfig, TeacherConfig, dump_config, fingerprint, read_settings, resolve_config
from synth.errors import UserError
from synth.teachers.select import choose_teacher

CONFIG = RunConfig(specialty="endocrinology", n=10, seed=1, teacher=TeacherConfig(name="simulator"))
ASSETS = {"schemas/note.schema.json": "a"}
VERSIONS = {"notewright": "1"}


def test_what_is_dumped_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(CONFIG))
    assert resolve_config(read_settings(path)) == CONFIG


def test_fingerprint_leaves_out_n_and_identities_and_nothing_else() -> None:
    first = fingerprint(CONFIG, ASSETS, VERSIONS)
    assert fingerprint(CONFIG.model_copy(update={"n": 11}), ASSETS, VERSIONS) == first
    assert fingerprint(CONFIG.model_copy(update={"identities": "tag"}), ASSETS, VERSIONS) == first
    others = [
        fingerprint(CONFIG.model_copy(update={"seed": 2}), ASSETS, VERSIONS),
        fingerprint(CONFIG.model_copy(update={"checks": ("schema",)}), ASSETS, VERSIONS),
        fingerprint(CONFIG.model_copy(update={"phi": PhiConfig(policy="redact")}), ASSETS, VERSIONS),
        fingerprint(CONFIG.model_copy(update={"teacher": TeacherConfig(name="server", model="m")}), ASSETS, VERSIONS),
        fingerprint(CONFIG, {"schemas/note.schema.json": "b"}, VERSIONS),
        fingerprint(CONFIG, ASSETS, {"notewright": "2"}),
    ]
    assert len({first, *others}) == 7


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"n": 3, "teacher": {"name": "simulator"}}, "specialty is missing; give --specialty or --config FILE"),
        ({"specialty": "x", "teacher": {"name": "simulator"}}, "n is missing; give -n or --config FILE"),
        ({"specialty": "x", "n": 0, "teacher": {"name": "simulator"}}, "n: input should be greater than or equal to 1"),
        ({"specialty": "x", "n": 1, "teacher": {"name": "oracle"}}, "teacher.name"),
        ({"specialty": "x", "n": 1, "teacher": {"name": "simulator"}, "splits": {"test": 0.7}}, "splits.test"),
        ({"specialty": "x", "n": 1, "teacher": {"name": "simulator"}, "identities": "fake"}, "identities"),
        ({"specialty": "x", "n": 1, "teacher": {"name": "simulator"}, "phi": {"policy": "mask"}}, "phi.policy"),
        (
            {"specialty": "x", "n": 1, "teacher": {"name": "simulator"}, "phi": {"quarantine": ["PERSN"]}},
            r"phi.quarantine: unknown entity type 'PERSN' \(did you mean PERSON\?\)",
        ),
        (
            {"specialty": "x", "n": 1, "teacher": {"name": "simulator"}, "phi": {"thresholds": {"PERSON": 2}}},
            r"phi.thresholds.PERSON: ",
        ),
    ],
)
def test_what_is_wrong_is_named_in_one_line(settings: dict[str, str], line: str) -> None:
    with pytest.raises(UserError, match=line) as caught:
        resolve_config(settings)
    assert "\n" not in str(caught.value)


def test_flags_go_before_the_file_and_contradictions_are_refused() -> None:
    configured: dict[str, str] = {"name": "server", "model": "m1"}
    assert choose_teacher(None, "simulator", (), None).settings == {"name": "simulator"}
    assert choose_teacher(None, "org/model", (), None).settings == {"name": "vllm", "model": "org/model"}
    assert choose_teacher(dict(configured), None, ("http://127.0.0.1:1",), None).settings == configured
    assert choose_teacher(dict(configured), None, ("http://127.0.0.1:1",), "m2").settings["model"] == "m2"
    with pytest.raises(UserError, match="--endpoint needs --model"):
        choose_teacher(None, None, ("http://127.0.0.1:1",), None)
    with pytest.raises(UserError, match="exclude each other"):
        choose_teacher(None, "simulator", ("http://127.0.0.1:1",), "m")
    with pytest.raises(UserError, match="--model goes with --endpoint"):
        choose_teacher(None, None, (), "m")


def test_suggestions_are_near_or_absent() -> None:
    assert suggest("endo", ["cardiology", "endocrinology"]) == " (did you mean endocrinology?)"
    assert suggest("cardiolgy", ["cardiology", "endocrinology"]) == " (did you mean cardiology?)"
    assert suggest("xyz", ["cardiology"]) == ""
    assert suggest("", ["cardiology"]) == ""


def test_unknown_names_are_one_line() -> None:
    with pytest.raises(UserError, match=r"unknown check 'fhi' \(did you mean phi\?\); known: phi, schema"):
        resolve("checks", "fhi", {"phi": "a:b", "schema": "a:c"})
    with pytest.raises(UserError, match=r"unknown task 'nota' \(did you mean note\?\)"):
        load_task("nota")
