"""The few questions a person's own server is asked before it is measured: what it serves, and whether it tokenizes."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec

from benchmarks.responses import printable
from matrix.errors import UNDECODABLE, FleetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Tokenize = Callable[[str], tuple[int, ...]]

ASK_S = 30.0
_SPELLINGS: tuple[tuple[str, dict[str, bool]], ...] = (("prompt", {"add_special_tokens": False}), ("content", {}))
"""vLLM's and llama.cpp's ways to ask for tokens."""


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: tuple[_Model, ...]


class _Tokens(msgspec.Struct):
    tokens: tuple[int, ...]


class Address(NamedTuple):
    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{shown}:{self.port}"


def address_of(url: str) -> Address:
    """Of `http(s)://host[:port][/v1]`. Raises FleetError on anything else."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise FleetError(f"{url}: {error}") from None
    known = parts.scheme in {"http", "https"} and parts.path.rstrip("/") in {"", "/v1"} and not parts.query
    if not known or not host:
        raise FleetError(f"{url!r} is no server's address: it looks like http://localhost:8000")
    tls = parts.scheme == "https"
    return Address(host, port or (443 if tls else 80), tls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where to ask, and the headers that say who asks."""

    address: Address
    headers: Mapping[str, str]

    def models(self) -> tuple[str, ...]:
        """Ids of what is served. Raises FleetError with what came instead."""
        where = f"{self.address}/v1/models"
        try:
            status, body = self.ask("/v1/models", None)
        except (OSError, http.client.HTTPException) as error:
            raise FleetError(f"{where}: no answer: {error or type(error).__name__}") from None
        try:
            return tuple(model.id for model in msgspec.json.decode(body, type=_Models).data)
        except UNDECODABLE:
            said = printable(body[:200].decode("utf-8", "replace"))
            raise FleetError(f"{where} answered {status}, and not with a list of models: {said!r}") from None

    def tokenizer(self, model: str) -> Tokenize | None:
        """Its `/tokenize`, in whichever spelling it has; None if it has none."""
        for name, extras in _SPELLINGS:
            said: dict[str, str | bool] = {"model": model, **extras} if extras else {}
            tokenize = partial(self._tokens, name, said)
            try:
                if tokenize(" water"):
                    return tokenize
            except (OSError, http.client.HTTPException, *UNDECODABLE):
                continue
        return None

    def _tokens(self, name: str, said: Mapping[str, str | bool], text: str) -> tuple[int, ...]:
        status, body = self.ask("/tokenize", {**said, name: text})
        return msgspec.json.decode(body, type=_Tokens).tokens if status == 200 else ()

    def ask(self, path: str, body: Mapping[str, str | bool] | None) -> tuple[int, bytes]:
        """Status and body. Raises OSError or HTTPException."""
        host, port, tls = self.address
        kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
        connection = kind(host, port, timeout=ASK_S)
        try:
            if body is None:
                connection.request("GET", path, headers=dict(self.headers))
            else:
                headers = {"Content-Type": "application/json", **self.headers}
                connection.request("POST", path, msgspec.json.encode(body), headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
