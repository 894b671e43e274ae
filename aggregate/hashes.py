"""Hashes of what is published."""

from __future__ import annotations

import hashlib


def sha256(data: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(data).hexdigest()
