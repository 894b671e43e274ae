"""Loading the fleet: the folder of YAML facts, read once into frozen records, with every problem named at once."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec

from matrix.errors import DataProblems, Problem
from matrix.facts import Engine, Fact, Gpu, Host, Model
from matrix.mistakes import mistakes
from matrix.price import Price
from matrix.recipe import Recipe
from matrix.workload import Workload
from matrix.yamlfile import Document, Value, Where, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = Path(__file__).parent / "data"
ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,119}")

FactT = TypeVar("FactT", bound=Fact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All facts by id. `documents` holds each recipe's file, `origins` each fact's by its kind and id, for messages."""

    models: Mapping[str, Model]
    gpus: Mapping[str, Gpu]
    engines: Mapping[str, Engine]
    workloads: Mapping[str, Workload]
    hosts: Mapping[str, Host]
    recipes: Mapping[str, Recipe]
    documents: Mapping[str, Document]
    prices: Mapping[str, Price] = field(default_factory=dict)
    origins: Mapping[tuple[str, str], Document] = field(default_factory=dict)

    def problem(self, recipe: str, where: Where, message: str, remedy: str = "") -> Problem:
        """A problem at `where` (a path inside the recipe) in the file the recipe came from."""
        document = self.documents[recipe]
        line = document.line((recipe, *where))
        return Problem(file=document.file, line=line, message=f"recipe {recipe}: {message}", remedy=remedy)

    def fact_problem(self, kind: str, name: str, where: Where, message: str, remedy: str = "") -> Problem:
        """A problem at `where` inside any fact; `kind` is the folder it was read from, `models` say."""
        document = self.origins[kind, name]
        line = document.line((name, *where))
        return Problem(file=document.file, line=line, message=f"{kind}/{name}: {message}", remedy=remedy)


def load_fleet(root: Path = DATA) -> Fleet:
    """Read every `*.yaml` under `root/<kind>/`. Raises `DataProblems` with all that is wrong in shape.

    Whether the facts agree with one another is `matrix.check.check`'s question.
    """
    if not root.is_dir():
        raise DataProblems([Problem(file=str(root), line=0, message="is not a folder of fleet data")])
    reader = _Reader(root)
    fleet = Fleet(
        models=reader.read("models", Model),
        gpus=reader.read("gpus", Gpu),
        engines=reader.read("engines", Engine),
        workloads=reader.read("workloads", cast("type[Workload]", Workload)),  # a union is no type to mypy
        hosts=reader.read("hosts", Host),
        recipes=reader.read("recipes", Recipe),
        prices=reader.read("prices", Price),
        documents=reader.documents,
        origins=reader.origins,
    )
    if reader.problems:
        raise DataProblems(reader.problems)
    return fleet


UNREAD = "is not read: data files end in `.yaml`"


class _Reader:
    """Reads kinds of files one after the other, collecting problems instead of stopping at the first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.documents: dict[str, Document] = {}  # recipe id -> its file
        self.origins: dict[tuple[str, str], Document] = {}

    def read(self, folder: str, kind: type[FactT]) -> dict[str, FactT]:
        records: dict[str, FactT] = {}
        origin: dict[str, str] = {}
        for path in self._files(self.root / folder):
            for document, key, value in self._entries(path):
                line = document.line((key,))
                if key in origin:
                    message = f"{key!r} is also in {origin[key]}"
                    self.problems.append(Problem(file=document.file, line=line, message=message, remedy="rename one"))
                    continue
                origin[key] = f"{document.file}:{line}"
                self.origins[folder, key] = document
                if kind is Recipe:
                    self.documents[key] = document
                try:
                    records[key] = _record(document, key, value, kind)
                except DataProblems as error:
                    self.problems.extend(error.problems)
        return records

    def _files(self, folder: Path) -> list[Path]:
        """Every `*.yaml` below. A folder that cannot be listed is a problem: it is not the same as an empty one."""
        walked = os.walk(folder, onerror=self._unlisted)
        found = [Path(top, name) for top, folders, files in walked for name in (*folders, *files)]
        for path in sorted(path for path in found if path.suffix == ".yml"):
            self.problems.append(Problem(file=_shown(path), line=0, message=UNREAD, remedy="rename it to `.yaml`"))
        return sorted(path for path in found if path.suffix == ".yaml")

    def _unlisted(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # a fleet need not have every kind of fact
            message = f"cannot be read: {error.strerror}"
            self.problems.append(Problem(file=str(error.filename), line=0, message=message))

    def _entries(self, path: Path) -> list[tuple[Document, str, Value]]:
        try:
            document = read_yaml(path, shown_as=_shown(path))
            return [(document, key, value) for key, value in _mapping(document).items()]
        except DataProblems as error:
            self.problems.extend(error.problems)
            return []


def _shown(path: Path) -> str:
    """Relative to the working folder where possible: that is what a person can click on."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, RuntimeError):  # elsewhere, or a link to itself
        return str(path)


def _mapping(document: Document) -> dict[str, Value]:
    if not isinstance(document.value, dict):
        message = "must hold a mapping of ids to records"
        raise DataProblems([Problem(file=document.file, line=1, message=message, remedy="begin with `my-id:`")])
    bad = [key for key in document.value if not ID.fullmatch(key)]
    if bad:
        message = f"{bad[0]!r} is not an id"
        remedy = "ids are lowercase letters, digits, '.' and '-', at most 120 characters"
        line = document.line((bad[0],))
        raise DataProblems([Problem(file=document.file, line=line, message=message, remedy=remedy)])
    return document.value


def _record(document: Document, key: str, value: Value, kind: type[FactT]) -> FactT:
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        raise DataProblems(mistakes(document, key, value, kind, str(error))) from None
