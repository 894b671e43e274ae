"""Changing one value of a YAML file and nothing else: comments, order, quotes and line ends stay as people wrote them.

Every edit is checked before it is believed: read back, the text must hold exactly the old data with that one change.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from matrix.errors import FleetError
from matrix.yamlfile import parse_yaml, reads_as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matrix.yamlfile import Value

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Put:
    """Set `where` (keys from the root) to this text. A new key goes after `after`, or before `before`."""

    where: Path
    text: str
    after: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove the key `where`, and its parent with it where it was the last one there. Absent is fine."""

    where: Path


Edit = Put | Drop


def edited(source: str, edits: tuple[Edit, ...]) -> str:
    """`source` with the edits made in their order. Raises a `FleetError` where that cannot be done cleanly."""
    wanted = copy.deepcopy(parse_yaml(source.encode(), "the file").value)
    text = source
    for edit in edits:
        text = _put(text, edit) if isinstance(edit, Put) else _drop(text, edit.where)
        _expect(wanted, edit)
    if parse_yaml(text.encode(), "the edited file").value != wanted:
        raise FleetError(f"{'.'.join(edits[0].where)} cannot be edited without changing more: edit it by hand")
    return text


def _expect(data: Value, edit: Edit) -> None:
    """The same edit on plain data."""
    *parents, key = edit.where
    path = [data]
    for parent in parents:
        inside = path[-1]
        if not isinstance(inside, dict):
            return
        path.append(inside.setdefault(parent, {}) if isinstance(edit, Put) else inside.get(parent))
    target = path[-1]
    if not isinstance(target, dict):
        return
    if isinstance(edit, Put):
        target[key] = edit.text
    else:
        target.pop(key, None)
        if not target and parents:
            _expect(data, Drop(edit.where[:-1]))


def _put(text: str, edit: Put) -> str:
    found = _find(text, edit.where)
    if found is not None:
        return _replace(text, found[1], edit.text)
    parent = _find(text, edit.where[:-1]) if len(edit.where) > 1 else None
    if parent is None:  # the mapping itself is new: it goes where its parent says
        inner = {edit.where[-1]: edit.text}
        return _insert(text, edit.where[:-2], edit.where[-2], inner, edit)
    return _insert(text, edit.where[:-1], edit.where[-1], edit.text, edit)


def _replace(text: str, node: yaml.Node, value: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.style in ("|", ">"):
        raise FleetError(f"line {node.start_mark.line + 1} holds more than one value or line: edit it by hand")
    start, end = node.start_mark.index, node.end_mark.index
    if start == end:  # `key:` with nothing after it
        written = f" {_scalar(value)}"
    elif node.style in ("'", '"'):
        written = _quoted(value, node.style)
    else:
        written = value if reads_as_text(value) else _quoted(value)
    return text[:start] + written + text[end:]


def _insert(text: str, parent: Path, key: str, value: str | Mapping[str, str], edit: Put) -> str:
    node = _mapping(text, parent)
    pairs = {pair[0].value: pair for pair in node.value}
    after = edit.before not in pairs
    beside_key, beside_value = pairs[edit.before] if edit.before in pairs else pairs.get(edit.after, node.value[-1])
    if node.flow_style:
        shown = f"{key}: {_flow(value)}"
        at = beside_value.end_mark.index if after else beside_key.start_mark.index
        return text[:at] + (f", {shown}" if after else f"{shown}, ") + text[at:]
    at = _below(text, beside_value) if after else beside_key.start_mark.index - beside_key.start_mark.column
    end = "\r\n" if "\r\n" in text else "\n"
    new = "".join(f"{line}{end}" for line in _block(" " * beside_key.start_mark.column, key, value))
    return text[:at] + ("" if text[:at].endswith("\n") or not at else end) + new + text[at:]


def _block(indent: str, key: str, value: str | Mapping[str, str]) -> list[str]:
    if isinstance(value, str):
        return [f"{indent}{key}: {_scalar(value)}"]
    return [f"{indent}{key}:", *(f"{indent}  {name}: {_scalar(text)}" for name, text in value.items())]


def _below(text: str, node: yaml.Node) -> int:
    """Where the first line below a value begins. Marks of block collections lie beyond comments: ask the last child."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _below(text, last[1] if isinstance(last, tuple) else last)
    mark = node.end_mark
    if mark.column == 0 and mark.line > node.start_mark.line:  # a block scalar ends where the next line begins
        return int(mark.index)
    return text.find("\n", mark.index) + 1 or len(text)


def _drop(text: str, where: Path) -> str:
    found = _find(text, where)
    if found is None:
        return text
    parent = _mapping(text, where[:-1])
    if len(parent.value) == 1 and len(where) > 1:
        return _drop(text, where[:-1])
    key, value = found
    if parent.flow_style:
        return _drop_in_flow(text, parent, [pair[0].value for pair in parent.value].index(key.value))
    return text[: key.start_mark.index - key.start_mark.column] + text[_below(text, value) :]


def _drop_in_flow(text: str, parent: yaml.MappingNode, index: int) -> str:
    key, value = parent.value[index]
    if index + 1 < len(parent.value):
        return text[: key.start_mark.index] + text[parent.value[index + 1][0].start_mark.index :]
    return text[: parent.value[index - 1][1].end_mark.index] + text[value.end_mark.index :]


def _find(text: str, where: Path) -> tuple[yaml.ScalarNode, yaml.Node] | None:
    """The nodes of the key and the value at `where`; None where there is no such key."""
    node: yaml.Node = _root(text)
    found = None
    for name in where:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next((pair for pair in pairs if pair[0].value == name), None)
        if found is None:
            return None
        node = found[1]
    return found


def _mapping(text: str, where: Path) -> yaml.MappingNode:
    found = _find(text, where) if where else (None, _root(text))
    if found is None or not isinstance(found[1], yaml.MappingNode) or not found[1].value:
        raise FleetError(f"{'.'.join(where)} is not a mapping that can be added to: edit it by hand")
    return found[1]


def _root(text: str) -> yaml.MappingNode:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise FleetError("the file holds no mapping")
    return node


def _scalar(value: str) -> str:
    return value if value.isalnum() and reads_as_text(value) else _quoted(value)


def _quoted(value: str, style: str = '"') -> str:
    escaped = value.replace("'", "''") if style == "'" else value.replace("\\", "\\\\").replace('"', '\\"')
    return f"{style}{escaped}{style}"


def _flow(value: str | Mapping[str, str]) -> str:
    if isinstance(value, str):
        return _scalar(value)
    return "{" + ", ".join(f"{key}: {_scalar(text)}" for key, text in value.items()) + "}"
