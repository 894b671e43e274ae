"""Hashes of what is published."""

from __future__ import annotations

import hashlib

from matrix.atomic import write_atomic as replace_file

__all__ = ["replace_file", "sha256"]


def sha256(data: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(data).hexdigest()
