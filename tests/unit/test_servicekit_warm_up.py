"""A warm-up, step by step."""

from servicekit.errors import LookalikeError
from servicekit.health import HealthReporter
from servicekit.warm_up import warm_up


def refusal_of(health: HealthReporter) -> LookalikeError:
    refusal = health.refusal()
    assert refusal is not None
    return refusal


def test_before_anybody_measures_it_nothing_of_a_warm_up_is_done() -> None:
    refusal = refusal_of(HealthReporter())
    assert refusal.reason == "WARMING_UP"
    assert refusal.metadata == {"warm_up_fraction": "0.00"}


async def test_calls_that_come_in_the_meantime_are_told_how_far_it_is() -> None:
    health = HealthReporter()
    told: list[str] = []

    def step() -> None:
        told.append(refusal_of(health).metadata["warm_up_fraction"])

    await warm_up([step, step, step], health)
    # Loading was the first of the four.
    assert told == ["0.25", "0.50", "0.75"]
    assert refusal_of(health).metadata == {"warm_up_fraction": "1.00"}
    health.ready()
    assert health.refusal() is None
