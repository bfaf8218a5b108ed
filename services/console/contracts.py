"""Writes the references made from code: settings, topics, commands, `.env.example`, the JSON Schema of YAML files.

python -m services.console.contracts              writes what has changed
python -m services.console.contracts --check      exits 1 if a file is stale
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from schemas import asyncapi
from schemas.generate import BUSINESS_FILE, CASES_FILE, DOCUMENTS, HINT, PLAYBOOK_FILE, as_json
from schemas.json_schema import DIALECT, TYPES, Schema, name_of, plain_schema
from services.chassis.business import DEFAULTS, TENANTS, WILDCARD, Section
from services.chassis.settings import FILE_SUFFIX, PREFIX, SealedSettings, ServiceSettings, SqlSettings
from services.console import api_pages, references
from services.routing.playbooks.cases import CasesFile
from services.routing.playbooks.playbook import PlaybookFile

ROOT: Final = Path(__file__).parents[2]
REFERENCE: Final = Path("docs") / "reference"
SERVICES: Final = ("intake", "scoring", "routing", "delivery", "outreach", "monitor", "console")

APIS: Final = {
    "intake": "services.intake.routes",
    "outreach": "services.outreach.rest",
    "scoring": "services.scoring.web",
}
"""Services that others call, and the module that describes each. Outside callers see no other HTTP."""

_SHARED: Final[tuple[tuple[type[ServiceSettings], str], ...]] = (
    (ServiceSettings, "Every service"),
    (SqlSettings, "Services with a database: intake, routing, delivery, outreach"),
    (SealedSettings, "Services that seal or open personal data"),
)
_TENANT_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,62}\*?$"


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable as people read of it."""

    name: str
    default: str | None
    meaning: str
    secret: bool
    required: bool


@dataclass(frozen=True, slots=True)
class _Group:
    """Settings that one class adds or changes."""

    title: str
    settings: tuple[Setting, ...]


def generated() -> dict[Path, str]:
    """Every generated file and what it must hold."""
    groups = tuple(_groups())
    offered = {name: importlib.import_module(module).openapi() for name, module in APIS.items()}
    payloads = {name_of(model): plain_schema(model) for model in TYPES}
    return {
        ROOT / REFERENCE / "settings.md": _reference(groups),
        ROOT / REFERENCE / "topics.md": references.topics(),
        ROOT / REFERENCE / "commands.md": references.commands(),
        ROOT / REFERENCE / "http.md": api_pages.http_page(offered),
        ROOT / REFERENCE / "events.md": api_pages.events_page(asyncapi.document(), payloads),
        **{ROOT / REFERENCE / "openapi" / f"{name}.json": as_json(document) for name, document in offered.items()},
        ROOT / ".env.example": _example(groups),
        ROOT / "schemas" / DOCUMENTS / BUSINESS_FILE: as_json(business_schema()),
        ROOT / "schemas" / DOCUMENTS / PLAYBOOK_FILE: as_json(_of_file(PlaybookFile, "playbook.yaml")),
        ROOT / "schemas" / DOCUMENTS / CASES_FILE: as_json(_of_file(CasesFile, "playbook.cases.yaml")),
    }


def stale() -> list[str]:
    """A line for each file that is not as it must be."""
    return [
        f"{path.relative_to(ROOT)}: stale"
        for path, text in generated().items()
        if not path.exists() or path.read_text() != text
    ]


def _part_of(service: str, suffix: str, kind: type[BaseModel]) -> type[BaseModel] | None:
    """A class of a service's settings module, such as `RoutingSection`; none if that service has none."""
    name = f"services.{service}.settings"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            return None
        raise
    found = getattr(module, service.capitalize() + suffix, None)
    return found if isinstance(found, type) and issubclass(found, kind) else None


def _groups() -> Iterator[_Group]:
    for settings, title in _SHARED:
        yield _Group(title, tuple(_own(settings)))
    for service in SERVICES:
        found = _part_of(service, "Settings", ServiceSettings)
        own = tuple(_own(found)) if found else ()
        if own:
            yield _Group(service.capitalize(), own)


def _own(model: type[BaseModel]) -> Iterator[Setting]:
    """What a class adds to the classes it is made from, or says differently."""
    inherited = {name: _setting(name, field) for base in model.__bases__ for name, field in _fields(base)}
    for name, field in _fields(model):
        setting = _setting(name, field)
        if setting != inherited.get(name):
            yield setting


def _fields(model: type) -> Iterable[tuple[str, FieldInfo]]:
    return model.model_fields.items() if issubclass(model, BaseModel) else ()


def _setting(name: str, field: FieldInfo) -> Setting:
    return Setting(
        name=PREFIX + name.upper(),
        default=_default(field),
        meaning=field.description or "",
        secret=SecretStr in {field.annotation, *get_args(field.annotation)},
        required=field.is_required(),
    )


def _default(field: FieldInfo) -> str | None:
    """As it would be written; none where there is none, or where it differs from machine to machine."""
    value = field.default
    if value is None or value is PydanticUndefined:
        return None
    written = TypeAdapter(type(value)).dump_python(value, mode="json")
    return str(written).lower() if isinstance(written, bool) else str(written)


def _reference(groups: Iterable[_Group]) -> str:
    lines = [
        "# Settings",
        "",
        "<!-- Made from the settings classes by `make contracts`; a change here is overwritten. -->",
        "",
        "Addresses, secrets and sizes come from environment variables; what a business decides stands in `nps.yaml`.",
        f"Each secret may also lie in a file that `<NAME>{FILE_SUFFIX}` names. Whatever is wrong or missing is said at",
        "once, when a service starts.",
    ]
    for group in groups:
        lines += ["", f"## {group.title}", "", "| variable | default | meaning |", "|---|---|---|"]
        lines += [_row(setting) for setting in group.settings]
    return "\n".join(lines) + "\n"


def _row(setting: Setting) -> str:
    default = "required" if setting.required else f"`{setting.default}`" if setting.default else ""
    secret = f" Secret, or `{setting.name}{FILE_SUFFIX}`." if setting.secret else ""
    meaning = setting.meaning.replace("|", "\\|")
    return f"| `{setting.name}` | {default} | {meaning}.{secret} |"


def _example(groups: Iterable[_Group]) -> str:
    lines = ["# Made from the settings classes by `make contracts`. What must be set stands without a #."]
    for group in groups:
        lines += ["", f"# --- {group.title}"]
        for setting in group.settings:
            lines.append(f"# {setting.meaning}{' (required)' if setting.required else ''}")
            lines.append(f"{'' if setting.required else '# '}{setting.name}={setting.default or ''}")
    return "\n".join(lines) + "\n"


def business_schema() -> Schema:
    """The JSON Schema of nps.yaml: `defaults` and `tenants`, with a section a service in each."""
    definitions: Schema = {}
    sections: Schema = {}
    for service in SERVICES:
        found = _part_of(service, "Section", Section)
        if found is not None:
            schema = plain_schema(found)
            parts = {f"{service}.{name}": part for name, part in schema.pop("$defs", {}).items()}
            definitions |= _renamed(parts, service)
            sections[service] = _laid_over(_renamed(schema, service), definitions)
    tenant = {"type": ["object", "null"], "additionalProperties": False, "properties": sections}
    return {
        "$schema": DIALECT,
        "$id": "urn:nps-loop:schema:nps.yaml:v1",
        "title": "nps.yaml",
        "description": "What a business decides. It is laid over the file that ships, so it says only what differs.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            DEFAULTS: {"$ref": "#/$defs/tenant", "description": "hold for every tenant"},
            TENANTS: {
                "type": "object",
                "description": f"laid over the defaults; a name that ends in {WILDCARD} stands for all that begin so",
                "propertyNames": {"pattern": _TENANT_NAME},
                "additionalProperties": {"$ref": "#/$defs/tenant"},
            },
        },
        "$defs": {"tenant": tenant} | definitions,
    }


def _of_file(model: type[BaseModel], name: str) -> Schema:
    """The JSON Schema of a file that is read whole, for editors."""
    schema = plain_schema(model)
    first = {"$schema": DIALECT, "$id": f"urn:nps-loop:schema:{name}:v1", "title": name}
    last = {"$defs": schema.pop("$defs")}
    return first | {key: value for key, value in schema.items() if key != "title"} | last


def _renamed(schema: Schema, service: str) -> Schema:
    """The same, with references to definitions that bear the service's name."""
    renamed: Schema = {}
    for key, value in schema.items():
        if key == "$ref":
            renamed[key] = value.replace("#/$defs/", f"#/$defs/{service}.")
        elif isinstance(value, dict):
            renamed[key] = _renamed(value, service)
        elif isinstance(value, list):
            renamed[key] = [_renamed(item, service) if isinstance(item, dict) else item for item in value]
        else:
            renamed[key] = value
    return renamed


def _laid_over(schema: Schema, definitions: Schema) -> Schema:
    """The same where mappings may be given in part, since they are laid over others. Lists are given whole."""
    if "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        whole = definitions[schema["$ref"].removeprefix("#/$defs/")]
        return _laid_over(whole, definitions) | beside
    partial = {key: value for key, value in schema.items() if key != "required"}
    for key in ("properties", "patternProperties"):
        if key in partial:
            partial[key] = {name: _laid_over(value, definitions) for name, value in partial[key].items()}
    if isinstance(partial.get("additionalProperties"), dict):
        partial["additionalProperties"] = _laid_over(partial["additionalProperties"], definitions)
    if "anyOf" in partial:
        partial["anyOf"] = [_laid_over(value, definitions) for value in partial["anyOf"]]
    return partial


def main(arguments: list[str] | None = None) -> int:
    """Writes or checks; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.console.contracts", description="what settings tell")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    if not parser.parse_args(arguments).check:
        for path, text in generated().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return 0
    problems = stale()
    for line in problems:
        sys.stderr.write(line + "\n")
    if problems:
        sys.stderr.write(f"{HINT}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
