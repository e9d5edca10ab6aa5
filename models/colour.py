"""Colour as people see it: sRGB to CIE Lab, a soft histogram over a palette, and a fine one.

Source: IEC 61966-2-1 (sRGB) and CIE 15 (Lab), white point D65; hue, saturation and value as by
Smith (1978). The numpy functions and the ONNX nodes below are the same formulas; a test compares
them.
"""

import numpy as np
import numpy.typing as npt

from models.onnx_graph import GraphWriter

_RGB_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])
# Rows already divided by the white point: one product gives X/Xn, Y/Yn, Z/Zn.
_RGB_TO_RELATIVE_XYZ = (_RGB_TO_XYZ / _WHITE[:, None]).T
_TO_LAB = np.array([[0.0, 500.0, 0.0], [116.0, -500.0, 200.0], [0.0, 0.0, -200.0]])
_LAB_OFFSET = np.array([-16.0, 0.0, 0.0])
_DELTA = 6.0 / 29.0

# Lightness counts less than hue: shading moves it over one and the same cloth.
LIGHTNESS_WEIGHT = 0.7
PALETTE_SIZE = 72
# Standard deviation, in the palette's scaled Lab, of the soft assignment: about half the distance
# between neighbouring palette colours, so that a small shift of light moves counts smoothly.
SOFTNESS = 9.0

Float64Array = npt.NDArray[np.float64]


def srgb_to_lab(rgb: npt.ArrayLike) -> Float64Array:
    """Lab (L 0..100, a, b) of sRGB values 0..255; the last axis holds the three channels."""
    x = np.asarray(rgb, np.float64) / 255.0
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    t = linear @ _RGB_TO_RELATIVE_XYZ
    f = np.where(t > _DELTA**3, np.cbrt(t), t / (3 * _DELTA**2) + 4.0 / 29.0)
    return np.asarray(f @ _TO_LAB + _LAB_OFFSET)


def lab_to_srgb(lab: npt.ArrayLike) -> Float64Array:
    """sRGB 0..255 of Lab, clipped to the gamut; the inverse of `srgb_to_lab`."""
    f = (np.asarray(lab, np.float64) - _LAB_OFFSET) @ np.linalg.inv(_TO_LAB)
    t = np.where(f > _DELTA, f**3, 3 * _DELTA**2 * (f - 4.0 / 29.0))
    linear = np.clip(t @ np.linalg.inv(_RGB_TO_RELATIVE_XYZ), 0.0, 1.0)
    x = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.clip(x * 255.0, 0.0, 255.0))


def palette() -> Float64Array:
    """The histogram's colours, (72, 3) in scaled Lab: spread evenly over what sRGB can show.

    Farthest-point sampling of a grid of the sRGB cube, from mid grey: fixed, and made of no data.
    """
    steps = np.linspace(0, 255, 18)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    points = scaled(srgb_to_lab(grid))
    chosen = scaled(np.array([[53.0, 0.0, 0.0]]))
    nearest = np.full(len(points), np.inf)
    while len(chosen) < PALETTE_SIZE:
        nearest = np.minimum(nearest, ((points - chosen[-1]) ** 2).sum(axis=1))
        chosen = np.concatenate([chosen, points[nearest.argmax()][None]])
    return chosen


def scaled(lab: Float64Array) -> Float64Array:
    """Lab with lightness shrunk, the space that the palette measures distances in."""
    return lab * np.array([LIGHTNESS_WEIGHT, 1.0, 1.0])


def colour_features(rgb: npt.ArrayLike, weights: npt.ArrayLike) -> Float64Array:
    """The reference of `add_colour_features`: (78,) for pixels (p, 3) and weights (p,)."""
    points = scaled(srgb_to_lab(rgb))
    share = np.asarray(weights, np.float64)
    share = share / max(share.sum(), 1e-6)
    centres = palette()
    logits = -((points[:, None] - centres[None]) ** 2).sum(axis=-1) / (2 * SOFTNESS**2)
    soft = np.exp(logits - logits.max(axis=1, keepdims=True))
    histogram = share @ (soft / soft.sum(axis=1, keepdims=True))
    mean = share @ points
    deviation = np.sqrt(np.maximum(share @ points**2 - mean**2, 1e-6))
    return np.concatenate([np.sqrt(histogram + 1e-6), mean / 50.0, deviation / 50.0])


COLOUR_FEATURES = PALETTE_SIZE + 6


def add_colour_features(graph: GraphWriter, rgb: str, share: str) -> str:
    """Adds a soft histogram (square roots of its shares), the mean and the deviation of colour.

    Args:
      rgb: float32 (n, p, 3), 0..255.
      share: float32 (n, p), weights that sum to 1 over p.

    Returns:
      float32 (n, 78).
    """

    def binary(kind: str, value: str, number: float) -> str:
        return graph.op(kind, value, graph.constant(number))

    x = binary("Mul", rgb, 1 / 255)
    curve = binary("Pow", binary("Mul", binary("Add", x, 0.055), 1 / 1.055), 2.4)
    linear = graph.op(
        "Where", binary("LessOrEqual", x, 0.04045), binary("Mul", x, 1 / 12.92), curve
    )
    t = graph.op("MatMul", linear, graph.constant(_RGB_TO_RELATIVE_XYZ))
    root = binary("Pow", binary("Max", t, 1e-9), 1 / 3)
    line = binary("Add", binary("Mul", t, 1 / (3 * _DELTA**2)), 4 / 29)
    f = graph.op("Where", binary("Greater", t, _DELTA**3), root, line)
    scale = np.array([LIGHTNESS_WEIGHT, 1.0, 1.0])
    points = graph.op(
        "Add",
        graph.op("MatMul", f, graph.constant(_TO_LAB * scale)),
        graph.constant(_LAB_OFFSET * scale),
    )
    # exp(-|x-c|^2 / 2s^2): |x|^2 is the same for every centre, so softmax does not see it.
    centres = palette()
    logits = graph.op(
        "Add",
        graph.op("MatMul", points, graph.constant(centres.T / SOFTNESS**2)),
        graph.constant(-(centres**2).sum(axis=1) / (2 * SOFTNESS**2)),
    )
    row = graph.op("Unsqueeze", share, graph.constant([1], np.int64))
    squeeze = graph.constant([1], np.int64)

    def average(value: str) -> str:
        return graph.op("Squeeze", graph.op("MatMul", row, value), squeeze)

    histogram = average(graph.op("Softmax", logits, axis=-1))
    mean = average(points)
    variance = graph.op(
        "Sub", average(graph.op("Mul", points, points)), graph.op("Mul", mean, mean)
    )
    deviation = graph.op("Sqrt", binary("Max", variance, 1e-6))
    return graph.op(
        "Concat",
        graph.op("Sqrt", binary("Add", histogram, 1e-6)),
        binary("Mul", mean, 1 / 50),
        binary("Mul", deviation, 1 / 50),
        axis=-1,
    )


# Hue, saturation, value. Fine: what tells one product from another of its colour name.
HISTOGRAM_BINS = (16, 8, 8)
HISTOGRAM_SIZE = HISTOGRAM_BINS[0] * HISTOGRAM_BINS[1] * HISTOGRAM_BINS[2]
# Shares are taken to this power: rare colours (seams, prints, buttons) then count nearly as much as
# the main one, and a match of many small things beats a match of one large.
HISTOGRAM_POWER = 0.25


def hsv_histogram(rgb: npt.ArrayLike, inside: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """The reference of `add_hsv_histogram`: (1024,), shares to the power of a quarter.

    Args:
      rgb: (p, 3), 0..255.
      inside: bool (p,), which pixels count.
    """
    x = np.asarray(rgb, np.float32)[np.asarray(inside, bool)]
    value = x.max(axis=1)
    chroma = value - x.min(axis=1)
    safe = np.maximum(chroma, np.float32(1e-6))
    red, green, blue = x.T
    sixth = np.where(
        value == red,
        (green - blue) / safe,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = np.where(sixth < 0, sixth + 6, sixth) / np.float32(6)
    saturation = chroma / np.maximum(value, np.float32(1e-6))
    place = np.zeros(len(x), np.int64)
    for part, bins in zip((hue, saturation, value / 255), HISTOGRAM_BINS, strict=True):
        cell = np.minimum(np.floor(part.astype(np.float32) * bins), bins - 1)
        place = place * bins + cell.astype(np.int64)
    counts = np.bincount(place, minlength=HISTOGRAM_SIZE)
    return np.asarray((counts / max(len(x), 1)) ** HISTOGRAM_POWER, np.float32)


def add_hsv_histogram(graph: GraphWriter, rgb: str, inside: str) -> str:
    """Adds the fine histogram.

    Args:
      rgb: float32 (n, p, 3), 0..255.
      inside: float32 (n, p), 1 for a pixel that counts, else 0.

    Returns:
      float32 (n, 1024).
    """

    def binary(kind: str, first: str, second: str | float) -> str:
        other = second if isinstance(second, str) else graph.constant(second)
        return graph.op(kind, first, other)

    last = graph.constant([2], np.int64)
    red, green, blue = (
        graph.op("Squeeze", part, last)
        for part in graph.ops("Split", [rgb, graph.constant([1, 1, 1], np.int64)], 3, axis=2)
    )
    value = graph.op("Max", red, green, blue)
    chroma = binary("Sub", value, graph.op("Min", red, green, blue))
    safe = binary("Max", chroma, 1e-6)

    def around(first: str, second: str, offset: float) -> str:
        return binary("Add", binary("Div", binary("Sub", first, second), safe), offset)

    sixth = graph.op(
        "Where",
        binary("Equal", value, red),
        around(green, blue, 0.0),
        graph.op(
            "Where", binary("Equal", value, green), around(blue, red, 2.0), around(red, green, 4.0)
        ),
    )
    turned = graph.op("Where", binary("Less", sixth, 0.0), binary("Add", sixth, 6.0), sixth)
    saturation = binary("Div", chroma, binary("Max", value, 1e-6))
    place = None
    for part, bins in zip(
        (binary("Div", turned, 6.0), saturation, binary("Div", value, 255.0)),
        HISTOGRAM_BINS,
        strict=True,
    ):
        cell = binary("Min", graph.op("Floor", binary("Mul", part, float(bins))), bins - 1.0)
        place = cell if place is None else binary("Add", binary("Mul", place, float(bins)), cell)
    assert place is not None
    rows = graph.op("Slice", graph.op("Shape", inside), *_first(graph))
    shape = graph.op("Concat", rows, graph.constant([HISTOGRAM_SIZE], np.int64), axis=0)
    counts = graph.op(
        "ScatterElements",
        graph.op("Expand", graph.constant([[0.0]]), shape),
        graph.op("Cast", place, to=7),
        inside,
        axis=1,
        reduction="add",
    )
    total = graph.op("ReduceSum", inside, graph.constant([1], np.int64), keepdims=1)
    shares = binary("Div", counts, binary("Max", total, 1.0))
    return binary("Pow", shares, HISTOGRAM_POWER)


def _first(graph: GraphWriter) -> list[str]:
    return [graph.constant([i], np.int64) for i in (0, 1)]
