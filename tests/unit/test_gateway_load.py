"""What a gateway has done within the last minute."""

import pytest

from services.gateway.load import LoadWindow

SEARCH, INGEST = "lookalike.Search/Find", "lookalike.Ingest/Stream"


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def window(clock: Clock) -> LoadWindow:
    return LoadWindow(frozenset({SEARCH}), frozenset({INGEST}), clock)


def test_a_gateway_that_did_nothing_says_so(window: LoadWindow) -> None:
    load = window.now()
    assert load.window_s == 1
    assert (load.searches_per_s, load.search_p50_ms, load.search_p95_ms) == (0, 0, 0)
    assert (load.ingested_products_per_s, load.ingested_images_per_s) == (0, 0)
    assert (load.open_ingest_calls, load.errors_per_s) == (0, 0)


def test_rates_are_of_the_time_since_the_start_while_that_is_short(
    window: LoadWindow, clock: Clock
) -> None:
    for _ in range(30):
        window.call_ended(SEARCH, "OK", 0.01)
        window.product_ingested()
        window.image_ingested()
        window.image_ingested()
    clock.now += 10
    load = window.now()
    assert load.window_s == 10
    assert load.searches_per_s == 3
    assert load.ingested_products_per_s == 3
    assert load.ingested_images_per_s == 6


def test_what_is_older_than_a_minute_no_longer_counts(window: LoadWindow, clock: Clock) -> None:
    window.call_ended(SEARCH, "OK", 1.0)
    clock.now += 59.5
    window.call_ended(SEARCH, "OK", 0.001)
    load = window.now()
    assert load.window_s == pytest.approx(59.5)
    assert load.searches_per_s == pytest.approx(2 / 59.5)
    clock.now += 1
    load = window.now()
    assert load.window_s == pytest.approx(59.5)
    assert load.searches_per_s == pytest.approx(1 / 59.5)
    assert load.search_p95_ms < 2
    clock.now += 3600
    assert window.now().searches_per_s == 0
    window.call_ended(SEARCH, "OK", 0.001)
    assert window.now().searches_per_s == pytest.approx(1 / 59.5)


def test_a_steady_rate_is_told_as_it_is_at_every_moment(window: LoadWindow, clock: Clock) -> None:
    for _ in range(1000):
        clock.now += 0.25
        window.call_ended(SEARCH, "OK", 0.02)
    assert window.now().searches_per_s == pytest.approx(4, rel=0.02)


@pytest.mark.parametrize("scale", [0.0005, 0.01, 1.0])
def test_quantiles_are_never_too_low_and_at_most_a_tenth_too_high(
    window: LoadWindow, scale: float
) -> None:
    times = [scale * (1 + place / 100) for place in range(200)]
    for seconds in times:
        window.call_ended(SEARCH, "OK", seconds)
    load = window.now()
    for told, place in ((load.search_p50_ms, 100), (load.search_p95_ms, 190)):
        exact = times[place - 1] * 1000
        assert exact <= told * (1 + 1e-9)
        assert told <= exact * 1.1 * (1 + 1e-9)


def test_times_beyond_all_bins_are_counted_in_the_last_one(window: LoadWindow) -> None:
    window.call_ended(SEARCH, "OK", 1e6)
    window.call_ended(SEARCH, "OK", 0.0)
    load = window.now()
    assert load.search_p50_ms == pytest.approx(0.1)
    assert load.search_p95_ms > 150_000


def test_failed_calls_are_errors_of_any_kind_but_calls_taken_back_are_none(
    window: LoadWindow,
) -> None:
    window.call_ended(SEARCH, "UNAVAILABLE", 0.01)
    window.call_ended("lookalike.Other/Method", "NOT_FOUND", 0.01)
    window.call_ended("lookalike.Other/Method", "OK", 0.01)
    window.call_ended(SEARCH, "CANCELLED", 0.01)
    load = window.now()
    assert load.errors_per_s == 2
    assert load.searches_per_s == 0


def test_ingest_calls_are_open_until_they_end_however(window: LoadWindow) -> None:
    window.call_began(INGEST)
    window.call_began(INGEST)
    window.call_began(SEARCH)
    assert window.now().open_ingest_calls == 2
    window.call_ended(INGEST, "CANCELLED", 100.0)
    assert window.now().open_ingest_calls == 1
