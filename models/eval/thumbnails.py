"""Small JPEGs inside the page."""

import base64
import io
from functools import cached_property
from html import escape

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from models.eval.cutouts import Cutouts, Shown
from models.eval.photographs import Unreadable

SIDE_PX = 112
_QUALITY = 72
Pixels = npt.NDArray[np.uint8]


class Thumbnails:
    """Pictures for the report; one that is asked for twice is made once."""

    def __init__(self, cutouts: Cutouts) -> None:
        self._cutouts = cutouts
        self._made: dict[Shown, str] = {}

    @cached_property
    def missing(self) -> str:
        """Stands for a photograph that is gone."""
        return data_uri(np.full((SIDE_PX, SIDE_PX, 3), 230, np.uint8))

    def uri(self, shown: Shown) -> str:
        """A data URI of what a model is shown."""
        if shown not in self._made:
            try:
                self._made[shown] = data_uri(self._cutouts.picture(shown)[0])
            except Unreadable:
                self._made[shown] = self.missing
        return self._made[shown]


def data_uri(pixels: Pixels, side_px: int = SIDE_PX) -> str:
    """A JPEG of at most that side."""
    image = Image.fromarray(pixels)
    image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def tile(uri: str, caption: str, mark: str = "", title: str = "") -> str:
    """A picture with a caption; mark: right, wrong, ask or none."""
    return (
        f'<figure class="tile {escape(mark)}" title="{escape(title or caption)}">'
        f'<img src="{uri}" alt="{escape(title or caption)}" loading="lazy">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def outlined(
    pixels: Pixels, predicted: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]
) -> Pixels:
    """The photograph with the predicted classes in colour and the true outline in white."""
    height, width = truth.shape
    picture = np.asarray(cv2.resize(pixels, (width, height)), np.float32)
    colours = np.array([[0, 0, 0], [228, 87, 86], [76, 120, 168], [242, 184, 70]], np.float32)
    inside = predicted > 0
    picture[inside] = 0.5 * picture[inside] + 0.5 * colours[predicted[inside]]
    edges = (truth > 0).astype(np.uint8)
    contours, _ = cv2.findContours(edges, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn = np.ascontiguousarray(picture.clip(0, 255).astype(np.uint8))
    thickness = max(1, round(max(height, width) / 160))
    return np.asarray(cv2.drawContours(drawn, contours, -1, (255, 255, 255), thickness), np.uint8)
