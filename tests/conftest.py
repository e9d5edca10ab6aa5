"""How hypothesis runs: the same examples everywhere; `--hypothesis-profile=explore` seeks new."""

from hypothesis import HealthCheck, settings

# A busy machine must not fail a test: no deadlines, no complaints about slowness.
settings.register_profile(
    "house",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore", settings.get_profile("house"), derandomize=False, max_examples=1000
)
settings.load_profile("house")
