"""A new recipe from its nearest sibling: the same text, comments and all, in which a few lines differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

from matrix.atomic import write_atomic
from matrix.edit import Put, edited
from matrix.errors import FleetError, nearest
from matrix.fleet import ID
from matrix.recipe import pinned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matrix.fleet import Fleet
    from matrix.yamlfile import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecipe:
    """`differs` are the lines that are not the sibling's, by their number; `edit` says what else is for the author."""

    path: Path
    text: str
    differs: Mapping[int, str]
    edit: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """What to tell the author, with places to click on."""
        yield f"{self.path}: {len(self.differs)} lines differ from its sibling's"
        yield from (f"  {number}: {line}" for number, line in self.differs.items())
        yield "edit, where it is not what you measured:"
        yield from (f"  {self.path}:{what}" for what in self.edit)


def new_recipe(fleet: Fleet, name: str, sibling: str, facts: Mapping[str, str]) -> NewRecipe:
    """The text of recipe `name` and where it belongs. `facts` replaces the sibling's model, gpu or precision.

    Its source is left empty on purpose: what another recipe's author measured is no source for this one.
    """
    _require_new(fleet, name)
    _require("recipe", sibling, fleet.recipes)
    for kind, known in (("model", fleet.models), ("gpu", fleet.gpus)):
        if kind in facts:
            _require(kind, facts[kind], known)
    path = _folder(fleet, sibling, facts) / f"{name}.yaml"
    if path.exists():
        raise FleetError(f"{path}: is there already; choose another name")
    old = _text_of(fleet.documents[sibling], sibling)
    text = re.sub(rf"^(['\"]?){re.escape(sibling)}\1(?=\s*:)", name, old, count=1, flags=re.MULTILINE)
    text = edited(text, (*(Put((name, key), value) for key, value in facts.items()), Put((name, "source"), "")))
    differs = _differing(old, text)
    return NewRecipe(path=path, text=text, differs=differs, edit=tuple(_to_edit(fleet, sibling, facts, text)))


def write_recipe(new: NewRecipe) -> None:
    """Write the file, atomically."""
    write_atomic(new.path, new.text.encode())


def _require_new(fleet: Fleet, name: str) -> None:
    if not ID.fullmatch(name):
        raise FleetError(f"{name!r} is no id: lowercase letters, digits, '.' and '-', at most 120 characters")
    if name in fleet.recipes:
        document = fleet.documents[name]
        raise FleetError(f"recipe {name} is there already: {document.file}:{document.line((name,))}")


def _require(kind: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise FleetError(f"there is no {kind} {name!r}: {nearest(name, known)}")


def _folder(fleet: Fleet, sibling: str, facts: Mapping[str, str]) -> Path:
    """The sibling's; the other vendor's when the sibling lies with its GPU's vendor and the GPU is another's."""
    folder = Path(fleet.documents[sibling].file).parent
    theirs = fleet.gpus[fleet.recipes[sibling].gpu].device
    ours = fleet.gpus[facts["gpu"]].device if "gpu" in facts else theirs
    return folder.parent / ours if folder.name == theirs != ours else folder


def _text_of(document: Document, recipe: str) -> str:
    """The record as its author wrote it, with the comment above it."""
    lines = Path(document.file).read_bytes().decode().splitlines(keepends=True)
    keys = document.value if isinstance(document.value, dict) else {}
    starts = [_with_comment(lines, document.line((key,)) - 1) for key in keys]
    index = list(keys).index(recipe)
    end = starts[index + 1] if index + 1 < len(starts) else len(lines)
    return "".join(lines[starts[index] : end]).rstrip() + "\n"


def _with_comment(lines: list[str], at: int) -> int:
    while at > 0 and lines[at - 1].startswith("#"):
        at -= 1
    return at


def _differing(old: str, new: str) -> dict[int, str]:
    before, after = old.splitlines(), new.splitlines()
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    numbers = [number for kind, _, _, low, high in blocks if kind != "equal" for number in range(low, high)]
    return {number + 1: after[number] for number in numbers}


def _to_edit(fleet: Fleet, sibling: str, facts: Mapping[str, str], text: str) -> Iterator[str]:
    """What only the author can know, each with its line."""
    recipe = fleet.recipes[sibling]
    yield f"{_line(text, 'source')}: source: where these settings come from; `check` refuses an empty one"
    if recipe.image is not None:
        pin = "" if pinned(recipe.image) else ", and a tag: `inferfleet pin` turns it into a digest"
        yield f"{_line(text, 'image')}: image: still {sibling}'s{pin}"
    if recipe.flags or recipe.env:
        yield f"{_line(text, 'flags' if recipe.flags else 'env')}: flags: tuned for {recipe.model} on {recipe.gpu}"
    yield f"{_line(text, 'layouts')}: layouts: sizes, concurrencies and workloads as {sibling} has them"
    if recipe.host is not None and "gpu" in facts:
        yield f"{_line(text, 'host')}: host: {recipe.host} has {recipe.gpu}"


def _line(text: str, key: str) -> int:
    """The line of a key of the record, which is indented once."""
    match = re.search(rf"^\s+['\"]?{key}['\"]?\s*:", text, flags=re.MULTILINE)
    return text.count("\n", 0, match.start()) + 1 if match else 1
