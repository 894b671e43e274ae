"""A set of reference prompts: public-domain text, cut into tokens by one tokenizer, and where its passages begin.

Its identity is the sha256 of its canonical JSON. The file is that JSON, compressed, under a name that ends in the
first digits of the identity; whoever reads it hashes it again.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import Annotated

import msgspec

from matrix.atomic import write_atomic
from matrix.errors import UNDECODABLE, FleetError
from matrix.facts import Fact, Id, Positive, Sha256

SHIPPED = Path(__file__).resolve().parent.parent / "data"
MAX_SET_BYTES = 256 << 20
DIGITS = 12
SUFFIX = ".json.gz"

Index = Annotated[int, msgspec.Meta(ge=0)]


class Corpus(Fact, frozen=True, kw_only=True):
    """A text, its sha256 as it stands in its file, where it is from and why it may be used."""

    name: Id
    version: str
    sha256: Sha256
    source: str
    licence: str


class Tokenizer(Fact, frozen=True, kw_only=True):
    """`fingerprint` is of what it does (`benchmarks.reference.encoders`), `made_with` says which file or server did."""

    fingerprint: Sha256
    made_with: str


class ReferenceSet(Fact, frozen=True, kw_only=True):
    """`text` is printable ASCII with single spaces; `ids` are its tokens, `lengths` the characters of each.

    `passages`: for a number of prompt tokens, the tokens that passages of so many begin with. They do not overlap.
    """

    schema_version: int = 1
    corpus: Corpus
    tokenizer: Tokenizer
    text: str
    ids: tuple[Index, ...]
    lengths: tuple[Positive, ...]
    passages: dict[Positive, tuple[Index, ...]]


def canonical(made: ReferenceSet) -> bytes:
    """The bytes whose sha256 is the set's identity."""
    return msgspec.json.encode(made)


def digest_of(made: ReferenceSet) -> str:
    return hashlib.sha256(canonical(made)).hexdigest()


def write_set(made: ReferenceSet, folder: Path) -> Path:
    """The same bytes for the same set, wherever and whenever it is written."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{made.corpus.name}-{made.corpus.version}.{digest_of(made)[:DIGITS]}{SUFFIX}"
    write_atomic(path, gzip.compress(canonical(made), compresslevel=9, mtime=0))
    return path


def read_set(path: Path) -> tuple[ReferenceSet, str]:
    """A set and its identity. Raises FleetError if it is not one, or contradicts itself."""
    try:
        with gzip.open(path) as file:
            data = file.read(MAX_SET_BYTES + 1)
    except gzip.BadGzipFile:
        raise FleetError(f"{path}: is no set of reference prompts, which `inferfleet prompts build` writes") from None
    except (OSError, EOFError, zlib.error) as error:
        raise FleetError(f"{path}: cannot be read: {error}") from None
    if len(data) > MAX_SET_BYTES:
        raise FleetError(f"{path}: holds more than {MAX_SET_BYTES >> 20} MiB")
    try:
        made = msgspec.json.decode(data, type=ReferenceSet)
    except UNDECODABLE as error:
        raise FleetError(f"{path}: is no set of reference prompts: {error}") from None
    if why := contradiction(made):
        raise FleetError(f"{path}: {why}")
    return made, hashlib.sha256(data).hexdigest()


def find_set(folder: Path, digest: str) -> ReferenceSet:
    """The set of this identity. Raises FleetError where there is none, or only one that pretends to be it."""
    paths = sorted(folder.glob(f"*.{digest[:DIGITS]}{SUFFIX}"))
    if not paths:
        raise FleetError(f"{folder} has no set of reference prompts {digest}: `inferfleet prompts build` makes it")
    made, found = read_set(paths[0])
    if found != digest:
        raise FleetError(f"{paths[0]}: its sha256 is {found}, and {digest} was asked for")
    return made


def contradiction(made: ReferenceSet) -> str | None:
    """What is wrong with a set that could be decoded; None for nothing."""
    if len(made.ids) != len(made.lengths) or sum(made.lengths) != len(made.text):
        return "its tokens do not add up to its text"
    if not (made.text.isascii() and made.text.isprintable()):
        return "its text is not printable ASCII"
    if list(made.passages) != sorted(made.passages):
        return "its passages are not in the order of their lengths"
    for isl, starts in made.passages.items():
        ends = [*starts[1:], len(made.ids)]
        if not starts or any(start + isl > end for start, end in zip(starts, ends, strict=True)):
            return f"its passages of {isl} tokens overlap, or go beyond its text"
    return None
