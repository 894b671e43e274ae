"""Boring YAML out of records: what `matrix.yamlfile` reads back is equal, or it is a bug here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from matrix.canonical import plain
from matrix.yamlfile import parse_yaml, reads_as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matrix.facts import Fact

WIDTH = 120


class _Dumper(yaml.SafeDumper):
    """Block style, two spaces, lists indented under their key, text quoted where it would read as anything else."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)  # noqa: FBT003 - PyYAML's own signature

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - an alias would be refused on reading
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if reads_as_text(text) and text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(records: Mapping[str, Fact], comment: str = "") -> str:
    """Records by id as one YAML document, without their defaults. What is flat stays on one line."""
    document = {name: _name_first(plain(record, every_record=True)) for name, record in records.items()}
    text = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=WIDTH, allow_unicode=True
    )
    if parse_yaml(text.encode(), "what was just written").value != document:
        raise ValueError(f"these records cannot be written as YAML: {', '.join(records)}")
    return "".join(f"# {line}\n" for line in comment.splitlines()) + text


def _name_first(value: object) -> object:
    """A layout's name is inherited last and read first."""
    if isinstance(value, dict):
        order = sorted(value, key=lambda key: key != "name")
        return {key: _name_first(value[key]) for key in order}
    return [_name_first(item) for item in value] if isinstance(value, list) else value
