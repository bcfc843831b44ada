"""The prefilter of the PHI check: findings are the same with it and without it, whatever the text."""

from __future__ import annotations

import json
import os
import random
import string
import sys
import time
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.catalog import load_task
from synth.checks.phi import scan_fields, strings
from synth.checks.phi.alphabet import ALL, ANY, CLASSES, PLAIN, Chars, mask, plain, stand_in
from synth.checks.phi.finders import FLAGS, find, rules, sieve
from synth.checks.phi.lean import without
from synth.checks.phi.literals import Alphabet, Literal, required
from synth.checks.phi.patterns import Alt, Edge, Look, Node, Repeat, Seq, Unsupported, parse
from synth.checks.phi.sieve import Sieve, fields
from synth.packs import load_pack
from synth.scenarios import sample_scenario
from synth.teachers.simulator import Simulator
from tests.test_phi import FOUND

PLACES = [(backed, place) for backed in (False, True) for place in range(len(rules(backed=backed)))]
"""Which sieve, and where in it, for each of ``RULES``."""
RULES = [rules(backed=backed)[place][1] for backed, place in PLACES]
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
        yield from (turn.text for turn in encounter.turns)
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
    assert sieve(backed=False).unknown == sieve(backed=True).unknown == ()


def test_four_hundred_documents_have_the_same_findings_with_and_without() -> None:
    documents = [*list(dict.fromkeys(simulated(20)))[:80], *phi_dev()[:40], *mixed(7, 40)]
    compare(documents, 20)
    assert compare(list(islice(planted(5), 400 - len(documents))), 25) > 150


@pytest.mark.slow
def test_ten_thousand_documents_have_the_same_findings_one_by_one() -> None:
    documents = [*dict.fromkeys(simulated(60)), *phi_dev(), *mixed(8, 1_000)]
    documents += islice(planted(6), 10_000 - len(documents))
    assert compare(documents, 1) > 5_000


def mixed(seed: int, count: int) -> Iterator[str]:
    """Yield turns of the simulator with identifiers between them, some in lines of their own."""
    draw = random.Random(seed)
    turns, identifiers = list(dict.fromkeys(simulated(20))), planted(seed)
    for _ in range(count):
        pieces = [draw.choice((draw.choice(turns), next(identifiers))) for _ in range(draw.randint(2, 12))]
        yield draw.choice(("\n", " ", "\n\n")).join(pieces)


def spans(patterns: list[str], text: str) -> dict[int, list[tuple[int, int]]]:
    """Return where the patterns are tried, by position."""
    sifted = Sieve(patterns).sifted(text)
    return {index: tried for index in sifted.patterns if (tried := sifted.spans(index))}


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
        taken = [i for i, item in enumerate(node.items) if not isinstance(item, Look | Edge)]
        first, last = (taken[0], taken[-1]) if taken else (0, -1)
        return "".join(
            sample(item.node if isinstance(item, Look) else item, draw)
            for i, item in enumerate(node.items)
            if not isinstance(item, Look) or (not item.negative and (i > last if item.ahead else i < first))
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
        hits = [hit.span() for start, end in fields(text) for hit in pattern.finditer(text, start, end)]
        backed, place = PLACES[index]
        sifted = sieve(backed=backed).sifted(text)
        tried = sifted.spans(place) if place in sifted.patterns else []
        assert hits == [hit.span() for start, end in tried for hit in pattern.finditer(text, start, end)]
        matched += bool(hits)
        if turn < 1:
            assert find(text) == find(text, False)
    assert matched


@cache
def held(index: int) -> list[tuple[Alphabet, frozenset[Literal]]]:
    """Return the sets of literals of a rule, each with its alphabet."""
    return [(own, literals) for own, sets in required(parse(RULES[index].pattern)).items() for literals in sets]


def lacking(text: str, index: int) -> list[str]:
    """Return the hits of a rule in whose fields one of its sets of literals is missing."""
    read = plain(text)
    return [
        hit[0]
        for start, end in fields(text)
        for hit in regex.finditer(RULES[index].pattern, text, FLAGS, start, end)
        for alphabet, literals in held(index)
        if hit[0] and not any(literal.text in alphabet.written(read[start:end]) for literal in literals)
    ]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.sampled_from([*[text for _, text, _ in FOUND], *CUES, *NAMES, "9", "12", "\n"]), max_size=12))
def test_every_hit_of_a_rule_stands_beside_its_literals(pieces: list[str]) -> None:
    text = " ".join(pieces)
    assert ANY not in plain(text)
    for index in range(len(RULES)):
        assert not lacking(text, index)


def test_nearly_every_rule_has_literals() -> None:
    assert sum(map(bool, map(held, range(len(RULES))))) > 0.95 * len(RULES)


def test_literals_are_what_a_match_must_hold() -> None:
    def sets(pattern: str) -> list[list[Literal]]:
        return [sorted(literals) for own in required(parse(pattern)).values() for literals in own]

    assert sets(r"\b(?:mrn|chart)\b[ ]") == [[Literal("chart ", fenced=True), Literal("mrn ", fenced=True)]]
    assert sets(r"(?<=ab)c?d") == [[Literal("abcd"), Literal("abd")]]
    assert sets(r"x(?=yz)[^y]{1,9}") == [[Literal("xyz")]]
    assert sets(r"(?<![\w-])dl(?!\w)") == [[Literal("dl", fenced=True, closed=True)]]
    assert sets(r"[19]\d{2}-\d") == [[Literal("000-0")]]
    assert sets(r"(?-i:[A-Z]{2}q)") == [[Literal("AAa")]]
    assert sets(r"[^a]{3}") == []
    assert sets(r"(?:many|[^a])") == []


def test_no_hit_goes_over_the_end_of_a_field() -> None:
    parts = {"0": "call\x00[", "1": "415-555-0134", "2": "mrn: X77", "3": "phone: 415-555-0134"}
    assert all("\x00" not in parts[f.field][f.start : f.end] for f in scan_fields(parts))
    for text in ("\x00".join(parts.values()), "fax\x00(415-555-0134", "ftp://\x00host.example", "ssn!\x00)219-09-9999"):
        hits = find(text)
        assert hits == find(text, False)
        assert not any("\x00" in text[start:end] for found in hits.values() for start, end, _ in found)


def test_a_run_of_one_letter_is_nothing_and_takes_no_time() -> None:
    started = time.thread_time()
    assert scan_fields({"0": "x" * 50_000}) == ()
    assert time.thread_time() - started < 5


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
    assert spans(["never", pattern], "some\ntext") == {1: [(0, 9)]}


def test_a_pattern_that_matches_nothing_at_all_always_runs() -> None:
    assert spans(["a?"], "bcd") == {0: [(0, 3)]}


def test_only_the_lines_that_may_match_are_tried() -> None:
    text = "one\ntwo 12\nthree\ntwo 12\n"
    assert spans([r"two[ ]\d\d", "absent"], text) == {0: [(4, 11), (17, 24)]}
    assert spans([r"two[^a]\d\d"], text) == {0: [(0, len(text))]}
    assert spans([r"two[^a]\d\d", r"two[ ]\d\d"], "two\x00two 12") == {0: [(4, 10)], 1: [(4, 10)]}


def test_literals_of_one_match_may_stand_on_two_lines() -> None:
    pattern = r"\bthe[^x]{1,9}and\b"
    assert len(next(iter(required(parse(pattern)).values()))) == 2
    assert spans([pattern], "the\nand\n") == {0: [(0, 8)]}
    assert spans([pattern], "the\nan\n") == {}
    assert spans([pattern.replace("^x", r"^x\n")], "the\nand\n") == {}


def test_a_text_of_very_many_lines_takes_no_longer_than_one_of_few() -> None:
    started = time.thread_time()
    for text in ("x00 patient 1\n" * 3_500, "0\n" * 25_000):
        for backed in (False, True):
            sifted = sieve(backed=backed).sifted(text)
            assert len(sifted.patterns) == len([sifted.spans(index) for index in sifted.patterns])
    assert time.thread_time() - started < 20


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
