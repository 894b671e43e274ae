"""Throws mutated streams at the readers until told to stop: `make fuzz` (60 s), or `... fuzz_stream SECONDS SEED`.

Both readers must agree on every stream in every cutting, and nothing but a named fault may come of any bytes. What
breaks that is printed, whole, with its cutting: it belongs into the tests.
"""

from __future__ import annotations

import random
import sys
import time

from tests.benchmarks.streams_by_hand import DONE, END, HEAD, ODD, ORDINARY, framed, read


def mutated(rng: random.Random, stream: bytes) -> bytes:
    """A few bytes changed, cut out, or said twice."""
    data = bytearray(stream)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        at = rng.randrange(len(data))
        length = rng.choice((1, 1, 2, 7, 40))
        what = rng.randrange(4)
        if what == 0:
            data[at] = rng.choice(b'\r\n0f:{}"\\\x00\xff d')
        elif what == 1 and len(data) > len(HEAD):
            del data[at : at + length]
        elif what == 2:
            data[at:at] = data[at : at + length]
        else:
            data[at : at + 1] = rng.randbytes(length)
    return bytes(data)


def one(rng: random.Random) -> None:
    blocks = rng.choices(ORDINARY * 4 + ODD, k=rng.randrange(12))
    stream = mutated(rng, HEAD + b"".join(map(framed, blocks)) + framed(DONE) * rng.randrange(2) + END)
    edges = sorted({0, len(stream), *(rng.randrange(len(stream) + 1) for _ in range(rng.randrange(9)))})
    fast, slow = read(stream, edges, fast=True), read(stream, edges, fast=False)
    assert fast == slow, f"{stream!r} cut at {edges}: {fast} but {slow}"


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    end_s, streams = time.monotonic() + seconds, 0
    while time.monotonic() < end_s:
        one(rng)
        streams += 1
    print(f"{streams:,} streams, seed {seed}: both readers agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
