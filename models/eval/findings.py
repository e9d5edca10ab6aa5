"""What the figures say of the background, as paired differences between settings.

Three questions: does cutting out on green help; does green hurt green clothes; does another
background, or the average over two, mend that. A difference counts where its 95 % interval leaves
out zero.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from models.eval.catalogue import SETTINGS
from models.eval.comparison import paired
from models.eval.cutouts import GREEN, PLAIN
from models.eval.retrieval import GREEN_CLOTHES, OTHER_CLOTHES
from models.eval.tables import ALL, Tables

HELPS = "Does cutting the garment out on green help?"
GREEN_HURT = "Does green hurt green clothes? (figures on them; other clothes beside)"
MENDS = "What another background, or an average, changes"
_METRICS: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "A": ((ALL, ("strict_r_at_1", "strict_apart_r_at_1", "lenient_r_at_5", "strict_mrr")),),
    "B": (("attributes", ("r_at_1", "r_at_10", "ndcg_at_10")), ("name+colour", ("r_at_10",))),
    "C": ((ALL, ("top_1", "balanced")),),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """How a figure changes from one setting to another, on the same queries."""

    question: str
    protocol: str
    scope: str
    metric: str
    before: str
    after: str
    difference: float
    low: float
    high: float
    n: int

    @property
    def verdict(self) -> str:
        """helps, hurts, or no difference shown."""
        if self.low > 0:
            return "helps"
        return "hurts" if self.high < 0 else "no difference shown"


def findings(tables: Tables, seed: int) -> list[Finding]:
    """Every difference that the measured settings allow, question by question."""
    return [
        *_findings(tables, seed, HELPS, [(PLAIN, GREEN)], ("",)),
        *_findings(
            tables,
            seed,
            GREEN_HURT,
            [(PLAIN, GREEN), *((GREEN, other) for other in _others())],
            (GREEN_CLOTHES, OTHER_CLOTHES),
        ),
        *_findings(tables, seed, MENDS, [(GREEN, other) for other in _others()], ("",)),
    ]


def _others() -> list[str]:
    return [name for name in SETTINGS if name not in (PLAIN, GREEN)]


def _findings(
    tables: Tables,
    seed: int,
    question: str,
    pairs: list[tuple[str, str]],
    parts: tuple[str, ...],
) -> Iterator[Finding]:
    for protocol, chosen in _METRICS.items():
        settings = tables.get(protocol, {})
        for base, metrics in chosen:
            for part in parts:
                scope = f"{base}, {part}" if part and base != ALL else part or base
                for before, after in pairs:
                    if before not in settings or after not in settings:
                        continue
                    changes, n = paired(settings[before], settings[after], scope, seed)
                    for metric in metrics:
                        if metric in changes:
                            one = changes[metric]
                            yield Finding(
                                question,
                                protocol,
                                scope,
                                metric,
                                before,
                                after,
                                round(one.value, 4),
                                round(one.low, 4),
                                round(one.high, 4),
                                n,
                            )
