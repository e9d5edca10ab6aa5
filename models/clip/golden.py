"""Pictures and texts that an export is calibrated on and judged by: made here, nobody's.

None of the pictures is square, and those of the judgement are not those of the calibration.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

GOLDEN_TEXTS = (
    "",
    " ",
    "a",
    "Light blue skirt for women",
    "RED T-shirt, cotton; 100% organic (slim-fit) & machine_washable!",
    "men's grey hoodie with a kangaroo pocket, don't iron",
    "a photo of a striped summer dress\nwith\ttwo pockets   and  a belt",
    "robe d'été à fleurs, taille élastiquée",
    "grünes Kleid mit weißen Punkten, Größe 38",
    "синее платье с длинными рукавами",  # noqa: RUF001
    "赤いワンピース 長袖 綿100%",
    "فستان أزرق طويل",
    "빨간색 니트 스웨터",
    "👗👠 emoji & <b>markup</b> &amp; entities",
    "\u201ccurly quotes\u201d \u2014 dashes \u2026 and \ufb01ligatures",
    "SKU 00417-XL 12,99 € 3/4 sleeve",
    "one two three four five six seven eight nine ten " * 30,
    "".join(chr(97 + (number * number * 7 + number // 5) % 26) for number in range(900)),
    "赤い服 " * 120,
)
"""Long, empty and non-English ones among them."""

CALIBRATION_TEXTS = tuple(
    f"{opening}{colour} {pattern}{garment}{ending}"
    for opening, ending in (("", ""), ("a photo of a ", ""), ("", " for women, long sleeves"))
    for colour in ("black", "light blue", "dark green", "beige", "red")
    for pattern in ("", "striped ", "floral ")
    for garment in ("dress", "t-shirt", "pair of jeans", "coat with a hood")
)
_SIZES = ((640, 427), (300, 451), (224, 225), (97, 311), (1001, 350), (223, 90), (512, 333))


def golden_pictures() -> list[Pixels]:
    """uint8 (height, width, 3), twelve of them."""
    return [_picture(seed, *_SIZES[seed % len(_SIZES)]) for seed in range(1000, 1012)]


def calibration_pictures(count: int = 48) -> Iterator[Pixels]:
    """As the golden ones, of other seeds."""
    for seed in range(count):
        yield _picture(seed, *_SIZES[(seed * 3) % len(_SIZES)])


def _picture(seed: int, height: int, width: int) -> Pixels:
    dice = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    rows, columns = rows / height, columns / width
    # Something behind, something garment-like before it, and the noise of a camera.
    ends = dice.uniform(60, 255, (2, 3)) if seed % 4 else np.full((2, 3), 255.0)
    slope = (rows * dice.uniform(-1, 1) + columns * dice.uniform(-1, 1))[..., None]
    picture = ends[0] + (ends[1] - ends[0]) * np.clip(slope + 0.5, 0, 1)
    for _ in range(int(dice.integers(1, 4))):
        middle, reach = dice.uniform(0.3, 0.7, 2), dice.uniform(0.12, 0.42, 2)
        away = np.abs(rows - middle[0]) / reach[0], np.abs(columns - middle[1]) / reach[1]
        power = dice.choice([1.0, 2.0, 4.0])
        inside = away[0] ** power + away[1] ** power < 1
        cloth = dice.uniform(0, 255, (2, 3))
        waves = np.sin(dice.uniform(5, 90) * (rows * dice.uniform(-1, 1) + columns))
        if seed % 3 == 0:
            waves = np.sign(waves)
        shade = (0.5 + 0.5 * waves)[..., None]
        light = (0.75 + 0.25 * np.cos(3 * columns + 2 * rows))[..., None]
        picture = np.where(
            inside[..., None], (cloth[0] + (cloth[1] - cloth[0]) * shade) * light, picture
        )
    picture = picture + dice.normal(0, dice.uniform(0, 12), picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
