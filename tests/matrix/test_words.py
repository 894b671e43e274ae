from __future__ import annotations

from matrix.words import OUTCOME_OF, Outcome, Reason, outcome_of


def test_every_reason_means_exactly_one_outcome() -> None:
    assert set(OUTCOME_OF) == set(Reason)
    assert Outcome.OK not in OUTCOME_OF.values()


def test_the_first_reason_is_the_cause_and_decides() -> None:
    assert outcome_of(()) is Outcome.OK
    assert outcome_of((Reason.SERVER_EXITED, Reason.REQUEST_ERRORS)) is Outcome.RECIPE_FAILED
