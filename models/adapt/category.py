"""A classifier of categories on the vectors of an adapted space.

    head = load_category_head("my-shop")
    labels, probabilities = head.predict(vectors)

Multinomial logistic regression: a vector of the space in, a probability for each of the shop's
categories out. Reading and predicting need numpy alone.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.registry import ManifestError, installed_model
from models.safetensors_file import read_safetensors

HEAD_FILE = "category_head.safetensors"

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class CategoryHead:
    """weight: (labels, dimension); bias: (labels,)."""

    labels: tuple[str, ...]
    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def predict(self, vectors: Vectors) -> tuple[list[str], npt.NDArray[np.float32]]:
        """The likeliest label of each vector, and all probabilities.

        Shapes: vectors (n, dimension) -> n labels, (n, labels) with rows that sum to 1.
        """
        logits = vectors.astype(np.float64) @ self.weight.T.astype(np.float64) + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        shares /= shares.sum(axis=1, keepdims=True)
        best = shares.argmax(axis=1)
        return [self.labels[number] for number in best], shares.astype(np.float32)


def load_category_head(name: str, env: Mapping[str, str] = os.environ) -> CategoryHead:
    """The classifier that lies beside a model of the registry.

    Raises:
      ManifestError: the model has none.
    """
    model = installed_model(name, env)
    table = model.properties.get("category_head")
    if table is None:
        raise ManifestError(f"{name} has no classifier of categories")
    tensors = read_safetensors(model.files[str(table["file"])])
    return CategoryHead(tuple(table["labels"]), tensors["weight"], tensors["bias"])


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """Figures of a classifier on photographs that it never saw.

    confusion: (labels, labels) counts, rows are the truth.
    f1: by label, in the labels' order.
    """

    labels: tuple[str, ...]
    confusion: npt.NDArray[np.int64]
    accuracy: float
    balanced_accuracy: float
    f1: tuple[float, ...]
    right: npt.NDArray[np.bool_]


def classification(
    labels: Sequence[str], truth: Sequence[str], guesses: Sequence[str]
) -> Classification:
    """Figures of guesses; the truth is among the labels."""
    number = {label: i for i, label in enumerate(labels)}
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    for true, guess in zip(truth, guesses, strict=True):
        confusion[number[true], number[guess]] += 1
    hits, asked, said = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    present = asked > 0
    recall = hits[present] / asked[present]
    f1 = 2 * hits / np.maximum(asked + said, 1)
    right = np.array([t == g for t, g in zip(truth, guesses, strict=True)], bool)
    return Classification(
        tuple(labels),
        confusion,
        float(right.mean()),
        float(recall.mean()),
        tuple(float(value) for value in f1),
        right,
    )
