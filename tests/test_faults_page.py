from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults_page import PAGE, ROOT, ROWS, Injection, render


def test_the_page_of_faults_is_what_the_tests_say() -> None:
    """In a process of its own: collecting inside a test run would disturb it."""
    code = "from tests.faults_page import *; sys.stdout.write(render(collected()))"
    done = subprocess.run((sys.executable, "-c", code), cwd=ROOT, capture_output=True, check=True, text=True)
    assert done.stdout == PAGE.read_text(), "stale: `make faults` writes it anew"


def test_a_promise_no_test_makes_is_refused() -> None:
    silent = {row: {"t": Injection("tests/x.py", "test_x")} for row in ROWS}
    with pytest.raises(ValueError, match=r"no test marked fault\(11\) says RequestError.REFUSED"):
        render(silent)
