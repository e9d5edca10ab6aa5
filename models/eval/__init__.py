"""Measuring a model on a folder of photographs: `python -m models.eval`; docs/evaluation.md.

Importing this package needs numpy only; the command needs the services' code.
"""

from models.eval.comparison import Comparison, ComparisonError, Difference, compare

__all__ = ["Comparison", "ComparisonError", "Difference", "compare"]
