"""Limits on what one request may take. A workload's are the fleet's policy; a search's are part of what it finds."""

from __future__ import annotations

from typing import Annotated

import msgspec

_Limit = Annotated[float, msgspec.Meta(gt=0)]


class Slo(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Limits on one request's latencies; what `percentile` of requests must keep, where a share is asked for."""

    ttft_s: _Limit | None = None
    tpot_s: _Limit | None = None
    e2e_s: _Limit | None = None
    percentile: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.99

    def __post_init__(self) -> None:
        if self.ttft_s is None and self.tpot_s is None and self.e2e_s is None:
            raise ValueError("an SLO needs a limit: ttft_s, tpot_s or e2e_s")
