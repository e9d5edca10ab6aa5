"""Puts the segmenter's parts together, for the process, its tests and its benchmark alike."""

from concurrent.futures import Executor

import cv2

from servicekit import images
from servicekit.images import DecodeLimits
from services.segmenter.composite import Compositor
from services.segmenter.domain import (
    Backend,
    BackendSpec,
    EncodedImage,
    ImageSource,
    PixelsHWC,
    Tools,
)
from services.segmenter.masks import RULES_VERSION, find_garments


def segmenter_version(spec: BackendSpec) -> str:
    """Names everything that a mask depends on."""
    return f"{spec.model_version}/masks-{RULES_VERSION}"


def tools(backend: Backend, limits: DecodeLimits, executor: Executor) -> Tools:
    """A backend with the mask rules, the compositor and the decoder around it."""
    # Several photographs are worked on at once, each in one thread; a pool of OpenCV's own would
    # only take cores from the network.
    cv2.setNumThreads(1)

    def decode(source: ImageSource) -> PixelsHWC:
        if isinstance(source, EncodedImage):
            return images.decode(source.data, limits)
        return images.from_raw(source.rgb, source.width_px, source.height_px, limits)

    return Tools(backend, decode, find_garments, Compositor(), executor)
