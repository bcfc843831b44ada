"""Named-entity models beside the recognisers: what they find counts, nothing stays unread, nothing is fetched.

The models are made on the spot: a spaCy one that learns four sentences, a BERT whose weights are set so that it labels
two words, and a stand-in with the interface of GLiNER.
"""

from __future__ import annotations

import json
import random
import socket
import sys
from pathlib import Path

import pytest

from synth.checks.phi import SAFE_HARBOR, Scanner, engine_versions, scanner
from synth.checks.phi.engine import engine
from synth.checks.phi.model_labels import Span, entity_types, identifiers
from synth.checks.phi.models import entities, load, locate
from synth.config import PhiConfig, RunConfig, TeacherConfig
from synth.errors import UserError
from synth.pipeline import Execution, generate

WORDS = "i saw mr the knee hurts and was fine in may again dr with no pain ward ok ##onkwo zed . , - : {".split()  # noqa: SIM905
LABELS = {0: "O", 1: "B-PATIENT", 2: "I-HOSP"}


@pytest.fixture(scope="module")
def spacy_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a pipeline that knows names of people, places and dates in four sentences."""
    import spacy
    from spacy.training import Example
    from thinc.api import fix_random_seed

    taught = [
        ("We spoke with Zanthor Quillbee again.", [(14, 30, "PERSON")]),
        ("It began on March 9th.", [(12, 21, "DATE")]),
        ("It began three weeks ago.", [(9, 24, "DATE")]),
        ("They moved from Ostrava to Texas.", [(16, 23, "GPE"), (27, 32, "GPE")]),
    ]
    fix_random_seed(1)
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    examples = [Example.from_dict(nlp.make_doc(text), {"entities": spans}) for text, spans in taught]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer, losses={})
    folder = tmp_path_factory.mktemp("spacy")
    nlp.to_disk(folder)
    return f"spacy:{folder}"


def bert(folder: Path, labels: dict[int, str], positions: int = 32) -> str:
    """Write a BERT that labels the pieces of ``okonkwo`` 1 and ``ward`` 2; attention and feed-forward are nought."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=positions
    ).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=4,
        max_position_embeddings=positions,
        id2label=labels,
        label2id={label: i for i, label in labels.items()},
    )
    model = BertForTokenClassification(config)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "LayerNorm.weight" not in name:
                weights.zero_()
        meaning = model.bert.embeddings.word_embeddings.weight
        meaning[:] = torch.tensor([1.0, 0, 0, 0])
        meaning[[vocabulary["ok"], vocabulary["##onkwo"]]] = torch.tensor([0, 1.0, 0, 0])
        meaning[vocabulary["ward"]] = torch.tensor([0, 0, 1.0, 0])
        model.classifier.weight[:] = 3 * torch.eye(4)[: len(labels)]
    model.save_pretrained(folder)
    return f"hf:{folder}"


@pytest.fixture(scope="module")
def hf_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return bert(tmp_path_factory.mktemp("bert"), LABELS)


def found(model: str, text: str) -> list[tuple[str, str]]:
    """Return what a model adds to the recognisers' findings."""
    findings = scanner(model=model).text(text)
    return [(f.entity_type, text[f.start : f.end]) for f in findings if f.recognizer == model]


def test_a_spacy_model_finds_what_the_recognisers_do_not(spacy_model: str) -> None:
    text = "We spoke with Zanthor Quillbee again."
    assert scanner().text(text) == ()
    (finding,) = scanner(model=spacy_model).text(text)
    assert (finding.entity_type, finding.start, finding.end, finding.recognizer) == ("PERSON", 14, 30, spacy_model)


def test_a_span_of_time_and_a_state_may_stay_and_a_date_and_a_city_may_not(spacy_model: str) -> None:
    assert found(spacy_model, "It began three weeks ago.") == []
    assert ("DATE_TIME", 12, 21) in {(kind, a, b) for a, b, kind, _ in entities(spacy_model, "It began on March 9th.")}
    assert found(spacy_model, "They moved from Ostrava to Texas.") == [("LOCATION", "Ostrava")]


def test_a_model_changes_nothing_about_what_the_recognisers_find(spacy_model: str, hf_model: str) -> None:
    text = "MRN: 00482913, call 415-555-0134."
    for model in (spacy_model, hf_model):
        assert set(scanner().text(text)) <= set(scanner(model=model).text(text))


def test_pieces_of_a_word_are_one_finding_at_its_place(hf_model: str) -> None:
    assert found(hf_model, "I saw Okonkwo, in ward again") == [("PERSON", "Okonkwo"), ("LOCATION", "ward")]
    assert found(hf_model, "okonkwo okonkwo\nokonkwo") == [("PERSON", "okonkwo okonkwo"), ("PERSON", "okonkwo")]


def test_a_text_longer_than_a_model_reads_at_once_is_read_to_the_end(hf_model: str) -> None:
    draw = random.Random(3)
    words = [draw.choice(["knee", "hurts", "fine", "zed"]) for _ in range(3_000)]
    for at in range(7, 3_000, 31):  # at every place of a window of 30 tokens
        words[at] = "Okonkwo"
    words[-1] = "Okonkwo"
    text = " ".join(words)
    places = [at for at in range(len(text)) if text.startswith("Okonkwo", at)]
    persons = {f.start: f.end for f in scanner(model=hf_model).text(text) if f.entity_type == "PERSON"}
    assert len(places) == 98
    assert all(persons[at] - at == 7 for at in places)


def test_a_label_that_never_ends_covers_the_whole_text(tmp_path: Path) -> None:
    model = bert(tmp_path, {0: "PATIENT", 1: "O"})
    text = "knee hurts " * 400
    assert [(f.start, f.end) for f in scanner(model=model).text(text)] == [(0, len(text) - 1)]


def test_fields_read_together_give_what_each_gives_alone(hf_model: str) -> None:
    fields = {"/a": "Okonkwo was fine", "/b": "", "/c": "saw ward\x00Okonkwo", "/d": "again " * 40 + "okonkwo"}
    together = scanner(model=hf_model)
    assert list(together.fields(fields)) == [f for name, text in fields.items() for f in together.text(text, name)]


def test_placeholders_are_no_findings_of_a_model_and_cut_its_spans(tmp_path: Path) -> None:
    model = bert(tmp_path, {0: "PATIENT", 1: "O"})  # everything is a name to it
    assert found(model, "{{patient_name}}") == []
    assert found(model, "Dr. {{clinician_name}}, {{clinic}}.") == []
    assert found(model, "{{patient_name}} and zed {{clinic}} pain") == [("PERSON", "and zed"), ("PERSON", "pain")]


def test_the_widest_of_overlapping_findings_wins(tmp_path: Path) -> None:
    model = bert(tmp_path, {0: "PATIENT", 1: "O"})
    text = "saw MRN: 00482913 again"
    assert [(f.entity_type, f.start, f.end) for f in scanner(model=model).text(text)] == [("PERSON", 0, len(text))]


def test_thresholds_decide_by_entity_type(hf_model: str) -> None:
    text = "saw Okonkwo again, MRN: 00482913"
    assert len(scanner(model=hf_model).text(text)) == 2
    for name in ("PERSON", "person"):
        strict = scanner(((name, 1.0),), hf_model).text(text)
        assert [f.entity_type for f in strict] == ["MEDICAL_RECORD_NUMBER"]
    assert scanner((("MEDICAL_RECORD_NUMBER", 1.0), ("PERSON", 1.0), ("OTHER_ID", 1.0)), hf_model).text(text) == ()
    assert scanner((("PERSON", 0.0),)) is scanner((("PERSON", 0.0),))


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({"phone": 0.5}, "unknown entity type 'phone' (did you mean phone_number?); known: ACCOUNT_NUMBER, "),
        ({"PERSON": 1.2}, "the threshold of PERSON is 1.2; give a number from 0 to 1"),
        ({"PERSON": float("nan")}, "the threshold of PERSON is nan; give a number from 0 to 1"),
    ],
)
def test_a_wrong_threshold_is_the_users_error(thresholds: dict[str, float], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Scanner(thresholds)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("en_core_web_lg", "unknown model 'en_core_web_lg'; known: spacy:NAME_OR_FOLDER, hf:"),
        ("hg:x", "unknown model 'hg:x' (did you mean hf?); known: "),
        ("spacy:xx_absent_sm", "spacy:xx_absent_sm is not here: python -m spacy download xx_absent_sm"),
        ("hf:none/absent-deid", "hf:none/absent-deid is not here: hf download none/absent-deid"),
        ("hf:/none/such", "hf:/none/such: no folder /none/such; give the folder that holds the model"),
        ("hf:none/absent@v2", "hf:none/absent@v2 is not here: hf download none/absent --revision v2"),
    ],
)
def test_a_model_that_is_not_here_is_the_users_error(
    model: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError) as caught:
        Scanner(model=model)
    assert str(caught.value).startswith(message)


def test_a_model_that_cannot_serve_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown labels B-DISEASE; give a model whose labels"):
        Scanner(model=bert(tmp_path / "a", {0: "O", 1: "B-DISEASE", 2: "PER"}))
    with pytest.raises(UserError, match="no label of it is that of an identifier"):
        Scanner(model=bert(tmp_path / "b", {0: "O", 1: "MISC"}))
    pickled = bert(tmp_path / "c", LABELS)
    (tmp_path / "c" / "model.safetensors").rename(tmp_path / "c" / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"no \*.safetensors in .* pickles are never loaded"):
        Scanner(model=pickled)
    broken = bert(tmp_path / "d", LABELS)
    (tmp_path / "d" / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(UserError, match="cannot be run: "):
        Scanner(model=broken).text("knee")
    (tmp_path / "e").mkdir()
    with pytest.raises(UserError, match=r"config.json is missing or broken"):
        Scanner(model=f"hf:{tmp_path / 'e'}")


def test_what_a_model_fails_on_is_unread_and_so_a_finding(hf_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(text: str) -> list[Span]:
        if "knee" in text:
            raise RuntimeError("out of memory")
        return [(0, 3, "B-PATIENT", 0.9)]

    monkeypatch.setattr("synth.checks.phi.models.load", lambda _: fails)
    fields = {"/a": "knee, MRN: 00482913", "/b": "", "/c": "zed"}
    findings = scanner(model=hf_model).fields(fields)
    assert [(f.field, f.entity_type, f.start, f.end) for f in findings] == [
        ("/a", "UNREAD", 0, 19),
        ("/c", "UNREAD", 0, 3),
    ]
    assert found(hf_model, "zed") == [("PERSON", "zed")]


def test_the_model_is_named_with_its_library_and_its_weights(hf_model: str, spacy_model: str, tmp_path: Path) -> None:
    versions = engine_versions(hf_model)
    assert set(versions) == {"presidio-analyzer", "regex", "model", "model sha256", "transformers", "torch"}
    assert versions["model"] == hf_model
    assert versions["model sha256"] != engine_versions(bert(tmp_path, {0: "O", 1: "PER"}))["model sha256"]
    assert engine_versions(spacy_model)["model revision"] == "pipeline 0.0.0"
    assert len(engine_versions(spacy_model)["model sha256"]) == 64


def test_models_open_no_socket(hf_model: str, spacy_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for cached in (engine, load, locate):
        cached.cache_clear()

    def blocked(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", blocked)
    monkeypatch.setattr(socket, "create_connection", blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)
    for model in (hf_model, spacy_model):
        assert scanner(model=model).text("Okonkwo, MRN: 00482913")
    with pytest.raises(UserError, match="hf download"):
        Scanner(model="hf:none/absent-too")


def test_models_log_nothing(
    hf_model: str, spacy_model: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for cached in (engine, load, locate):
        cached.cache_clear()
    with caplog.at_level(0):
        for model in (hf_model, spacy_model):
            assert scanner(model=model).text("Okonkwo, MRN: 00482913")
    assert not [record for record in caplog.records if "konkwo" in record.getMessage()]
    assert capfd.readouterr() == ("", "")


GLINER = '''
"""Has the interface of GLiNER and, as it does, drops what is beyond its limit of words in silence."""
import re


class GLiNER:
    @classmethod
    def from_pretrained(cls, folder, *, local_files_only, map_location):
        assert local_files_only and map_location == "cpu"
        return cls()

    def predict_entities(self, text, labels, flat_ner, threshold):
        assert "patient name" in labels
        words = list(re.finditer(r"\\w+(?:[-_]\\w+)*|\\S", text))[:50]
        return [
            {"start": w.start(), "end": w.end(), "text": w[0], "label": "patient name", "score": 0.8123}
            for w in words
            if w[0] == "zed"
        ]
'''


def test_gliner_is_asked_in_pieces_that_it_reads_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "gliner_config.json").write_text(json.dumps({"max_len": 50}))
    (folder / "model.safetensors").write_bytes(b"")
    model = f"gliner:{folder}"
    monkeypatch.setitem(sys.modules, "gliner", None)
    monkeypatch.setattr("synth.checks.phi.models.find_spec", lambda name: None if name == "gliner" else name)
    with pytest.raises(UserError, match=r"needs gliner: pip install 'notewright\[phi-gliner\]'"):
        Scanner(model=model)

    monkeypatch.undo()
    (tmp_path / "gliner.py").write_text(GLINER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("synth.checks.phi.models.version", lambda _: "0")
    text = ("a . " * 37 + "zed ") * 20 + "\n" + "." * 400 + " zed"
    findings = scanner(model=model).text(text)
    assert [text[f.start : f.end] for f in findings] == ["zed"] * 21
    assert {(f.entity_type, f.score) for f in findings} == {("PERSON", 0.812)}
    assert engine_versions(model)["gliner"] == "0"


def test_every_label_leads_to_an_entity_type_of_the_check() -> None:
    assert entity_types() <= {entity_type for c in SAFE_HARBOR for entity_type in c.entity_types}


@pytest.mark.parametrize(
    ("label", "text", "kept"),
    [
        ("DATE", "three weeks ago", False),
        ("DATE", "a 46-year-old", False),
        ("DATE", "2021", False),
        ("DATE", "5-10 days", False),
        ("DATE", "today", False),
        ("DATE", "the fourth of May", True),
        ("B-DATE", "9/14", True),
        ("DATE", "2021-11-04", True),
        ("U-AGE", "46", False),
        ("AGE", "94-year-old", True),
        ("I-ORG", "Medicare", False),
        ("ORG", "Larkspur Medical Center", True),
        ("LOC", "Texas", False),
        ("GPE", "the United States", False),
        ("HOSP", "Larkspur", True),
        ("STAFF", "Dr.", False),
        ("L-STAFF", "Brandt", True),
        ("driver's license number", "D4410982", True),
        ("CARDINAL", "46", False),
    ],
)
def test_what_a_label_keeps(label: str, text: str, kept: bool) -> None:
    assert bool(identifiers(text, [(0, len(text), label, 0.9)])) == kept


def test_the_card_of_a_run_names_the_model_and_its_weights(spacy_model: str, tmp_path: Path) -> None:
    config = RunConfig(
        specialty="endocrinology",
        n=1,
        seed=1,
        teacher=TeacherConfig(name="simulator"),
        phi=PhiConfig(model=spacy_model, policy="redact"),
    )
    generate(config, Execution(out=tmp_path / "run", max_candidates=20))
    digest = engine_versions(spacy_model)["model sha256"]
    card = (tmp_path / "run" / "README.md").read_text()
    assert f"model sha256 {digest}" in card
    assert f"named-entity model {spacy_model}" in card
