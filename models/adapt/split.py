"""Which products train, which tell when to stop, and which are measured."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.adapt.settings import AdaptError

FEWEST_PRODUCTS = 12


@dataclass(frozen=True, slots=True)
class Split:
    """Indices of products. groups[i]: products of one group are of one style or share a photograph;
    no group is torn apart."""

    training: npt.NDArray[np.int64]
    stopping: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]


def split_products(
    ties: Sequence[Sequence[Hashable]],
    photo_counts: Sequence[int],
    *,
    held_out_share: float,
    stopping_share: float,
    seed: int,
) -> Split:
    """Splits by group; groups with products of several photographs are dealt out on their own, so
    that every part has its share of pairs.

    Args:
      ties: for each product what ties it to others: its style, its photographs' contents.

    Raises:
      AdaptError: too few products or groups to train and to measure.
    """
    if len(ties) < FEWEST_PRODUCTS:
        raise AdaptError(
            f"The catalogue has {len(ties)} products with readable photographs; "
            f"at least {FEWEST_PRODUCTS} are needed to train on some and measure on others."
        )
    groups = _groups(ties)
    rng = np.random.default_rng(seed)
    part = np.zeros(len(ties), np.int64)
    several = {int(group) for group, n in zip(groups, photo_counts, strict=True) if n > 1}
    for kind in (several, set(groups.tolist()) - several):
        order = rng.permutation(sorted(kind))
        sizes = np.array([(groups == group).sum() for group in order])
        # By the middle of each group: small catalogues come out close to the shares too.
        place = (np.cumsum(sizes) - sizes / 2) / max(1, sizes.sum())
        for group, where in zip(order, place, strict=True):
            if where < held_out_share:
                part[groups == group] = 2
            elif where < held_out_share + stopping_share:
                part[groups == group] = 1
    training, stopping, held_out = (np.flatnonzero(part == number) for number in range(3))
    if not (len(training) and len(stopping) and len(held_out)):
        raise AdaptError(
            "Nearly all products are of one style (or share photographs), so none can be held out "
            "to measure on; give the products different names or a style_id."
        )
    return Split(training, stopping, held_out, groups)


def _groups(ties: Sequence[Sequence[Hashable]]) -> npt.NDArray[np.int64]:
    """Connected components of products that share a tie."""
    parent = list(range(len(ties)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    first: dict[Hashable, int] = {}
    for number, own in enumerate(ties):
        for tie in own:
            a, b = root(number), root(first.setdefault(tie, number))
            parent[max(a, b)] = min(a, b)
    return np.array([root(number) for number in range(len(ties))], np.int64)
