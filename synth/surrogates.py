"""Surrogates: one invented, consistent identity for each encounter.

Everything is drawn from the run's seed and the encounter's id alone. Names come from Faker's lists for many locales,
numbers from ranges that nobody is given (``identities.yaml``). A surrogate is nobody's: where it is some person's name
or birthday, it is so by chance, as in a novel. What is said aloud is written as an English transcript would write it:
names without diacritics, dates in words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from faker import Generator
from faker.factory import Factory

from synth.draws import Draws
from synth.identities import Make, catalogue
from synth.records import Encounter, PatientFact, PlanFact, Sex

_FIRST_DAY, _DAYS = date(2023, 1, 2), 1080
"""Visits fall on a weekday within so many days; fixed, so that no clock is asked."""
_UNFOLDED = str.maketrans("łŁøØđĐıəƏßþÞæÆœŒ", "lLoOdDieEstTaAoO")
"""Letters that are no letter with a diacritic, and what an English keyboard makes of them."""
_NAME = re.compile(r"[A-Za-z][A-Za-z' -]{1,24}")
_DOMAINS = ("example.org", "example.com", "example.net")
"""Reserved (RFC 2606)."""
_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")
"""For documentation (RFC 5737)."""
_SHARED_SURNAME = 0.6
"""Share of relatives who are called like the patient."""
_TRIES = 500
_IN_WEEKS = re.compile(r"\bin (\d{1,2}) (week|month)s?\b")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who does not exist."""

    first: str
    last: str


class Identity:
    """Invents what the placeholders of one encounter stand for; ask once for each, the answers are kept.

    Different placeholders get different values, save that a relative may be called like the patient.
    """

    def __init__(self, encounter: Encounter) -> None:
        scenario = encounter.scenario
        patient = next((fact for fact in scenario.facts if isinstance(fact, PatientFact)), None)
        self._key = (scenario.seed, scenario.id)
        self._sex: Sex | None = patient.sex if patient else None
        self._age = patient.age if patient else 50
        self._plans = [
            fact.text for fact in scenario.facts if isinstance(fact, PlanFact) and fact.action == "follow-up"
        ]
        self._said = encounter.source
        self._people: dict[tuple[str, int], Person] = {}
        self._values: dict[tuple[str, int], str] = {}
        self._locale = self._draws("locale", 1).weighted(_locales()) or "en_US"
        draws = self._draws("visit", 1)
        self._visit = _weekday(_FIRST_DAY + timedelta(days=draws.below(_DAYS)))
        self._day_style = draws.pick(("{m} {d}", "{m} {o}", "{m} {o}", "{m} {d}, {y}"))

    def value(self, name: str, number: int) -> str:
        """Return the value of a placeholder; KeyError where the catalogue does not know it."""
        if (name, number) not in self._values:
            self._values[name, number] = self._invented(name, number)
        return self._values[name, number]

    def _draws(self, what: str, number: int) -> Draws:
        return Draws("identity", *self._key, what, number)

    def _invented(self, name: str, number: int) -> str:
        kind = catalogue().placeholders[name]
        if kind.of is not None:
            person = self._person(kind.of, number)
            return {"first_name": person.first, "last_name": person.last}.get(
                kind.make, f"{person.first} {person.last}"
            )
        if kind.make == "fixed":
            return kind.form
        draws = self._draws(name, number)
        make = _MAKERS.get(kind.make)
        for attempt in range(_TRIES):
            if kind.make == "form":
                found = draws.formed(kind.form)
            elif make is not None:
                found = make(draws)
            elif kind.make == "email":
                found = self._email(number, draws)
            else:
                found = self._date(kind.make, number, draws, attempt)
            if found not in self._values.values():
                return found
        raise ValueError(f"no further {name} can be invented")

    # -- people

    def _person(self, role: str, number: int) -> Person:
        if (role, number) not in self._people:
            if (role, number) != ("patient", 1):
                self._person("patient", 1)
            draws = self._draws(role, number)
            taken = {name for person in self._people.values() for name in (person.first, person.last)}
            for _ in range(_TRIES):
                person, shared = self._drawn(role, number, draws)
                if person.first not in taken and person.first != person.last and (shared or person.last not in taken):
                    break
            self._people[role, number] = person
        return self._people[role, number]

    def _drawn(self, role: str, number: int, draws: Draws) -> tuple[Person, bool]:
        """Return somebody, and whether the patient has the same last name."""
        kin = role == "relative"
        locale = self._locale if kin or role == "patient" else draws.weighted(_locales()) or "en_US"
        known = self._sex if (role, number) == ("patient", 1) else self._sex_said(number) if kin else None
        either: tuple[Sex, Sex] = ("female", "male")
        person = _named(locale, draws.pick(either) if known is None else known, draws)
        if kin and draws.chance(_SHARED_SURNAME):
            return Person(person.first, self._people["patient", 1].last), True
        return person, False

    def _sex_said(self, number: int) -> Sex | None:
        """Return the sex that the word before a relative's placeholder tells, such as ``my wife``."""
        numbered = f"_{number}" if number > 1 else "(?:_1)?"
        mark = re.compile(rf"(\w+),?\s\{{\{{relative_(?:first_)?name{numbered}\}}\}}")
        before = {hit[1].lower() for text in self._said.passages for hit in mark.finditer(text)}
        if before & set(catalogue().female.split()):
            return "female"
        return "male" if before & set(catalogue().male.split()) else None

    def _email(self, number: int, draws: Draws) -> str:
        person = self._person("patient" if number == 1 else "other", number)
        return f"{_letters(person.first)}.{_letters(person.last)}@{draws.pick(_DOMAINS)}"

    # -- dates

    def _date(self, make: Make, number: int, draws: Draws, attempt: int) -> str:
        if make == "date_of_birth":
            # The day after the one on which the patient would be a year older, up to the birthday on the day itself.
            latest = _years_before(self._visit, self._age)
            days = (latest - _years_before(self._visit, self._age + 1)).days
            return _said(latest - timedelta(days=draws.below(days)), "{m} {d}, {y}")
        if make == "visit_date" and number == 1:
            day = self._visit
        elif make == "follow_up_date":
            # A plan says one day, which another date of the encounter may be already.
            due = self._due(draws) + attempt if number == 1 else 14 + draws.below(250)
            day = _weekday(self._visit + timedelta(days=due))
        else:
            day = _weekday(self._visit - timedelta(days=21 + draws.below(300)))
        return _said(day, self._day_style)

    def _due(self, draws: Draws) -> int:
        """Return in how many days the patient comes back: as the plan says, where it does."""
        for text in self._plans:
            if hit := _IN_WEEKS.search(text):
                return int(hit[1]) * (7 if hit[2] == "week" else 30)
        return 14 + draws.below(160)


# -- makers


def _city(draws: Draws) -> str:
    return _seeded("en_US", "address", draws).format("city")


def _clinic(draws: Draws) -> str:
    return draws.pick(catalogue().clinics).replace("$name", _city(draws))


def _street(draws: Draws) -> str:
    return f"{1 + draws.below(9899)} {_seeded('en_US', 'address', draws).format('street_name')}"


def _county(draws: Draws) -> str:
    return f"{_seeded('en_US', 'person', draws).format('last_name')} County"


def _url(draws: Draws) -> str:
    return f"www.{_letters(_city(draws))}.{draws.pick(_DOMAINS)}"


def _ip_address(draws: Draws) -> str:
    return f"{draws.pick(_NETWORKS)}.{1 + draws.below(254)}"


_MAKERS: dict[str, Callable[[Draws], str]] = {
    "city": _city,
    "clinic": _clinic,
    "street": _street,
    "county": _county,
    "url": _url,
    "ip_address": _ip_address,
}


def _named(locale: str, sex: Sex, draws: Draws) -> Person:
    """Return somebody of a locale, in plain letters."""
    kind = "romanized_name" if locale in catalogue().romanized else f"name_{sex}"
    for _ in range(_TRIES):
        faker = _seeded(locale, "person", draws)
        person = Person(_plain(faker.format(f"first_{kind}")), _plain(faker.format(f"last_{kind}")))
        if _NAME.fullmatch(person.first) and _NAME.fullmatch(person.last):
            return person
    raise ValueError(f"{locale} gives no names in Latin script")


def _plain(name: str) -> str:
    """Return a name without diacritics."""
    folded = unicodedata.normalize("NFKD", name.translate(_UNFOLDED))
    return "".join(letter for letter in folded if not unicodedata.combining(letter))


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())


@cache
def _locales() -> dict[str, float]:
    total = sum(catalogue().locales.values())
    return {locale: share / total for locale, share in catalogue().locales.items()}


@cache
def _faker(locale: str, provider: str) -> Generator:
    return Factory.create(locale, [f"faker.providers.{provider}", "faker.providers.person"])


def _seeded(locale: str, provider: str, draws: Draws) -> Generator:
    faker = _faker(locale, provider)
    faker.seed_instance(draws.below(2**32))
    return faker


def _weekday(day: date) -> date:
    """Return a day, or the Monday after it where it falls on a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)


def _said(day: date, style: str) -> str:
    ordinal = "th" if 10 < day.day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return style.format(m=_MONTHS[day.month - 1], d=day.day, o=f"{day.day}{ordinal}", y=day.year)


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
