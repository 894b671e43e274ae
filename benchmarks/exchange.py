"""One request on its way: what was asked, when it was sent, and the reads of the answer.

The reads of a plain answer (200, a chunked event stream) are only kept, and read through when there is time. Any other
answer is followed read by read.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

from benchmarks.answer import Answer
from benchmarks.bulk import EVENT_END, RESPONSE_END, read_block, stamps_of
from benchmarks.http1 import HEAD_END, Framing, Head, parse_head

if TYPE_CHECKING:
    from benchmarks.records import RequestError, TurnOf
    from benchmarks.talk import Talk

END_LOOK = 8
_OWN_BYTES = 2048
_READ_BYTES = 64
_head_of = lru_cache(maxsize=64)(parse_head)


def _no_marks() -> array[int]:
    return array("q")


@dataclass(slots=True)
class Exchange:
    """`marks` and `parts` are the stamps and the bytes of the reads that nobody has read through yet, in order.

    `skip` bytes of the first part are behind us. `framing`, once there is one, sees every read, and saw none that
    `answer` has. `end_ns` is the stamp of the last read, `closed_ns` when we saw that it was the last. `look` keeps
    the account of `size`, of `event_ns` (the newest read known to have moved an event on), and of whether the answer
    `rests` where a plain one may end. A turn of a session has the `talk` that it is part of.
    """

    index: int
    asked_input_tokens: int
    asked_output_tokens: int
    payload: bytes
    warmup: bool = False
    scheduled_ns: int | None = None
    talk: Talk | None = None
    turn_of: TurnOf | None = None
    begun_ns: int = 0
    sent_ns: int | None = None
    end_ns: int = 0
    closed_ns: int = 0
    marks: array[int] = field(default_factory=_no_marks)
    parts: list[bytes] = field(default_factory=list)
    skip: int = 0
    head: Head | None = None
    framing: Framing | None = None
    answer: Answer = field(default_factory=Answer)
    plain: bool = False
    digested: bool = False
    looked: int = 0
    size: int = 0
    event_ns: int = 0
    rests: bool = False
    held_bytes: int = 0
    error: RequestError | None = None
    detail: str = ""

    @property
    def answered(self) -> bool:
        return bool(self.parts) or self.head is not None or self.framing is not None

    @property
    def status(self) -> int | None:
        return self.head.status if self.head else None

    @property
    def keeps_alive(self) -> bool:
        return self.head is not None and self.head.keeps_alive

    def add(self, stamp_ns: int, data: bytes) -> None:
        self.marks.append(stamp_ns)
        self.parts.append(data)

    def hold(self) -> int:
        """Roughly the memory that this and its unread reads take."""
        self.held_bytes = _OWN_BYTES + sum(map(len, self.parts)) + _READ_BYTES * len(self.parts)
        return self.held_bytes

    def begin(self) -> bool:
        """Looks at the first read: whether the answer is plain. Raises StreamFault."""
        first = self.parts[0]
        end = first.find(HEAD_END)
        if end < 0:
            return False
        head = _head_of(first[:end])
        if head.status != 200 or not head.chunked or not head.event_stream:
            return False
        self.head = head
        self.skip = end + len(HEAD_END)
        self.plain = True
        return True

    def follow(self) -> bool:
        """Brings the framing up to date; whether the response is complete. Raises StreamFault."""
        self.plain = False
        self.look()
        framing = self.framing
        if framing is None:
            framing = self.framing = Framing(self.head)
        if self.skip:
            self.parts[0] = self.parts[0][self.skip :]
            self.skip = 0
        if self.marks and not self.closed_ns:
            self.end_ns = self.marks[-1]
        for stamp_ns, data in zip(self.marks, self.parts, strict=True):
            framing.feed(stamp_ns, data)
        self._drop(len(self.parts))
        self.head = framing.head
        return framing.done

    def ends(self) -> bool:
        """Whether the newest bytes end a plain answer. Reading it through is what makes sure."""
        newest = b"".join(self.parts[-END_LOOK:])
        if len(self.parts) <= END_LOOK:
            newest = b"\r\n" + newest[self.skip :]
        return newest.endswith(b"\r\n" + RESPONSE_END)

    def look(self) -> None:
        """Takes account of the reads since the last look: how much they were, and whether any moved an event on."""
        new = self.parts[self.looked :]
        self.rests = not new and bool(self.parts) and self.parts[-1].endswith(HEAD_END)
        self.looked = len(self.parts)
        self.size += sum(map(len, new))
        if any(b"data:" in part for part in new):  # single bytes, comments and blank lines are not progress
            self.event_ns = self.marks[-1]

    def digest(self) -> bool:
        """Reads through the whole events that are here, and lets their bytes go. False if that takes a closer look."""
        if not self.closed_ns:
            self.look()
        raw = b"".join(self.parts)[self.skip :]
        over = raw.endswith(RESPONSE_END)
        whole = len(raw) if over else raw.rfind(EVENT_END) + len(EVENT_END)
        if whole < len(EVENT_END):
            return True
        answer = self.answer
        block = read_block(raw if over else raw[:whole])
        if block is None or (over and not block.done and not answer.done):
            return False
        read_ends = list(accumulate(map(len, self.parts), initial=-self.skip))[1:]
        if not answer.done and not answer.take_array(block.array, stamps_of(block.ends, read_ends, self.marks)):
            return False
        answer.done = answer.done or block.done
        self.digested = True
        if over:
            self._drop(len(self.parts))
        else:
            self._forget(whole, read_ends)
        return True

    def _forget(self, whole: int, read_ends: list[int]) -> None:
        """Lets go of the first `whole` unread bytes."""
        reads = sum(end <= whole for end in read_ends)
        if reads < len(self.parts):
            self.skip = whole - (read_ends[reads - 1] if reads else -self.skip)
        else:
            self.skip = 0
        self._drop(reads)

    def _drop(self, reads: int) -> None:
        """Forgets the first reads, in place: the wire appends to these very lists."""
        del self.parts[:reads], self.marks[:reads]
        self.looked = max(0, self.looked - reads)
