from __future__ import annotations

import os
import pwd
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from runners.provision.hostcheck import drifted, lodgers, unfit
from runners.provision.setup import Places
from tests.runners.provision.sites import site


def test_this_machine_is_fit_for_a_job_of_its_own(tmp_path: Path) -> None:
    assert unfit(replace(site("this-machine", Places(job=tmp_path)), disk_gib=1)) == []


def test_a_full_or_missing_disk_is_noticed(tmp_path: Path) -> None:
    (found,) = unfit(replace(site("this-machine", Places(job=tmp_path)), disk_gib=1 << 20))
    assert f"{1 << 20} GiB are needed" in found
    (found,) = unfit(site("this-machine", Places(job=tmp_path / "none")))
    assert "No such file" in found


def test_an_environment_that_is_not_the_locked_one_is_noticed() -> None:
    here = metadata.version("msgspec")
    assert drifted(f"msgspec=={here} \\\n    --hash=sha256:00\n") == []
    (found,) = drifted("msgspec==0.0.1 \\\n    --hash=sha256:00\nno-such-package==1\n")
    assert f"msgspec is {here}, locked 0.0.1" in found
    assert "no-such-package is not installed, locked 1" in found


def test_what_outlived_its_job_is_named() -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    (found,) = lodgers(me, patience_s=0)
    assert f"processes of {me} outlived their job" in found
    assert lodgers("no-such-user", patience_s=0) == []
