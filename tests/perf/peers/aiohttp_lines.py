"""A peer: aiohttp, one session, a line at a time through json.loads, as most published benchmark clients do it.

`python aiohttp_lines.py PORT STREAMS REQUESTS TOKENS OUT`, in an environment that has aiohttp and nothing of ours.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from itertools import count

import aiohttp
from report import READY_NS, report


async def one(session: aiohttp.ClientSession, url: str, index: int, tokens: int) -> array[int]:
    body = {"model": "paced", "prompt": [index, *range(1, 16)], "max_tokens": tokens, "stream": True}
    found = array("q", [index, time.perf_counter_ns(), 0])
    async with session.post(url, json=body, headers={"X-Request-Id": str(index)}) as response:
        async for line in response.content:
            data = line.strip().removeprefix(b"data: ")
            if not data or data == b"[DONE]":
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

    async def stream(session: aiohttp.ClientSession) -> None:
        while (index := next(indices)) < requests:
            rows.append(await one(session, url, index, tokens))

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=streams), timeout=aiohttp.ClientTimeout(total=600)
    ) as session:
        start_ns = time.perf_counter_ns()
        await asyncio.gather(*(stream(session) for _ in range(streams)))
    report(READY_NS, start_ns, rows, sys.argv[5])


asyncio.run(main())
