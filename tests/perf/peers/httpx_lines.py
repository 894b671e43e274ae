"""A peer: httpx, one client, `aiter_lines` and json.loads. Arguments and environment as `aiohttp_lines.py`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from itertools import count

import httpx
from report import READY_NS, report


async def one(client: httpx.AsyncClient, url: str, index: int, tokens: int) -> array[int]:
    body = {"model": "paced", "prompt": [index, *range(1, 16)], "max_tokens": tokens, "stream": True}
    found = array("q", [index, time.perf_counter_ns(), 0])
    async with client.stream("POST", url, json=body, headers={"X-Request-Id": str(index)}) as response:
        async for line in response.aiter_lines():
            data = line.removeprefix("data: ")
            if not data or data == "[DONE]":
                continue
            choices = json.loads(data)["choices"]
            if choices and choices[0]["text"]:
                found.append(time.perf_counter_ns())
    found[2] = len(found) - 3
    return found


async def main() -> None:
    port, streams, requests, tokens = map(int, sys.argv[1:5])
    url = f"http://127.0.0.1:{port}/v1/completions"
    indices, rows = count(), []

    async def stream(client: httpx.AsyncClient) -> None:
        while (index := next(indices)) < requests:
            rows.append(await one(client, url, index, tokens))

    limits = httpx.Limits(max_connections=streams, max_keepalive_connections=streams)
    async with httpx.AsyncClient(limits=limits, timeout=600, trust_env=False) as client:
        start_ns = time.perf_counter_ns()
        await asyncio.gather(*(stream(client) for _ in range(streams)))
    report(READY_NS, start_ns, rows, sys.argv[5])


asyncio.run(main())
