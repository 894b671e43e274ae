from __future__ import annotations

import sys

from launch.tool import NoAnswer, Said, ask


def test_a_tool_is_asked_and_answers() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert ask((sys.executable, "-c", code)) == Said(code=3, out="out\n", err="err\n")


def test_a_tool_that_is_not_there_is_no_error() -> None:
    assert ask(("no-such-tool",)) is None


def test_a_tool_that_hangs_is_given_up() -> None:
    assert ask(("sleep", "600"), limit_s=0.1) == NoAnswer(0.1)
