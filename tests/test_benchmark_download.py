"""`distill benchmarks`: what there is, and what is fetched on the user's word, from a server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from distill import download
from distill.benchmarks.base import Benchmark
from distill.benchmarks.eurorad import Eurorad
from distill.benchmarks.published import CsvFile, Parcel, PublishedCsv, set_hash
from distill.catalog import BENCHMARKS, load_benchmark
from distill.cli import distill
from distill.download import fetch
from distill.listing import listing_lines
from distill.scoring import score_predictions
from synth.assets import sha256
from synth.errors import UserError
from tests.bench import benchmark


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and tells what was asked for."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/away/"):
            self.send_response(302)
            self.send_header("Location", "http://example.com/" + self.path.removeprefix("/away/"))
            self.end_headers()
        elif self.path.startswith("/torn/"):
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"only this")
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the address of a server and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}", folder
        serving.shutdown()
        thread.join()


TEXT = "dataset,encounter_id,dialogue,note\nvirtassist,D2N001,[doctor] hi,A note.\n"
SET = {"notes/a 1.json": b"{}", "notes/b.json": b"[]"}


class Small(PublishedCsv):
    """One file of one row, and a set of two files."""

    original, _ = load_benchmark("aci-bench")
    metadata = original.metadata.model_copy(update={"splits": ("train", "set"), "default_split": "train"})
    repository = load_benchmark("mts-dialog")[0].repository  # type: ignore[attr-defined]
    files = {"train": CsvFile("train.csv", sha256(TEXT), ("D2N001",))}
    folders = ("", "aci-bench")
    own = ("dataset", "encounter_id", "dialogue", "note")
    id_column = "encounter_id"
    noun = "encounter"

    def parcels(self, split: str) -> tuple[Parcel, ...]:
        return super().parcels(split) if split in self.files else (Parcel(tuple(SET), set_hash(SET), "notes"),)


def serve(folder: Path, text: str = TEXT) -> None:
    (folder / "notes").mkdir(exist_ok=True)
    (folder / "train.csv").write_text(text, "utf-8")
    for name, data in SET.items():
        (folder / name).write_bytes(data)


def small() -> Benchmark:
    loader: Benchmark = Small()
    return loader


def test_files_are_fetched_once_and_only_as_published(tmp_path: Path, server: tuple[str, Path]) -> None:
    address, folder = server
    serve(folder)
    told: list[str] = []
    data = tmp_path / "data"
    written = fetch(small(), data, address=address + "/", say=told.append)
    assert [path.relative_to(data / "aci-bench").as_posix() for path in written] == ["train.csv", *SET]
    assert small().available(data, "train")
    assert small().available(data, "set")
    assert Handler.asked == ["/train.csv", "/notes/a%201.json", "/notes/b.json"]
    assert fetch(small(), data, address=address, say=told.append) == []
    assert len(Handler.asked) == 3
    assert told[-1].endswith("notes is there already")
    (data / "aci-bench" / "notes" / "b.json").write_bytes(b"changed")
    assert len(fetch(small(), data, address=address)) == 2


def test_another_file_is_refused_and_not_written(tmp_path: Path, server: tuple[str, Path]) -> None:
    address, folder = server
    serve(folder, TEXT.replace("A note", "Another note"))
    with pytest.raises(UserError, match=r"train.csv has the SHA-256 .* nothing was written") as caught:
        fetch(small(), tmp_path / "data", address=address)
    assert "\n" not in str(caught.value)
    assert sha256(TEXT) in str(caught.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("below", "said"),
    [
        ("/nowhere", "the server says 404"),
        ("/away", "http://example.com/train.csv: benchmarks are fetched over https only"),
        ("/torn", "broke off after 9 of 100 bytes; try again"),
    ],
)
def test_what_a_server_does_wrong_is_one_line(tmp_path: Path, server: tuple[str, Path], below: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        fetch(small(), tmp_path / "data", address=server[0] + below)
    assert "\n" not in str(caught.value)


def test_a_file_may_not_be_too_large(tmp_path: Path, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    address, folder = server
    serve(folder)
    monkeypatch.setattr(download, "LARGEST", 20)
    with pytest.raises(UserError, match="larger than"):
        fetch(small(), tmp_path / "data", address=address)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://example.com/files", "over https only"),
        ("ftp://127.0.0.1/files", "is no address such as https://host/folder"),
        ("file:///etc", "is no address"),
        ("files", "is no address"),
    ],
)
def test_addresses_that_are_not_asked(tmp_path: Path, address: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        fetch(small(), tmp_path, address=address)


def test_nobody_answers(tmp_path: Path, server: tuple[str, Path]) -> None:
    port = int(server[0].rsplit(":", 1)[1])
    with pytest.raises(UserError, match="cannot be reached"):
        fetch(small(), tmp_path, address=f"http://127.0.0.1:{1 if port != 1 else 2}")


@pytest.mark.parametrize("name", ["eurorad", "ophthalmology", "clinical-judgement", "medqa", "medmcqa", "held-out"])
def test_what_may_not_be_passed_on_is_not_fetched(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"{name} is not fetched") as caught:
        fetch(load_benchmark(name)[0], tmp_path, address="http://127.0.0.1:1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["aci-bench", "mts-dialog", "primock57", "pubmedqa"])
def test_published_files_are_fetched_over_https_at_one_commit(name: str) -> None:
    repository = load_benchmark(name)[0].repository  # type: ignore[attr-defined]
    assert repository.address.startswith(f"https://raw.githubusercontent.com/{repository.name}/{repository.commit}")
    assert len(repository.commit) == 40


def test_real_files_pass_through_the_command(tmp_path: Path, server: tuple[str, Path]) -> None:
    address, folder = server
    for path in benchmark("mts-dialog").glob("*.csv"):
        (folder / path.name).write_bytes(path.read_bytes())
    data = tmp_path / "data"
    command = ["benchmarks", "--get", "mts-dialog", "--data", str(data), "--from", address]
    result = CliRunner().invoke(distill, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert "CC BY 4.0; cite Ben Abacha A" in result.output
    lines = list(listing_lines(data))
    start = next(i for i, line in enumerate(lines) if line.startswith("mts-dialog"))
    assert [line.split() for line in lines[start + 1 : start + 5]] == [
        ["train", "1201", "items"],
        ["validation", "100", "items"],
        ["test-1", "200", "items", "(default)"],
        ["test-2", "200", "items"],
    ]


def test_the_list_says_what_is_missing_and_what_it_must_have(tmp_path: Path) -> None:
    text = "\n".join(listing_lines(tmp_path))
    for name in BENCHMARKS:
        benchmark_, _ = load_benchmark(name)
        assert f"\n{name:20}{benchmark_.metadata.title}: " in f"\n{text}"
        for split in benchmark_.metadata.splits:
            for file in benchmark_.wanted(split):
                assert f"missing: {file.name}, from {file.place}" in text
                assert file.sha256 is None or file.sha256 in text
    assert f"distill benchmarks --get primock57 --data {tmp_path}" in text
    assert "checked is the form: CSV with the columns the number of the row, Topic, Type, Question, GT" in text
    assert "needs: train.csv" in "\n".join(listing_lines(None))


def test_a_broken_file_does_not_end_the_list(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("dataset\n1\n", "utf-8")
    (tmp_path / "Eurorad.csv").write_text("case_id,Section\n1,2\n", "utf-8")
    lines = list(listing_lines(tmp_path))
    assert any("train" in line and "not usable" in line and "no column 'encounter_id'" in line for line in lines)
    assert any("not usable" in line and "no column 'OriginalDescription'" in line for line in lines)
    assert any(line.startswith("    to get it: distill benchmarks --get pubmedqa") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--get", "aci-bench"], "--get needs --data DIR"),
        (["--from", "https://example.com"], "give --get NAME, too"),
        (["--get", "acibench", "--data", "x"], "did you mean aci-bench"),
        (["--data", "no such folder"], "no such folder"),
    ],
)
def test_mistaken_options_are_one_line(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(distill, ["benchmarks", *arguments])
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)


class Cases(Eurorad):
    """Scored by nothing: what is said of the data is the matter here."""

    metadata = Eurorad.metadata.model_copy(update={"metrics": ()})


def test_results_name_the_files_and_what_was_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast("dict[str, str]", BENCHMARKS), "cases", f"{__name__}:Cases")
    path = tmp_path / "Eurorad.csv"
    path.write_text(",".join(Eurorad.own) + "\n1,,,A cough.,,Asthma,\n2,,,A rash.,,,\n,,,,,,\n", "utf-8")
    (tmp_path / "mine.csv").write_text("id,prediction\n1,Asthma\n", "utf-8")
    results = score_predictions("cases", tmp_path / "mine.csv", tmp_path, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert written["data"] == results.data == {"Eurorad.csv": sha256(path.read_bytes())}
    assert "1 row without FinalDiagnosis left out: '2'" in written["notes"]
    assert "1 row with neither case_id nor text left out" in written["notes"]
    assert list(results.systems) == ["mine", "majority class"]
