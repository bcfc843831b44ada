"""Schemas, prompts and data files: found in a wheel or in a checkout alike, read once, hashed."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path

import yaml
from jinja2 import FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.meta import find_referenced_templates, find_undeclared_variables
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel, JsonValue

from synth.records import JsonObject

_PACKAGE = Path(__file__).resolve().parent


@cache
def assets_root() -> Path:
    """Return the folder of ``schemas/``, ``prompts/``, ``templates/`` and ``recipes/``: the wheel's bundle, else the
    repository root."""
    bundled = _PACKAGE / "_assets"
    return bundled if bundled.is_dir() else _PACKAGE.parent


def canonical_json(value: JsonValue) -> str:
    """Return the one JSON text that this project writes for a value: UTF-8, no spaces, keys in their given order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def sha256(data: str | bytes) -> str:
    """Return the hexadecimal SHA-256 of a text (as UTF-8) or of bytes."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


ASSETS = "NOTEWRIGHT_ASSETS"
"""Environment variable: folders of a user's own ``tasks/``, ``schemas/`` and ``prompts/``, as in ``PATH``."""


def asset_roots() -> tuple[Path, ...]:
    """Return the folders that assets are looked for in: the project's own, then those of the user."""
    own = os.environ.get(ASSETS, "")
    return (assets_root(), *(Path(folder).expanduser() for folder in own.split(os.pathsep) if folder))


def find_asset(name: str) -> Path | None:
    """Return the file of a name such as ``schemas/note.schema.json`` in the first folder that has it; None where none
    has."""
    return next((path for root in asset_roots() if (path := root / name).is_file()), None)


def load_schema(name: str) -> JsonObject:
    """Return the JSON Schema 2020-12 contract ``schemas/<name>.schema.json``.

    Raises FileNotFoundError where no folder of assets has it, ValueError where it is no JSON.
    """
    path = find_asset(f"schemas/{name}.schema.json")
    if path is None:
        raise FileNotFoundError(f"schemas/{name}.schema.json")
    return _schema(path)


@cache
def _schema(path: Path) -> JsonObject:
    schema: JsonObject = json.loads(path.read_text("utf-8"))
    return schema


def load_yaml(path: Path) -> object:
    """Return the content of a YAML file, parsed with the safe loader (libyaml where it is compiled in)."""
    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text("utf-8"), Loader=loader)  # noqa: S506  both are safe loaders


_OF_DICTS = frozenset(dir(dict))
"""Attributes that a dict has whatever its entries are."""


class _Sandbox(SandboxedEnvironment):
    """The sandbox, with a short way to what cannot be unsafe: a field of a record, an entry of a dict."""

    def getattr(self, obj: object, attribute: str) -> object:
        """Return an attribute of an object, as the sandbox does."""
        if type(obj) is dict and attribute in obj and attribute not in _OF_DICTS:
            return obj[attribute]
        return _field(obj, attribute) if _is_field(obj, attribute) else super().getattr(obj, attribute)

    def getitem(self, obj: object, argument: object) -> object:
        """Return an item or an attribute of an object, as the sandbox does; filters ask this way."""
        return _field(obj, argument) if _is_field(obj, argument) else super().getitem(obj, argument)


def _is_field(obj: object, name: object) -> bool:
    kind = type(obj)
    if kind not in _FIELDS:  # templates ask for every attribute, and pydantic's own answer is slow
        _FIELDS[kind] = frozenset(kind.__pydantic_fields__) if issubclass(kind, BaseModel) else frozenset()
    return name in _FIELDS[kind]


_FIELDS: dict[type, frozenset[str]] = {}


def _field(obj: object, name: object) -> object:
    found: object = getattr(obj, str(name))
    return found


def _environment(folder: str) -> SandboxedEnvironment:
    return _opened(folder, asset_roots())


@cache
def _opened(folder: str, roots: tuple[Path, ...]) -> SandboxedEnvironment:
    return _Sandbox(
        loader=FileSystemLoader([root / folder for root in roots]),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_prompt(name: str, **values: object) -> str:
    """Return the Jinja2 template ``prompts/<name>`` filled in; an unknown variable raises ``jinja2.UndefinedError``."""
    return _environment("prompts").get_template(name).render(**values)


def prompt_variables(name: str) -> set[str]:
    """Return what the template ``prompts/<name>`` and those that it names have to be given."""
    environment = _environment("prompts")
    assert environment.loader is not None
    parsed = environment.parse(environment.loader.get_source(environment, name)[0])
    others = (other for other in find_referenced_templates(parsed) if other is not None)
    return find_undeclared_variables(parsed).union(*map(prompt_variables, others))


def render_template(name: str, **values: object) -> str:
    """Return ``templates/<name>`` (a card or a report) filled in; values in ``*.html.j2`` are escaped."""
    return _environment("templates").get_template(name).render(**values)


def asset_hashes(schema: str, prompt_folders: tuple[str, ...], extra: tuple[Path, ...]) -> dict[str, str]:
    """Return the SHA-256 of a contract, of every template in some prompt folders, and of further files, by short
    name."""
    files: dict[str, Path] = {}
    for root in reversed(asset_roots()):  # what is found first is what is read
        contract = root / "schemas" / f"{schema}.schema.json"
        if contract.is_file():
            files[f"schemas/{contract.name}"] = contract
        for folder in prompt_folders:
            for path in sorted((root / "prompts" / folder).glob("*.j2")):
                files[f"prompts/{folder}/{path.name}"] = path
    for path in extra:
        files[path.relative_to(_PACKAGE).as_posix() if path.is_relative_to(_PACKAGE) else path.name] = path
    return {name: sha256(path.read_bytes()) for name, path in sorted(files.items())}
