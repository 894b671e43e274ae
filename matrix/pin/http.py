"""HTTP for pinning: bounded answers, bounded patience, no redirects, nothing from the environment."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from matrix.patience import asked_wait_s
from matrix.pin.reference import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRIES = 4
LONGEST_WAIT_S = 60.0
MAX_BYTES = 16 * 1024 * 1024
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_PASSING = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; `headers` are case-insensitive."""

    status: int
    headers: httpx.Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Http:
    """`sleep` is replaced in tests."""

    client: httpx.Client
    sleep: Callable[[float], None] = time.sleep

    def ask(self, method: str, url: str, headers: Mapping[str, str]) -> Answer | Failed:
        """The answer, whatever its status, unless it passes: then again, as the server asks, a few times."""
        for attempt in range(TRIES):
            answer = self._once(method, url, headers)
            if isinstance(answer, Answer) and answer.status not in _PASSING:
                return answer
            wait_s = asked_wait_s(answer.headers) if isinstance(answer, Answer) else None
            if wait_s is not None and wait_s > LONGEST_WAIT_S:
                return Failed(f"{_host(url)} asks to come back in {wait_s:.0f} s")
            if attempt < TRIES - 1:
                self.sleep(2.0**attempt if wait_s is None else wait_s)
        return answer if isinstance(answer, Failed) else Failed(f"{_host(url)} answered {answer.status}, {TRIES} times")

    def _once(self, method: str, url: str, headers: Mapping[str, str]) -> Answer | Failed:
        try:
            with self.client.stream(method, url, headers=dict(headers)) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        return Failed(f"{_host(url)} sent more than {MAX_BYTES:,} bytes")
                return Answer(response.status_code, response.headers, bytes(body))
        except (httpx.TransportError, httpx.DecodingError) as error:
            return Failed(f"{_host(url)}: {error or type(error).__name__}")


def open_client() -> httpx.Client:
    """No proxy, certificate or password is taken from the environment, and no redirect is followed."""
    return httpx.Client(trust_env=False, timeout=_TIMEOUT, follow_redirects=False)


def unexpected(answer: Answer, url: str) -> Failed:
    """A status nobody waits for, in words."""
    if "location" in answer.headers:
        return Failed(f"{_host(url)} answered {answer.status}: moved to {answer.headers['location']}")
    return Failed(f"{_host(url)} answered {answer.status}")


def _host(url: str) -> str:
    return httpx.URL(url).netloc.decode()
