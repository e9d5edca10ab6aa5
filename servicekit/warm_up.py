"""Warming a model up, step by step, so that those who wait are told how far it is."""

import asyncio
from collections.abc import Callable, Sequence

from servicekit.health import HealthReporter

Step = Callable[[], object]
"""Blocking; one run of a network, say."""


async def warm_up(steps: Sequence[Step], health: HealthReporter) -> None:
    """Makes the steps one after the other, each in a thread.

    That the model was loaded, before this, counts as a step that is done.
    """
    done = 1
    health.measure_warm_up(lambda: done / (1 + len(steps)))
    for step in steps:
        await asyncio.to_thread(step)
        done += 1
