"""Queries with what they found, and whether a person would call it a match.

Every row is one query against one gallery of product vectors, as the index would answer it: its
best results, their cosines, which of them match, and the usual cosine over the whole gallery.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
SHOWN = 10
"""Results that a person looks at."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Queries of one kind.

    Shapes: q queries, SHOWN results each: vectors (q, d), cosines and matches (q, SHOWN), usual,
    on_topic, groups and strata (q,).

    Attributes:
      groups: queries about one thing share a group, which is never split between fit and test.
      strata: what a query is, for the report.
    """

    vectors: Vectors
    cosines: npt.NDArray[np.float64]
    matches: Flags
    usual: npt.NDArray[np.float64]
    on_topic: Flags
    groups: npt.NDArray[np.str_]
    strata: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.vectors)

    def where(self, chosen: Flags) -> "Evidence":
        """The chosen queries."""
        return Evidence(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def halves(self) -> tuple["Evidence", "Evidence"]:
        """To fit and to test; by group, the same whatever else is measured."""
        digests = [hashlib.sha256(group.encode()).digest()[0] for group in self.groups]
        fit = np.array([digest % 2 == 0 for digest in digests])
        return self.where(fit), self.where(~fit)


def evidence(
    queries: Vectors,
    gallery: Vectors,
    matches: Flags,
    *,
    on_topic: bool,
    groups: Sequence[str],
    stratum: str,
    hidden: Flags | None = None,
) -> Evidence:
    """Queries against a gallery.

    Args:
      queries, gallery: (q, d) and (n, d), rows of length 1.
      matches: (q, n), whether a person would call the product a match.
      hidden: (q, n), products that are not there for a query; None: all are.
    """
    cosines = queries.astype(np.float64) @ gallery.astype(np.float64).T
    usual = cosines.mean(axis=1)
    if hidden is not None:
        cosines[hidden] = -2.0
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :SHOWN]
    return Evidence(
        vectors=queries,
        cosines=np.take_along_axis(cosines, best, axis=1),
        matches=np.take_along_axis(matches, best, axis=1),
        usual=usual,
        on_topic=np.full(len(queries), on_topic),
        groups=np.array(groups, np.str_),
        strata=np.full(len(queries), stratum),
    )


def together(parts: Sequence[Evidence]) -> Evidence:
    """All queries."""
    return Evidence(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Evidence)
        )
    )
