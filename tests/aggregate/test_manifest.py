"""Every published byte can be checked, and the past cannot be changed quietly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from aggregate.manifest import MANIFEST, PUBLISHED, Manifest, load, verify
from aggregate.publish import publish
from matrix.errors import FleetError
from tests.aggregate.builders import a_plan
from tests.aggregate.homes import PLAN, a_run

if TYPE_CHECKING:
    from pathlib import Path


def test_verify_names_any_file_of_which_one_byte_changed_and_publish_repairs_data(tmp_path: Path) -> None:
    merged = a_run(tmp_path)
    publish(merged, PLAN, tmp_path)
    manifest = load(tmp_path)
    assert manifest is not None
    for entry in manifest.files:
        path = tmp_path / PUBLISHED / entry.path
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        with pytest.raises(FleetError, match=path.name.replace(".", r"\.")):
            verify(tmp_path)
        path.unlink()
        with pytest.raises(FleetError, match="not there"):
            verify(tmp_path)
        assert publish(merged, PLAN, tmp_path).changed is False
        assert path.read_bytes() == good
    verify(tmp_path)


def test_verify_notices_a_changed_or_missing_link_of_the_chain(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="nothing was published"):
        verify(tmp_path)
    for run_id in ("run-1", "run-2", "run-3"):
        plan = a_plan(run_id=run_id)
        publish(a_run(tmp_path, plan), plan, tmp_path)
    newest = load(tmp_path)
    assert newest is not None
    link = tmp_path / PUBLISHED / "manifests" / f"{newest.previous}.json"
    good = link.read_bytes()
    link.write_bytes(good.replace(b'"ok": 4', b'"ok": 3', 1))
    with pytest.raises(FleetError, match="history was changed"):
        verify(tmp_path)
    link.unlink()
    with pytest.raises(FleetError, match="missing"):
        verify(tmp_path)


def test_a_manifest_that_is_not_text_is_named(tmp_path: Path) -> None:
    publish(a_run(tmp_path), PLAN, tmp_path)
    (tmp_path / PUBLISHED / MANIFEST).write_bytes(b'{"delta_version": 1, "runs": "\xff"}')
    with pytest.raises(FleetError, match=r"manifest\.json: not a manifest"):
        verify(tmp_path)


def test_a_manifest_cannot_name_a_file_outside_the_published_folder(tmp_path: Path) -> None:
    publish(a_run(tmp_path), PLAN, tmp_path)
    path = tmp_path / PUBLISHED / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"nights/', b'"../nights/', 1))
    with pytest.raises(FleetError, match="not a manifest"):
        verify(tmp_path)


def test_only_the_files_of_this_manifest_and_the_one_before_are_kept(tmp_path: Path) -> None:
    for number in range(4):
        plan = a_plan(run_id=f"run-{number}")
        publish(a_run(tmp_path, plan), plan, tmp_path)
    assert len(list((tmp_path / PUBLISHED / "years").iterdir())) == 2
    assert len(list((tmp_path / PUBLISHED / "manifests").iterdir())) == 4
    verify(tmp_path)


def test_a_manifest_of_a_newer_schema_asks_for_an_upgrade(tmp_path: Path) -> None:
    publish(a_run(tmp_path), PLAN, tmp_path)
    path = tmp_path / PUBLISHED / MANIFEST
    newer = msgspec.structs.replace(msgspec.json.decode(path.read_bytes(), type=Manifest), schema_version=99)
    path.write_bytes(msgspec.json.encode(newer))
    with pytest.raises(FleetError, match="upgrade"):
        publish(a_run(tmp_path), PLAN, tmp_path)
