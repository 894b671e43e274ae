from __future__ import annotations

from pathlib import Path

from matrix.gitinfo import UNKNOWN, git_sha

SHA = "0123456789abcdef0123456789abcdef01234567"


def test_a_branch_a_packed_branch_and_a_detached_head_are_read(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert git_sha(tmp_path) == UNKNOWN
    (git / "packed-refs").write_text(f"# pack-refs\n{SHA} refs/heads/main\n")
    assert git_sha(tmp_path) == SHA
    (git / "refs" / "heads" / "main").write_text(SHA[::-1] + "\n")
    assert git_sha(tmp_path) == SHA[::-1]
    (git / "HEAD").write_text(SHA + "\n")
    assert git_sha(tmp_path) == SHA


def test_a_worktree_points_at_its_own_folder(tmp_path: Path) -> None:
    real = tmp_path / "repo" / ".git" / "worktrees" / "w"
    real.mkdir(parents=True)
    (real / "HEAD").write_text(SHA + "\n")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".git").write_text(f"gitdir: {real}\n")
    assert git_sha(tmp_path / "w") == SHA


def test_outside_a_checkout_it_is_unknown(tmp_path: Path) -> None:
    assert git_sha(tmp_path) == UNKNOWN
