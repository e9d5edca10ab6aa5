"""Makes the sample catalogue: 15 products with 1 to 4 photographs each, as files and a JSONL list.

Source: the demonstration shop inside the PyPI package saleor 2.10.1 (BSD-3-Clause). The package is
read, never installed or run.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.packages import Archive, FetchError, download, open_archive
from models.registry import ModelFile, Source, cache_dir, sha256_of

VERSION: Final = "2.10.1"
_WHEEL_SHA256: Final = "ebf33a74d000dcee5298b728b1bb10321521feea74c94a28bf85da556bfd337c"
_DATA: Final = "saleor/static/populatedb_data.json"
_LICENCE: Final = f"saleor-{VERSION}.dist-info/LICENSE"
_PHOTOGRAPHS: Final = "saleor/static/placeholders/saleordemoproduct_"

# Which photographs show which product: IMAGES_MAPPING of saleor/core/utils/random_data.py.
_VIEWS: Final[Mapping[int, tuple[str, ...]]] = {
    87: ("sneakers_01_1", "sneakers_01_2", "sneakers_01_3", "sneakers_01_4"),
    88: ("sneakers_02_1", "sneakers_02_2", "sneakers_02_3", "sneakers_02_4"),
    89: ("cl_boot07_1", "cl_boot07_2"),
    107: ("cl_polo01",),
    108: ("cl_polo02",),
    109: ("cl_polo03-woman",),
    110: ("cl_polo04-woman",),
    111: ("cl_boot01_1", "cl_boot01_2", "cl_boot01_3"),
    112: ("cl_boot03_1", "cl_boot03_2"),
    113: ("cl_boot06_1", "cl_boot06_2"),
    114: ("cl_boot06_1", "cl_boot06_2"),
    115: ("cl_bogo01_1",),
    116: ("cl_bogo02_1",),
    117: ("cl_bogo03_1",),
    118: ("cl_bogo04_1", "cl_bogo04_2"),
}
_TYPES: Final[Mapping[str, str]] = {
    "T-shirts": "t-shirt",
    "Polo Shirts": "polo shirt",
    "Hoodies": "hoodie",
    "Footwear": "shoe",
}
_COLOURS: Final = ("yellow", "white", "black", "blue", "mustard")


def make_catalogue(env: Mapping[str, str] = os.environ) -> Path:
    """Makes sure that the catalogue is in the cache; returns its ``catalogue.jsonl``.

    Raises:
        FetchError: the package cannot be had, or is not the pinned one.
    """
    folder = cache_dir(env) / "catalogues" / f"saleor-{VERSION}"
    if folder.is_dir():
        return folder / "catalogue.jsonl"
    whole = ModelFile("wheel", (), _WHEEL_SHA256, 0, keep=False)
    source = Source("pypi", "saleor", VERSION, True, (whole,))
    wheel = download(source, cache_dir(env) / "downloads")
    try:
        if (found := sha256_of(wheel)) != _WHEEL_SHA256:
            raise FetchError(f"saleor {VERSION}: sha256 {found}, pinned is {_WHEEL_SHA256}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".saleor-") as scratch:
            staging = Path(scratch) / "new"
            (staging / "images").mkdir(parents=True)
            with open_archive(wheel) as archive:
                _unpack(archive, staging)
            # Whole or not at all; a second run at the same time may have been first.
            if not folder.exists():
                shutil.move(staging, folder)
    finally:
        wheel.unlink(missing_ok=True)
    return folder / "catalogue.jsonl"


def _unpack(archive: Archive, staging: Path) -> None:
    for view in sorted({view for views in _VIEWS.values() for view in views}):
        with (staging / "images" / f"{view}.png").open("wb") as out:
            archive.write_members([f"{_PHOTOGRAPHS}{view}.png"], out)
    with (staging / "LICENSE").open("wb") as out:
        archive.write_members([_LICENCE], out)
    data = staging / "shop.json"
    with data.open("wb") as out:
        archive.write_members([_DATA], out)
    shop: list[dict[str, Any]] = json.loads(data.read_bytes())
    data.unlink()
    lines = [json.dumps(product, ensure_ascii=False) for product in _products(shop)]
    (staging / "catalogue.jsonl").write_text("\n".join(lines) + "\n")


def _products(shop: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_key = {(entry["model"], entry["pk"]): entry["fields"] for entry in shop}
    products = []
    for key, views in _VIEWS.items():
        fields = by_key["product.product", key]
        category = by_key["product.category", fields["category"]]["name"]
        name: str = fields["name"]
        attributes = {"category": category, "type": _TYPES[category]}
        # Only what the shop says: most of its names tell no colour.
        for colour in _COLOURS:
            if colour in name.lower():
                attributes["colour"] = colour
        if "woman" in views[0]:
            attributes["person"] = "women"
        products.append(
            {
                "product_id": f"saleor-{key}",
                "name": name,
                "images": [f"images/{view}.png" for view in views],
                "attributes": attributes,
            }
        )
    return products
