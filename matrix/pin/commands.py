"""`inferfleet pin`: ask registries and the hub what names mean now, and write that into the YAML files."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from matrix.atomic import write_atomic
from matrix.edit import Drop, Put, edited
from matrix.errors import FleetError
from matrix.expand import expand, point_of
from matrix.facts import HubWeights
from matrix.official import models_of
from matrix.pin.http import Http, open_client
from matrix.pin.hub import HUB, require_safe, revision
from matrix.pin.reference import Failed, parse_reference, parse_registry
from matrix.pin.registry import resolve
from matrix.recipe import pinned
from matrix.select import select
from matrix.traits import traits_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matrix.edit import Edit
    from matrix.fleet import Fleet
    from matrix.select import Selector
    from matrix.yamlfile import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class PinOptions:
    """`again` asks about what is pinned already: has the name moved? `write` false only says what would change."""

    images: bool = True
    models: bool = True
    again: bool = False
    write: bool = True
    registries: tuple[str, ...] = ()
    hub: str = HUB
    hub_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One name and what it means now; `edits` write that into `document`, at `line`."""

    document: Document
    line: int
    name: str
    was: str | None
    now: str | Failed
    note: str = ""
    edits: tuple[Edit, ...] = ()

    def __str__(self) -> str:
        where = f"{self.document.file}:{self.line}: {self.name}"
        if isinstance(self.now, Failed):
            return f"{where}: not pinned: {self.now.why}"
        change = f"{self.was} -> {self.now}" if self.was else f"-> {self.now}"
        return f"{where} {change}{self.note}" if self.was != self.now else f"{where}: still {self.now}"


def pin(fleet: Fleet, selector: Selector, options: PinOptions) -> Iterator[str]:
    """A line for each name, as it is answered; files are written at the end, each at once.

    Raises a `FleetError` at the very end if anything could not be pinned: what could be, is.
    """
    recipes = _recipes(fleet, selector)
    hub = require_safe(options.hub)
    pins: list[Pin] = []
    with open_client() as client:
        http = Http(client)
        images = _images(fleet, recipes, http, options) if options.images else iter(())
        models = _models(fleet, recipes, http, hub, options) if options.models else iter(())
        for asked in (images, models):
            for one in asked:
                pins.append(one)
                yield str(one)
    changed = [one for one in pins if not isinstance(one.now, Failed) and one.now != one.was]
    failed = sum(isinstance(one.now, Failed) for one in pins)
    files = _write(changed) if options.write else 0
    yield f"{len(changed)} names pinned in {files} files" if options.write else f"{len(changed)} names to pin"
    if failed:
        raise FleetError(f"{failed} names could not be pinned; each is said above")


def _recipes(fleet: Fleet, selector: Selector) -> list[str]:
    traits = traits_of(fleet)
    items = select(selector, expand(fleet), lambda item: traits(point_of(item)))
    return list(dict.fromkeys(point_of(item).recipe for item in items))


def _images(fleet: Fleet, recipes: list[str], http: Http, options: PinOptions) -> Iterator[Pin]:
    """Each image is asked for once, however many recipes use it."""
    answers: dict[str, tuple[str | Failed, str]] = {}
    for recipe in recipes:
        image, document = fleet.recipes[recipe].image, fleet.documents[recipe]
        if image is None or (pinned(image) and not options.again):
            continue
        name, _, digest = image.partition("@")
        if name not in answers:
            answers[name] = _ask_registry(http, name, options)
        now, note = answers[name]
        yield Pin(
            document=document,
            line=document.line((recipe, "image")),
            name=f"image {name}",
            was=digest or None,
            now=now,
            note=note,
            edits=(Put((recipe, "image"), f"{name}@{now}"),),
        )


def _ask_registry(http: Http, name: str, options: PinOptions) -> tuple[str | Failed, str]:
    reference = parse_reference(name)
    if isinstance(reference, Failed):
        return reference, ""
    found = resolve(http, reference, dict(map(parse_registry, options.registries)))
    return (found, "") if isinstance(found, Failed) else (found.digest, f" ({found.kind})")


def _models(fleet: Fleet, recipes: list[str], http: Http, hub: str, options: PinOptions) -> Iterator[Pin]:
    for name in dict.fromkeys(model for recipe in recipes for model in models_of(fleet.recipes[recipe])):
        weights, document = fleet.models[name].weights, fleet.origins["models", name]
        if not isinstance(weights, HubWeights) or (weights.revision is not None and not options.again):
            continue
        now = revision(http, hub, weights.repo, token=options.hub_token)
        yield Pin(
            document=document,
            line=document.line((name, "weights", "revision" if weights.revision else "repo")),
            name=f"model {weights.repo}",
            was=weights.revision,
            now=now,
            edits=() if isinstance(now, Failed) else _revision_edits(name, now, f"{hub}/{weights.repo}/tree/{now}"),
        )


def _revision_edits(model: str, sha: str, source: str) -> tuple[Edit, ...]:
    """The commit, where it was read, and no longer why it is unknown."""
    return (
        Put((model, "weights", "revision"), sha, after="repo"),
        Drop((model, "unknown", "weights.revision")),
        Put((model, "sources", "weights.revision"), source, before="source"),
    )


def _write(pins: list[Pin]) -> int:
    """Make all edits of a file at once. How many files changed."""
    by_file: defaultdict[str, list[Edit]] = defaultdict(list)
    for one in pins:
        by_file[one.document.file].extend(one.edits)
    texts = {file: _edited(file, tuple(edits)) for file, edits in by_file.items()}
    for file, text in texts.items():
        write_atomic(Path(file), text.encode())
    return len(texts)


def _edited(file: str, edits: tuple[Edit, ...]) -> str:
    try:
        return edited(Path(file).read_bytes().decode(), edits)
    except FleetError as error:
        raise FleetError(f"{file}: {error}; nothing was written") from None
