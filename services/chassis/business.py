"""The business file: YAML with what a business decides, a section a service, per tenant.

Errors name file and line. A tenant's section is laid over `defaults`; keys of `tenants` may end in `*` and then stand
for every name that begins so. The file a business writes is laid over the one that ships, so it says only what
differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.malformed import Malformed

DEFAULTS: Final = "defaults"
TENANTS: Final = "tenants"
WILDCARD: Final = "*"

Tree = dict[str, Any]  # YAML of any shape, checked by the section's model
Path_ = tuple[str | int, ...]


class BadBusiness(Exception):
    """The business file is wrong; the message names file, line and reason, a line each."""


class Section(BaseModel):
    """What one service reads of the business file. Unknown keys are errors: a misspelt rule is no silent one."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written: its file and line, and whether for one tenant or for all."""

    file: str
    line: int
    whose: Path_ = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class _File:
    """A file's content, and the line of every path in it."""

    name: str
    tree: Tree
    lines: Mapping[Path_, int]


class Sections(Generic[S]):
    """One service's section for each tenant."""

    def __init__(self, by_pattern: Mapping[str, S]) -> None:
        self._by_pattern = by_pattern

    def knows(self, tenant: str) -> bool:
        """Whether the business file names this tenant."""
        return self.pattern(tenant) is not None

    def of(self, tenant: str) -> S:
        """The section of a tenant.

        Raises:
            Malformed: if no such tenant is in the business file.
        """
        pattern = self.pattern(tenant)
        if pattern is None:
            raise Malformed.of("tenant", "not in the business file")
        return self._by_pattern[pattern]

    def __iter__(self) -> Iterator[tuple[str, S]]:
        return iter(self._by_pattern.items())

    def pattern(self, tenant: str) -> str | None:
        """How the business file calls a tenant; none if it does not."""
        if tenant in self._by_pattern:
            return tenant
        fitting = [p for p in self._by_pattern if p.endswith(WILDCARD) and tenant.startswith(p[:-1])]
        return max(fitting, key=len, default=None)


class Business:
    """The business file, read."""

    def __init__(self, files: list[_File], services: frozenset[str]) -> None:
        self._files = files
        self._services = services
        tree: Tree = {}
        for file in files:
            tree = _laid_over(tree, file.tree)
        self._tree = tree
        problems = self._unknown_keys()
        if problems:
            raise BadBusiness("\n".join(problems))

    @classmethod
    def load(cls, shipped: Path, own: Path | None, services: frozenset[str]) -> Business:
        """Reads the file that ships and, over it, the business's own.

        Raises:
            BadBusiness: if a file cannot be read, is no YAML or has keys nobody knows.
        """
        return cls([_read(path) for path in (shipped, own) if path is not None], services)

    def knows(self, tenant: str) -> bool:
        """Whether a tenant is named, by itself or by a pattern."""
        return self.sections("", Section).knows(tenant)

    def sections(self, service: str, model: type[S]) -> Sections[S]:
        """One service's section for each tenant.

        Raises:
            BadBusiness: listing everything that is wrong, with file and line.
        """
        defaults = (self._tree.get(DEFAULTS) or {}).get(service) or {}
        found, problems = {}, []
        for tenant, sections in (self._tree.get(TENANTS) or {}).items():
            if sections is None:
                continue
            tree = _laid_over(defaults, sections.get(service) or {})
            try:
                found[tenant] = model.model_validate(tree)
            except ValidationError as error:
                problems += [
                    self._problem((TENANTS, tenant, service), (DEFAULTS, service), item["loc"], item["msg"])
                    for item in error.errors(include_url=False, include_input=False)
                ]
        if problems:
            raise BadBusiness("\n".join(dict.fromkeys(problems)))
        return Sections(found)

    def tree(self, service: str, tenant: str) -> Tree:
        """What a tenant's section says, before any model has checked it.

        Raises:
            Malformed: if no such tenant is in the business file.
        """
        sections = self._tree[TENANTS][self._key_of(tenant)] or {}
        return _laid_over((self._tree.get(DEFAULTS) or {}).get(service) or {}, sections.get(service) or {})

    def place(self, service: str, tenant: str, location: Path_) -> Place:
        """Where a part of a tenant's section is written, as far as it is."""
        path, fallback = (TENANTS, self._key_of(tenant), service), (DEFAULTS, service)
        return self._place(self._written(path, fallback, location))

    def _key_of(self, tenant: str) -> str:
        """How the file calls a tenant: by name, or by a pattern."""
        pattern = self.sections("", Section).pattern(tenant)
        if pattern is None:
            raise Malformed.of("tenant", "not in the business file")
        return pattern

    def _unknown_keys(self) -> list[str]:
        found = []
        for key in self._tree.keys() - {DEFAULTS, TENANTS}:
            found.append(self._at((key,), f"{key}: unknown; there are {DEFAULTS} and {TENANTS}"))
        places: dict[Path_, Any] = {(DEFAULTS,): self._tree.get(DEFAULTS)}
        tenants = self._tree.get(TENANTS)
        if isinstance(tenants, dict):
            places |= {(TENANTS, tenant): sections for tenant, sections in tenants.items()}
        else:
            found.append(self._at((TENANTS,), f"{TENANTS}: required, a section for each tenant"))
        for path, sections in places.items():
            found += self._wrong_sections(path, sections)
        return found

    def _wrong_sections(self, path: Path_, sections: object) -> list[str]:
        """What is wrong with the shape of one tenant, or of the defaults."""
        if not isinstance(path[-1], str):
            return [self._at(path, f"{_dotted(path)}: a tenant's name is text: put it in quotes")]
        if sections is None:
            return []
        if not isinstance(sections, dict):
            return [self._at(path, f"{_dotted(path)}: must have a section a service")]
        found = []
        services = ", ".join(sorted(self._services))
        for key, section in sections.items():
            place = (*path, key)
            if key not in self._services:
                found.append(self._at(place, f"{_dotted(place)}: no such section; there are {services}"))
            elif not isinstance(section, dict | None):
                found.append(self._at(place, f"{_dotted(place)}: must be a mapping"))
        return found

    def _problem(self, path: Path_, fallback: Path_, location: Path_, message: str) -> str:
        """One line for a value that is wrong, found in the tenant's own section or in the defaults."""
        place = self._written(path, fallback, location)
        reason = message.removeprefix("Value error, ")
        return self._at(place, f"{_dotted(place)}: {reason[:1].lower() + reason[1:]}")

    def _written(self, path: Path_, fallback: Path_, location: Path_) -> Path_:
        """Where a location stands: in the tenant's own section or, if more of it is there, in the defaults."""
        own, shared = ((*start, *self._as_written(start, location)) for start in (path, fallback))
        in_own, in_shared = self._depth(own) - len(path), self._depth(shared) - len(fallback)
        return shared if in_shared > max(in_own, 0) else own

    def _as_written(self, start: Path_, location: Path_) -> Path_:
        """A location without what stands in no file: pydantic names each alternative of a union that it tried."""
        written: Path_ = ()
        for index, part in enumerate(location):
            node, rest = self._node((*start, *written)), location[index + 1 :]
            if isinstance(node, dict):
                is_kind = part not in node and (part in node.values() or (rest and rest[0] in node))
            else:
                is_kind = node is not None and not isinstance(node, list)
            if not is_kind:
                written = (*written, part)
        return written

    def _node(self, path: Path_) -> Any:  # YAML of any shape
        """What stands at a path, all files together; none if nothing does."""
        node: Any = self._tree  # YAML of any shape
        for part in path:
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError):
                return None
        return node

    def _depth(self, path: Path_) -> int:
        """How much of a path stands in any of the files."""
        lengths = range(len(path), 0, -1)
        return next((n for n in lengths if any(path[:n] in file.lines for file in self._files)), 0)

    def _at(self, path: Path_, message: str) -> str:
        return f"{self._place(path)}: {message}"

    def _place(self, path: Path_) -> Place:
        known = path[: self._depth(path)]
        for file in reversed(self._files):
            if known in file.lines:
                return Place(file.name, file.lines[known], known[:2] if known[0] == TENANTS else known[:1])
        return Place(self._files[-1].name, 1)


def _dotted(path: Path_) -> str:
    return ".".join(map(str, path))


def _laid_over(below: Tree, above: Tree) -> Tree:
    """Mappings are merged, anything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _laid_over(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _read(path: Path) -> _File:
    try:
        text = path.read_text(encoding="utf-8")
        lines, tree = _lines_and_tree(yaml.SafeLoader(text))
    except OSError as error:
        raise BadBusiness(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadBusiness(f"{path}:{line}: no YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadBusiness(f"{path}: no YAML: {error}") from error
    if not isinstance(tree, dict):
        raise BadBusiness(f"{path}:1: must be a mapping with {DEFAULTS} and {TENANTS}")
    return _File(str(path), tree, lines)


def _lines_and_tree(loader: yaml.SafeLoader) -> tuple[dict[Path_, int], Any]:  # YAML of any shape
    lines: dict[Path_, int] = {}
    try:
        node = loader.get_single_node()
        if node is None:
            return lines, {}
        _note_lines(node, (), lines)  # while it is as written: what is merged into it comes from other lines
        return lines, loader.construct_document(node) or {}
    finally:
        loader.dispose()


def _note_lines(node: yaml.Node, path: Path_, lines: dict[Path_, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines[*path, key.value] = key.start_mark.line + 1
            _note_lines(value, (*path, key.value), lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[*path, index] = value.start_mark.line + 1
            _note_lines(value, (*path, index), lines)
