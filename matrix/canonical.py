"""Records as plain values without their defaults: what identities are hashed from, and what files are written with.

msgspec leaves a default out by object identity, so a 0.8 read from a file would stay in; here equality decides.
"""

from __future__ import annotations

from functools import cache

import msgspec


def plain(value: object, *, every_record: bool = False) -> object:
    """Nested dicts and lists: a record's tag first, then its fields as declared; other mappings sorted by key.

    Defaults are left out of records that declare `omit_defaults`, or of `every_record`.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        shown: dict[str, object] = {config.tag_field: config.tag} if config.tag_field else {}
        for name, default in _defaults(type(value)):
            field = getattr(value, name)
            if field != default or not (every_record or config.omit_defaults):
                shown[name] = plain(field, every_record=every_record)
        return shown
    if isinstance(value, dict):
        return {key: plain(value[key], every_record=every_record) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [plain(item, every_record=every_record) for item in value]
    return value


@cache
def _defaults(kind: type[msgspec.Struct]) -> tuple[tuple[str, object], ...]:
    """Each field with its default; `NODEFAULT` is equal to no value."""
    found: list[tuple[str, object]] = []
    for field in msgspec.structs.fields(kind):
        made = field.default_factory
        found.append((field.name, field.default if made is msgspec.NODEFAULT else made()))
    return tuple(found)
