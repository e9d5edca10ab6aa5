"""A checkpoint in torch, with its own processors: what the exported towers are measured against."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from models.clip.weights import ImageWeights, TextWeights

Pixels = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


class Reference(Protocol):
    """A loaded checkpoint.

    preprocessing, tokenizer: the tables of those names of a manifest's `[properties]`, as the
      checkpoint's own files have them.
    """

    image: ImageWeights
    text: TextWeights
    preprocessing: Mapping[str, Any]
    tokenizer: Mapping[str, Any]

    def pixel_values(self, picture: Pixels) -> Vectors:
        """float32 (3, side, side) of uint8 (height, width, 3), by the reference's processor."""

    def token_ids(self, texts: Sequence[str]) -> Ids:
        """int64 (n, context), by the reference's tokenizer, padded to the context."""

    def embed_images(self, pixel_values: Vectors) -> Vectors:
        """float32 (n, dimension) of length 1."""

    def embed_texts(self, ids: Ids) -> Vectors:
        """float32 (n, dimension) of length 1."""

    def tokenizer_json(self) -> str:
        """A tokenizer.json that gives, after the cleaning that `tokenizer` names, the same ids."""


def load_reference(layout: str, folder: Path) -> Reference:
    """Loads the checkpoint in a folder.

    Args:
      layout: whose files they are: transformers or open_clip.

    Raises:
      ValueError: an unknown layout, or a network that is none of the CLIP family's.
    """
    # Only the one that is asked for: each takes seconds to import.
    if layout == "transformers":
        from models.clip.transformers_reference import TransformersReference

        return TransformersReference(folder)
    if layout == "open_clip":
        from models.clip.open_clip_reference import OpenClipReference

        return OpenClipReference(folder)
    raise ValueError(f"layout {layout!r} is neither transformers nor open_clip")


def normalisation_table(
    mean: Sequence[float], std: Sequence[float], arithmetic: Literal["transformers", "torchvision"]
) -> Vectors:
    """What each of the 256 values of each channel becomes, rounded as the reference rounds.

    Returns:
      float32 (3, 256).
    """
    values = np.arange(256)
    if arithmetic == "transformers":
        scaled = (values.astype(np.float64) * (1 / 255)).astype(np.float32)
    else:
        scaled = values.astype(np.float32) / np.float32(255)
    means, stds = (np.asarray(x, np.float32)[:, None] for x in (mean, std))
    return np.ascontiguousarray((scaled[None] - means) / stds, np.float32)
