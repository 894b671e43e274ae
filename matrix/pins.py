"""The actions our workflows use, each pinned by the commit of a release: where the pins are kept, and renewed.

Dependabot edits the rendered files. What it writes is adopted only where every file agrees and every pin is whole.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from matrix.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PINS = Path(__file__).parent / "templates" / "actions.txt"
_PIN = re.compile(
    r"(?P<action>[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100})@[0-9a-f]{40} # v[0-9][0-9.]{0,30}", re.ASCII
)
_USES = re.compile(r"^\s*(?:- )?uses:\s*(?P<pin>\S.*?)\s*$", re.MULTILINE)


def pins(text: str | None = None) -> dict[str, str]:
    """`action -> action@sha # version`, from the text of the pins' file; null reads the one of this checkout."""
    lines = [line for line in (text or PINS.read_text()).splitlines() if line and not line.startswith("#")]
    found: dict[str, str] = {}
    for line in lines:
        match = _PIN.fullmatch(line)
        if match is None or match["action"] in found:
            raise FleetError(f"{PINS.name}: {line!r} is not one `owner/action@<40 digits> # v1.2.3` for each action")
        found[match["action"]] = line
    return found


def adopted(files: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """The pins of the known actions as workflow files (name -> text) have them now.

    Raises `FleetError` where two files disagree, or a pin is not a whole commit with its version beside it.
    """
    said: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, text in files.items():
        for action, pin in _used(name, text, known):
            said[action][pin].append(name)
    for action, found in said.items():
        if len(found) > 1:
            places = "; ".join(f"{pin} in {', '.join(names)}" for pin, names in sorted(found.items()))
            raise FleetError(f"workflows disagree about {action}: {places}. Write the same pin into all of them")
    return {action: next(iter(said.get(action, {pin: []}))) for action, pin in known.items()}


def _used(name: str, text: str, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for found in _USES.finditer(text):
        action = found["pin"].partition("@")[0]
        if action not in known:
            continue
        if not _PIN.fullmatch(found["pin"]):
            wanted = f"`{action}@<40 digits> # v1.2.3`"
            raise FleetError(f"{name}: {found['pin']!r} is no pin: write {wanted}, the commit of a release")
        yield action, found["pin"]


def with_pins(text: str, wanted: Mapping[str, str]) -> str:
    """The pins' file with other pins; its comments stay."""
    lines = [line for line in text.splitlines() if line.startswith("#")]
    return "\n".join([*lines, *(wanted[action] for action in sorted(wanted))]) + "\n"
