"""The prefilter of the PHI check: findings are the same with it and without it, whatever the text."""

from __future__ import annotations

import json
import os
import random
import string
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.catalog import load_task
from synth.checks.phi import scan_fields, strings
from synth.checks.phi.alphabet import ALL, ANY, CLASSES, PLAIN, Chars, mask, plain, stand_in
from synth.checks.phi.finders import FLAGS, find, finders, sieve
from synth.checks.phi.lean import without
from synth.checks.phi.patterns import Alt, Edge, Look, Node, Repeat, Seq, Unsupported, parse
from synth.checks.phi.sieve import Sieve
from synth.packs import load_pack
from synth.scenarios import sample_scenario
from synth.teachers.simulator import Simulator

RULES = [rule for finder in finders() for rule in finder.rules]
BENCH = Path(os.environ.get("NOTEWRIGHT_BENCH", Path(__file__).resolve().parents[2] / "shared" / "bench"))

CUES = """Dr. |Mr. |Hi, |my name is |this is |daughter |Attending: |wife, |seen by |she lives in |moved to |at |on |born
|since |in |MRN: |chart number is |SSN |social is |member ID |account number |DEA |NPI |license |VIN |plate |serial
|lot |fax |call |phone |ext. |e-mail |see |uploaded from |peer |accession |case |the |aged |he is |she turned |zip
|P.O. Box |number |passed away at |policy |the code is |user name is |exp |(01)|follow-up |from |by the |and |
""".replace("\n", "").split("|")
NAMES = (
    "Okonkwo",
    "Maria Delgado",
    "Ottilie",
    "quentin",
    "O'Leary-Vance",
    "José",
    "May",
    "April",
    "Will",
    "Grace",
    "Ann",
)
FORMS = r"""##/##/#### #/#/## ####-##-## ##.##.#### March_#th,_20## #_May_19## the_#th october may_third ###-##-####
###-###-#### (###)_###-#### +44_20_####_#### ###-#### ####### A##-##### @@###### #@@#-@@#-@@## @####### 20######
################# ####_####_####_#### ##-@-##### $@clinic.local jo_dot_banks_at_example_dot_org https://portal.test/$
#####
www.$.net 192.168.#.## 2001:db8::8a2e:#:#### 00:1a:##:3c:4d:5e #_Marsh_Hollow_Road Larkspur_Medical_Center Smith^John
Duluth,_MN_##### SW1A_#AA five_five_five_oh_one_three_two 9#-year-old ninety-one_years_old 1## 9# -##.####,_-###.####
fingerprint_template full-face_photo {{patient_name}} {{mrn}} MD , . : # no. ^ "family":_"Kowal" Cook_County St._Agnes
A1c_#.# ###/## E##.# ##_mg 10##-15## LOINC_####-#""".split()  # noqa: SIM905  a list of its words would be a page
ODD = "éÉñßſKİı٣²\u00a0\u2009\u0301\u200b’–°\x0b\x0c\r\x1f\x7f\x85\ud800😀ǅ"


def identifier(draw: random.Random) -> str:
    """Return something between an identifier and clinical text."""
    if draw.random() < 0.3:
        return " ".join(draw.choices(NAMES, k=draw.randint(1, 3)))
    form = draw.choice(FORMS).replace("_", " ")
    swaps = {"#": string.digits, "@": string.ascii_uppercase, "$": string.ascii_lowercase}
    return "".join(draw.choice(swaps[c]) if c in swaps else c for c in form)


def planted(seed: int) -> Iterator[str]:
    """Yield sentences with identifiers, in mixed, lower and upper case, some with odd characters in them."""
    draw = random.Random(seed)
    while True:
        text = "".join(
            draw.choice(CUES) + identifier(draw) + draw.choice((", ", ". ", " ", "\n", "; ", " is a 46-year-old man. "))
            for _ in range(draw.randint(1, 2))
        )
        if draw.random() < 0.15:
            text = changed(text, draw)
        yield draw.choice((text, text, text.lower(), text.upper()))


def changed(text: str, draw: random.Random) -> str:
    """Return a text with a few characters replaced or added."""
    characters = list(text)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(characters))
        characters[at] = draw.choice(("", draw.choice(ODD), characters[at] + draw.choice(ODD), "\n", "7", "-"))
    return "".join(characters)


def simulated(count: int) -> Iterator[str]:
    """Yield turns and strings of notes of the simulator."""
    task, pack = load_task("note"), load_pack("endocrinology")
    simulator = Simulator(pack, task)
    for index in range(count):
        encounter = simulator.encounter(sample_scenario(pack, 11, index))
        yield from (turn.text for turn in encounter.source.turns)
        yield from (text for _, text in strings(encounter.target, frozenset()))


def phi_dev() -> list[str]:
    """Return the paragraphs of phi-dev; none where it is absent."""
    path = BENCH / "phi-dev" / "documents.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [part for line in lines for part in json.loads(line)["text"].split("\n\n")]


def compare(documents: list[str], together: int) -> int:
    """Scan documents both ways, several at once, and return how many findings there were."""
    count = 0
    for at in range(0, len(documents), together):
        fields = {str(i): text for i, text in enumerate(documents[at : at + together])}
        findings = scan_fields(fields)
        assert findings == scan_fields(fields, prefilter=False)
        count += len(findings)
    return count


def test_every_pattern_has_a_weaker_form() -> None:
    assert sieve().unknown == ()


def test_two_thousand_documents_have_the_same_findings_with_and_without() -> None:
    documents = [*list(dict.fromkeys(simulated(60)))[:300], *phi_dev()[:200]]
    compare(documents, 50)
    documents = list(islice(planted(5), 2_000 - len(documents)))
    assert compare(documents, 25) > 800


@pytest.mark.slow
def test_many_more_documents_have_the_same_findings_one_by_one() -> None:
    documents = [*simulated(200), *phi_dev(), *islice(planted(6), 30_000)]
    assert compare(documents, 1) > 25_000


def sample(node: Node, draw: random.Random) -> str:
    """Return a text that a tree may match; its negative assertions are left to chance."""
    if isinstance(node, Chars):
        wanted = [c for c in PLAIN if node.may & mask(c)]
        if not wanted or draw.random() < 0.03:
            wanted = [c for c in ODD if node.may & mask(stand_in(c))] or wanted
        return draw.choice(wanted)
    if isinstance(node, Alt):
        return sample(draw.choice(node.options), draw)
    if isinstance(node, Repeat):
        high = node.low + 3 if node.high is None else min(node.high, node.low + 3)
        return "".join(sample(node.node, draw) for _ in range(draw.randint(node.low, high)))
    if isinstance(node, Seq):
        last = max((i for i, item in enumerate(node.items) if not isinstance(item, Look | Edge)), default=-1)
        return "".join(
            sample(item.node if isinstance(item, Look) else item, draw)
            for i, item in enumerate(node.items)
            if not isinstance(item, Look) or (i > last and item.ahead and not item.negative)
        )
    return ""


@pytest.mark.parametrize("index", range(len(RULES)), ids=lambda i: f"{i}-{RULES[i].name}")
def test_no_hit_of_a_pattern_is_lost_in_texts_made_from_it(index: int) -> None:
    draw = random.Random(index)
    pattern = regex.compile(RULES[index].pattern, FLAGS)
    tree = parse(RULES[index].pattern)
    matched = 0
    for turn in range(400):
        if turn > 15 and matched:
            break
        text = sample(tree, draw)
        text = draw.choice((text, f"so {text}, and", f"[doctor] {text}\n{text.title()}", f"a\n{text}\nb"))
        hits = [hit.span() for hit in pattern.finditer(text)]
        spans = dict(sieve().spans(text)).get(index, [])
        assert hits == [hit.span() for start, end in spans for hit in pattern.finditer(text, start, end)]
        matched += bool(hits)
        if turn < 1:
            assert find(text) == find(text, False)
    assert matched


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([*CUES, *NAMES, *ODD, "1", "22", "/", "-", " ", "\n", "is a", "year"]), max_size=30))
def test_any_mixture_of_pieces_has_the_same_hits(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert find(text) == find(text, False)


@pytest.mark.parametrize(
    "pattern",
    ["a.b", r"\Aab", "(?P<x>ab)", "[[ab]c]", r"\p{Greek}a", "ab)", "(ab", "[ab", r"\1ab", "(?-i:(a))b\\1", "+a"],
)
def test_a_pattern_that_cannot_be_weakened_always_runs(pattern: str) -> None:
    with pytest.raises(Unsupported):
        parse(pattern)
    assert Sieve(["never", pattern]).spans("some\ntext") == [(1, [(0, 9)])]


def test_a_pattern_that_matches_nothing_at_all_always_runs() -> None:
    assert Sieve(["a?"]).spans("bcd") == [(0, [(0, 3)])]


def test_only_the_lines_that_may_match_are_tried() -> None:
    text = "one\ntwo 12\nthree\ntwo 12\n"
    assert Sieve([r"two[ ]\d\d", "absent"]).spans(text) == [(0, [(4, 11), (17, 24)])]
    assert Sieve([r"two[^a]\d\d"]).spans(text) == [(0, [(0, len(text) + 1)])]


def test_stand_ins_keep_what_the_patterns_can_see() -> None:
    characters = "".join(map(chr, range(0, sys.maxunicode, 97))) + "".join(map(chr, range(0x800))) + ODD
    read = plain(characters)
    assert len(read) == len(characters)
    for name, members in CLASSES.items():
        inside = set(regex.findall(rf"\p{{{name}}}" if name[0] == "L" else rf"\{name}", characters))
        sure = {i for i, c in enumerate(read) if members & mask(c)}
        may = {i for i, c in enumerate(read) if (members | mask(ANY)) & mask(c)}
        assert all(characters[i] in inside for i in sure)
        assert not inside - {characters[i] for i in may}
    folded = set(regex.findall("[\x00-\x7f]", characters, regex.IGNORECASE)) - set(map(chr, range(0x80)))
    assert folded
    assert {stand_in(c) for c in folded} == {ANY}
    assert all(mask(c) & ALL for c in set(read))


def test_a_hidden_package_is_hidden_only_for_a_while() -> None:
    sys.modules.pop("colorsys", None)
    with without("colorsys", "json"):
        with pytest.raises(ImportError):
            import colorsys
        assert sys.modules["json"] is json
    import colorsys

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)
