"""How a point can end, and why: the two closed vocabularies every stage and every reader shares."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How one attempt at a point ended."""

    OK = "ok"
    INVALID = "invalid"
    RECIPE_FAILED = "recipe_failed"
    INFRA_FAILED = "infra_failed"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why an outcome is not `ok`. Stable: published data is filtered on these words."""

    # recipe_failed: the recipe's server is at fault; a retry would fail again
    SERVER_NOT_READY = "server_not_ready"
    SERVER_EXITED = "server_exited"
    SERVER_STALLED = "server_stalled"
    # infra_failed: the host or the fleet is at fault; worth one retry elsewhere
    KILLED = "killed"
    HOST_LOCKED = "host_locked"
    DISK_FULL = "disk_full"
    FD_LIMIT = "fd_limit"
    ENGINE_MISSING = "engine_missing"
    MODEL_MISSING = "model_missing"
    PROMPTS_MISSING = "prompts_missing"
    PORT_CONFLICT = "port_conflict"
    INTERNAL_ERROR = "internal_error"
    # invalid: the server answered, but the number would mislead
    MODEL_MISMATCH = "model_mismatch"
    REQUEST_ERRORS = "request_errors"
    SHORT_OUTPUT = "short_output"
    LONG_OUTPUT = "long_output"
    TOKEN_COUNT = "token_count"  # noqa: S105 - a word about tokens, not a password
    NO_OUTPUT = "no_output"
    DUPLICATE_OUTPUTS = "duplicate_outputs"
    CLOCK_JUMP = "clock_jump"
    CLIENT_SATURATED = "client_saturated"
    CACHE_HITS = "cache_hits"
    ORDER_EFFECT = "order_effect"
    # cancelled
    INTERRUPTED = "interrupted"
    WINDOW_CLOSED = "window_closed"
    NOTHING_TO_REPEAT = "nothing_to_repeat"


_OUTCOMES: dict[Outcome, tuple[Reason, ...]] = {
    Outcome.RECIPE_FAILED: (
        Reason.SERVER_NOT_READY,
        Reason.SERVER_EXITED,
        Reason.SERVER_STALLED,
    ),
    Outcome.INFRA_FAILED: (
        Reason.KILLED,
        Reason.HOST_LOCKED,
        Reason.DISK_FULL,
        Reason.FD_LIMIT,
        Reason.ENGINE_MISSING,
        Reason.MODEL_MISSING,
        Reason.PROMPTS_MISSING,
        Reason.PORT_CONFLICT,
        Reason.INTERNAL_ERROR,
    ),
    Outcome.INVALID: (
        Reason.MODEL_MISMATCH,
        Reason.REQUEST_ERRORS,
        Reason.SHORT_OUTPUT,
        Reason.LONG_OUTPUT,
        Reason.TOKEN_COUNT,
        Reason.NO_OUTPUT,
        Reason.DUPLICATE_OUTPUTS,
        Reason.CLOCK_JUMP,
        Reason.CLIENT_SATURATED,
        Reason.CACHE_HITS,
        Reason.ORDER_EFFECT,
    ),
    Outcome.CANCELLED: (Reason.INTERRUPTED, Reason.WINDOW_CLOSED, Reason.NOTHING_TO_REPEAT),
}

OUTCOME_OF: dict[Reason, Outcome] = {reason: outcome for outcome, reasons in _OUTCOMES.items() for reason in reasons}


def outcome_of(reasons: tuple[Reason, ...]) -> Outcome:
    """The outcome a set of reasons means: `ok` for none, else the outcome of the first, which is the cause."""
    return OUTCOME_OF[reasons[0]] if reasons else Outcome.OK


class Missing(StrEnum):
    """Why a planned point has no usable result at all (coverage only, never written by a runner)."""

    NO_ARTIFACT = "no_artifact"
    NO_POINT_FILE = "no_point_file"
    BLOCKED = "blocked"
    # instead of no_artifact, where GitHub's record of the job says more
    RUNNER_LOST = "runner_lost"
    NEVER_SCHEDULED = "never_scheduled"
    JOB_CANCELLED = "job_cancelled"
    UPLOAD_FAILED = "upload_failed"
    EXPIRED = "expired"


class Quarantine(StrEnum):
    """Why a result that arrived is kept out of the dataset."""

    UNREADABLE = "unreadable"
    KEY_MISMATCH = "key_mismatch"
    PLAN_MISMATCH = "plan_mismatch"
    UNPLANNED = "unplanned"
    CONFLICTING_COPIES = "conflicting_copies"
    ARITHMETIC = "arithmetic"
    # against GitHub's own record of the job that is said to have sent it
    JOB_MISMATCH = "job_mismatch"
    OUTSIDE_JOB = "outside_job"
