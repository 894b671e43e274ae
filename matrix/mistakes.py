"""What is wrong in the shape of a record: msgspec's message in our words, with the line it is about and a remedy."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import msgspec

from matrix.errors import Problem, nearest
from matrix.facts import Id

if TYPE_CHECKING:
    from matrix.facts import Fact
    from matrix.yamlfile import Document, Value, Where

_AT = re.compile(r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`(?P<path>[^`]*)`)?$", re.DOTALL)
_STEPS = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
_REQUIRED = re.compile(r"missing required field `(?P<name>[^`]*)`")
_NOT_ONE_OF = re.compile(r"Invalid (?:enum )?value '(?P<word>[^']*)'")
_NOT_TEXT = re.compile(r"Expected `str.*`, got `(int|float|bool|null)`")
_PATTERN = re.compile(r"Expected `str` matching regex (?P<pattern>'.*'|\".*\")")
_ID = getattr(msgspec.inspect.type_info(Id), "pattern", None)


def mistakes(document: Document, key: str, value: Value, kind: type[Fact], error: str) -> list[Problem]:
    """The one mistake msgspec stopped at, and every other key of the record that nobody knows."""
    found = {_explain(document, key, kind, error)}
    for name in value if isinstance(value, dict) else ():
        if name not in known_keys(kind, "$"):
            found.add(_unknown(document, (key, name), "", nearest(name, known_keys(kind, "$"))))
    return sorted(found)


def _explain(document: Document, key: str, kind: type[Fact], error: str) -> Problem:
    match = _AT.match(error)
    what, path = (match["what"], match["path"] or "$") if match else (error, "$")
    where = _where(key, path)
    shown = path.removeprefix("$").lstrip(".")
    path += "[...]" if match and match["key"] else ""
    if unknown := _UNKNOWN.search(what):
        name = unknown["name"]
        return _unknown(document, (*where, name), shown, nearest(name, known_keys(kind, path)))
    remedy = ""
    if missing := _REQUIRED.search(what):
        what = f"the key {missing['name']!r} is missing"
        remedy = f"add `{missing['name']}: ...`"
    elif wrong := _NOT_ONE_OF.search(what):
        what = f"{wrong['word']!r} is none of the words it may be"
        remedy = nearest(wrong["word"], _words(kind, path))
    elif pattern := _PATTERN.search(what):
        wanted = str(ast.literal_eval(pattern["pattern"]))
        what = "is not written as it must be"
        spelled = wanted.partition("(?!")[0]
        remedy = "lowercase letters, digits, '.' and '-'" if wanted == _ID else f"write it as {spelled}"
    elif _NOT_TEXT.search(what):
        remedy = "quote it: this value is text"
    message = f"{key}: {what}" + (f" (in {shown})" if shown else "")
    return Problem(file=document.file, line=document.line(where), message=message, remedy=remedy)


def _unknown(document: Document, where: Where, inside: str, remedy: str) -> Problem:
    message = f"{where[0]}: unknown key {where[-1]!r}" + (f" (in {inside})" if inside else "")
    return Problem(file=document.file, line=document.line(where), message=message, remedy=remedy)


def _where(key: str, path: str) -> Where:
    """msgspec's `$.layouts[0].flags` as our path. It hides dict keys as `[...]`; there we stop."""
    where: list[str | int] = [key]
    for name, index in _STEPS.findall(path):
        if index == "...":
            break
        where.append(name or int(index))
    return tuple(where)


def known_keys(kind: type[Fact], path: str) -> set[str]:
    """The keys a record at `path` inside `kind` may have (union members together)."""
    structs = (info for info in _types_at(kind, path) if isinstance(info, msgspec.inspect.StructType))
    return {field.encode_name for info in structs for field in info.fields}


def _words(kind: type[Fact], path: str) -> set[str]:
    """The words a value at `path` may be: of an enumeration, or the tags of a union's records."""
    literals = (info for info in _types_at(kind, path) if isinstance(info, msgspec.inspect.LiteralType))
    words = {str(word) for info in literals for word in info.values}
    around, _, last = path.rpartition(".")
    structs = (info for info in _types_at(kind, around) if isinstance(info, msgspec.inspect.StructType))
    return words | {str(info.tag) for info in structs if info.tag_field == last}


def _types_at(kind: type[Fact], path: str) -> list[object]:
    types: list[object] = [msgspec.inspect.type_info(kind)]
    for name, _index in _STEPS.findall(path):
        types = _step(types, name)
    return _flat(types)


def _flat(types: list[object]) -> list[object]:
    flat: list[object] = []
    for info in types:
        flat += _flat(list(info.types)) if isinstance(info, msgspec.inspect.UnionType) else [info]
    return flat


def _step(types: list[object], name: str) -> list[object]:
    """The types one step down: into the named field, or into a container's items when `name` is empty."""
    found: list[object] = []
    for info in _flat(types):
        if name and isinstance(info, msgspec.inspect.StructType):
            found += [field.type for field in info.fields if field.encode_name == name]
        elif isinstance(info, msgspec.inspect.DictType):
            found += [info.value_type, info.key_type]
        elif isinstance(info, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
            found.append(info.item_type)
    return found
