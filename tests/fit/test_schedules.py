"""Learning rates as factors of the peak rate."""

from __future__ import annotations

import math

import pytest

from oceanpath.fit.schedules import Schedule, build_schedule, cosine
from oceanpath.fit.settings import FitSettings


def factors(total: int = 20, **settings: object) -> list[float]:
    """Factor of every step of ten epochs of two steps."""
    schedule = build_schedule(FitSettings.model_validate({"epochs": 10, "warmup": 1, **settings}), total)
    return [schedule.factor(step) for step in range(total)]


def test_half_a_cosine_goes_from_1_to_0_and_stays_there() -> None:
    assert [cosine(x) for x in (0.0, 1 / 3, 0.5, 1.0, 1.5)] == pytest.approx([1.0, 0.75, 0.5, 0.0, 0.0])


def test_the_warm_up_is_linear_and_the_schedule_follows() -> None:
    found = factors()
    assert found[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert found[2:] == pytest.approx([0.5 * (1 + math.cos(math.pi * k / 18)) for k in range(18)])
    assert factors(schedule="constant") == pytest.approx([1 / 3, 2 / 3, *[1.0] * 18])
    assert factors(warmup=0)[0] == 1.0


def test_steps_reduce_the_rate_every_so_many_epochs_after_the_warm_up() -> None:
    found = factors(warmup=0, schedule="step", schedule_factor=0.5, schedule_epochs=4)
    assert found == pytest.approx([1.0] * 8 + [0.5] * 8 + [0.25] * 4)
    found = factors(warmup=1, schedule="step", schedule_factor=0.5, schedule_epochs=3)
    assert found[2:] == pytest.approx([1.0] * 6 + [0.5] * 6 + [0.25] * 6)


def test_a_plateau_reduces_the_rate_after_its_epochs_and_waits_again() -> None:
    schedule = build_schedule(
        FitSettings.model_validate(
            {"epochs": 10, "warmup": 1, "schedule": "plateau", "schedule_factor": 0.5, "schedule_epochs": 2}
        ),
        20,
    )
    rates = []
    for improved in (True, False, True, False, False, False, False, True):
        schedule.end_epoch(improved)
        rates.append(schedule.factor(10))
    assert rates == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    assert schedule.factor(0) == pytest.approx(0.25 / 3), "also in the warm-up"
    assert schedule.contents() == {"reduced": 0.25, "waited": 0}


def test_a_restored_schedule_continues_where_it_was() -> None:
    schedule, again = (Schedule(0, 10, lambda _: 1.0, 3, 0.5) for _ in range(2))
    schedule.end_epoch(False)
    schedule.end_epoch(False)
    again.restore(schedule.contents())
    for one in (schedule, again):
        one.end_epoch(False)
        assert one.contents() == {"reduced": 0.5, "waited": 0}


@pytest.mark.parametrize("name", ["cosine", "constant", "step"])
def test_other_schedules_do_not_depend_on_the_validation(name: str) -> None:
    schedule = build_schedule(FitSettings.model_validate({"schedule": name, "epochs": 2}), 8)
    for _ in range(20):
        schedule.end_epoch(False)
    assert schedule.reduced == 1.0 and schedule.patience is None
