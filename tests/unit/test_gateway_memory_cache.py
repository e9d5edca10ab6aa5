"""Values kept in memory: for a while, within a bound in bytes, what was used last."""

from services.gateway.memory_cache import MemoryCache


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def cache_of(max_bytes: int, clock: Clock | None = None) -> MemoryCache[str, bytes]:
    return MemoryCache(max_bytes, 60.0, len, clock or Clock())


def test_what_was_not_used_for_longest_makes_room() -> None:
    cache = cache_of(20)
    cache.put("a", bytes(10))
    cache.put("b", bytes(10))
    assert cache.get("a") is not None
    cache.put("c", bytes(10))
    assert cache.get("b") is None
    assert cache.get("a") == cache.get("c") == bytes(10)


def test_a_value_in_place_of_another_counts_once() -> None:
    cache = cache_of(20)
    for _ in range(5):
        cache.put("a", bytes(12))
    cache.put("b", bytes(8))
    assert cache.get("a") == bytes(12)
    assert cache.get("b") == bytes(8)


def test_what_does_not_fit_at_all_moves_nobody_out() -> None:
    cache = cache_of(20)
    cache.put("a", bytes(10))
    cache.put("large", bytes(21))
    assert cache.get("large") is None
    assert cache.get("a") == bytes(10)


def test_a_cache_without_room_keeps_nothing() -> None:
    cache = cache_of(0)
    cache.put("a", b"1")
    assert cache.get("a") is None


def test_time_takes_everything_however_often_it_is_used() -> None:
    clock = Clock()
    cache = cache_of(20, clock)
    cache.put("a", bytes(10))
    clock.seconds += 59
    assert cache.get("a") is not None
    cache.put("b", bytes(10))
    clock.seconds += 2
    assert cache.get("a") is None
    assert cache.get("b") is not None


def test_only_what_is_too_old_goes_whatever_was_used_last() -> None:
    clock = Clock()
    cache = cache_of(20, clock)
    for seconds, key in enumerate("abc"):
        clock.seconds = float(seconds)
        cache.put(key, bytes(5))
    cache.put("a", bytes(5))
    assert cache.get("b") is not None
    clock.seconds = 61.5
    assert [key for key in "abc" if cache.get(key) is not None] == ["a", "c"]


def test_what_is_gone_leaves_its_room_though_nobody_asks_for_it() -> None:
    clock = Clock()
    cache = cache_of(20, clock)
    cache.put("old", bytes(15))
    clock.seconds += 61
    cache.put("new", bytes(5))
    cache.put("newer", bytes(15))
    assert cache.get("new") == bytes(5)
    assert cache.get("newer") == bytes(15)
