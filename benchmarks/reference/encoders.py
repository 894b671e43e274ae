"""Tokenizers to make sets with: a `tokenizer.json`, or a running server's own `/tokenize`. And what identifies one.

Nothing here is needed to draw prompts from a set: a load client starts without any tokenizer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from matrix.errors import UNDECODABLE, FleetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.bench.ask import Server, Tokenize
    from benchmarks.reference.hub import Encoding

PROBES = (
    " The quick brown fox jumps over the lazy dog; 12,345.67 of them didn't.",
    " Whereas recognition of the inherent dignity and of the equal and inalienable rights of all members",
    " def f(x: int) -> str:\n    return f'{x!r}' if x != 0 else \"none\"\n",
    " extraordinarily incomprehensible counterrevolutionaries antidisestablishmentarianism",
    " café naïve über žluťoučký αβγ добро 日本語 你好 한국어",
    " A  B   C    D\tE\n\nF 0 1 22 333 4444 55555 (a)[b]{c}<d>",
)
"""What a fingerprint is taken of. A tokenizer that treats all of this alike treats English prose alike."""
_SPELLED = {"\u0120": " ", "\u2581": " ", "\u010a": "\n"}
"""How vocabularies write a space and a line's end."""
_WITH_STRINGS = {"add_special_tokens": False, "return_token_strs": True}


class Encoded(NamedTuple):
    """`pieces` are the characters of each token; together they are the text."""

    ids: tuple[int, ...]
    pieces: tuple[str, ...]


class Encoder(Protocol):
    """A tokenizer that adds no special tokens. `made_with` names it for people."""

    @property
    def made_with(self) -> str: ...

    def ids(self, text: str) -> tuple[int, ...]: ...

    def encode(self, text: str) -> Encoded:
        """Raises FleetError where it cannot say which characters a token is."""
        ...


def fingerprint(tokenize: Callable[[str], Sequence[int]]) -> str:
    """sha256 of the token ids of `PROBES`: the same for a model's `tokenizer.json` as for a server that loaded it."""
    return hashlib.sha256(msgspec.json.encode([list(tokenize(probe)) for probe in PROBES])).hexdigest()


def whole(text: str, ids: Sequence[int], pieces: Sequence[str], made_with: str) -> Encoded:
    """Raises FleetError unless the pieces are the text: a token lost is a prompt too short."""
    spelled = tuple("".join(_SPELLED.get(char, char) for char in piece) for piece in pieces)
    if "".join(spelled) != text or len(ids) != len(spelled) or not all(spelled):
        raise FleetError(f"{made_with}: its tokens do not spell the text they came from, near {text[:60]!r}")
    return Encoded(tuple(ids), spelled)


@dataclass(frozen=True, slots=True)
class FileEncoder:
    """A `tokenizer.json`, through the package `tokenizers`."""

    made_with: str
    run: Callable[[str], Encoding]

    def ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.run(text).ids)

    def encode(self, text: str) -> Encoded:
        found = self.run(text)
        return whole(text, found.ids, found.tokens, self.made_with)


def file_encoder(path: Path) -> FileEncoder:
    """Raises FleetError without the package or with a file it does not take."""
    try:
        from benchmarks.reference.hub import load  # noqa: PLC0415 - an optional package is behind it
    except ImportError:
        remedy = "pip install 'inferfleet[prompts]', or name a running server's address instead of a file"
        raise FleetError(f"{path}: reading a tokenizer takes the package `tokenizers`: {remedy}") from None
    data = path.read_bytes()
    return FileEncoder(f"{path.name} sha256:{hashlib.sha256(data).hexdigest()}", load(path, data))


class _Piece(msgspec.Struct):
    id: int
    piece: str


class _Pieces(msgspec.Struct):
    tokens: tuple[_Piece, ...]


class _Strings(msgspec.Struct):
    tokens: tuple[int, ...]
    token_strs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerEncoder:
    """`/tokenize` of llama.cpp or vLLM, asked for its tokens' characters too."""

    made_with: str
    server: Server
    model: str
    tokenize: Tokenize

    def ids(self, text: str) -> tuple[int, ...]:
        return self.tokenize(text)

    def encode(self, text: str) -> Encoded:
        """Each server takes its own spelling and answers the other's with an error or with nothing."""
        status, body = self.server.ask("/tokenize", {"content": text, "with_pieces": True})
        try:
            found = msgspec.json.decode(body, type=_Pieces).tokens if status == 200 else ()
            if found:
                return whole(text, [one.id for one in found], [one.piece for one in found], self.made_with)
            said: dict[str, str | bool] = {"model": self.model, "prompt": text, **_WITH_STRINGS}
            status, body = self.server.ask("/tokenize", said)
            strings = msgspec.json.decode(body, type=_Strings)
        except UNDECODABLE:
            raise FleetError(f"{self.made_with}: /tokenize does not say which characters its tokens are") from None
        return whole(text, strings.tokens, strings.token_strs, self.made_with)


def server_encoder(server: Server, model: str | None) -> ServerEncoder:
    """Of the model a server lists first, or of another it is told to name. Raises FleetError without `/tokenize`."""
    served = model or next(iter(server.models()), "")
    tokenize = server.tokenizer(served)
    if tokenize is None:
        raise FleetError(f"{server.address} has no /tokenize: name the model's tokenizer.json instead")
    return ServerEncoder(f"{served}, as its server tokenizes", server, served, tokenize)
