"""The parts of an image's vector that no word says: network and colour.

Neither is learnt from pairs. Each is a set of strong axes of something measured on the training
photographs, with the strongest ones held back a little, so that rarer differences count too.
Texts are zero here, so these parts change no ranking by words; they tell one product from
another where words would call them the same.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.efficientnet import HEAD_CHANNELS

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LookConfig:
    """Lengths of the two parts, and the three parts' shares of the vector's squared length."""

    network_axes: int
    colour_axes: int
    words_share: float
    network_share: float
    colour_share: float


def look_arrays(
    features: Array, histograms: Array, words: int, config: LookConfig
) -> dict[str, Any]:
    """The arrays that `models.lookalike_mini.build_image_tower` reads for these parts.

    Args:
      features: standardised and clipped features of photographs, (n, 1775).
      histograms: hsv_histogram of photographs, (m, 1024).
      words: length of the words' part.
    """
    mean = histograms.mean(axis=0)
    return {
        "image.network.axes": strong_axes(features[:, :HEAD_CHANNELS], config.network_axes),
        "image.colour.mean": mean,
        "image.colour.axes": strong_axes(histograms - mean, config.colour_axes),
        "image.words.share": np.float32(config.words_share),
        "image.network.share": np.float32(config.network_share),
        "image.colour.share": np.float32(config.colour_share),
        "image.order": order(words, config.network_axes, config.colour_axes),
    }


def strong_axes(values: Array, count: int) -> Array:
    """(count, width): principal axes, divided by the root of their deviation."""
    moments = (values.T.astype(np.float64) @ values) / len(values)
    variances, axes = np.linalg.eigh(moments)
    variances, axes = variances[::-1][:count], axes[:, ::-1][:, :count].T
    # An axis has no direction of its own; its largest number decides.
    signs = np.sign(axes[np.arange(count), np.abs(axes).argmax(axis=1)])
    held_back = np.maximum(variances, 1e-12) ** 0.25
    return np.asarray(axes * (signs / held_back)[:, None], np.float32)


def order(words: int, network: int, colour: int) -> npt.NDArray[np.int64]:
    """Where each number of the vector comes from: first the words, whole, then the others' axes
    from the strongest on, evenly mixed. So a prefix holds the best of each."""
    places = [(i / network, words + i) for i in range(network)]
    places += [(i / colour, words + network + i) for i in range(colour)]
    return np.array([*range(words), *(place for _, place in sorted(places))], np.int64)
