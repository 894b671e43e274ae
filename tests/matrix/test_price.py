from __future__ import annotations

from datetime import date

import pytest

from matrix.fleet import DATA, load_fleet
from matrix.price import Price, prices_on


def price(since: str, until: str | None = None, gpu: str = "h100") -> Price:
    return Price(
        gpu=gpu, usd_per_gpu_hour={"neocloud": 2.0}, kw_per_gpu=1.0, since=since, until=until, dating="d", source="s"
    )


@pytest.mark.parametrize(
    ("day", "found"),
    [
        (date(2025, 12, 31), set()),
        (date(2026, 1, 1), {"first"}),
        (date(2026, 5, 31), {"first"}),
        (date(2026, 6, 1), {"second"}),
        (date(2030, 1, 1), {"second"}),
    ],
)
def test_a_price_holds_from_its_first_day_until_the_day_before_its_end(day: date, found: set[str]) -> None:
    prices = {
        "first": price("2026-01-01", "2026-06-01"),
        "second": price("2026-06-01"),
        "other": price("2020-01-01", gpu="h200"),
    }
    assert prices_on(prices, "h100", day).keys() == found


def test_every_accelerator_with_a_recipe_has_one_shipped_price_on_a_night_of_2026() -> None:
    fleet = load_fleet(DATA)
    for gpu in {recipe.gpu for recipe in fleet.recipes.values()} - {"cpu"}:
        assert len(prices_on(fleet.prices, gpu, date(2026, 11, 1))) == 1
        assert len(prices_on(fleet.prices, gpu, date(2026, 3, 1))) == 1
