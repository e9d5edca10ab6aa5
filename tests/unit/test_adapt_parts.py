"""The parts of `lookalike-train adapt` that need no torch."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from models.adapt import command
from models.adapt.captions import FALSE, PERHAPS, TRUE, Captions, answer_table, questions
from models.adapt.category import CategoryHead, classification
from models.adapt.charts import Line, category_colours, curves, matrix, scatter
from models.adapt.command import main, name_of
from models.adapt.measure import product_vectors, view_ranks, word_ranks
from models.adapt.settings import AdaptError
from models.adapt.shop import ShopProduct, read_shop, said
from models.adapt.split import split_products
from models.adapt.views import View, make_views
from tests.fixtures.garments import Garment, draw

GREEN = (0, 255, 0)


def product(product_id: str, **words: str) -> ShopProduct:
    return ShopProduct(
        product_id,
        words.pop("name", ""),
        words.pop("style", product_id),
        (Path("x.jpg"),),
        {kind: (value,) for kind, value in words.items()},
        {},
    )


def write(folder: Path, *lines: dict[str, object]) -> Path:
    path = folder / "shop.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


def test_attributes_are_known_under_the_names_that_shops_use() -> None:
    found = said(
        {"Color": "Light  Blue", "product-type": "Women / Tops / Tees", "gender": "women", "n": 3.0}
    )
    assert found == {"category": ("tees",), "colour": ("light blue",), "person": ("women",)}


def test_the_deepest_of_several_categories_is_the_products() -> None:
    assert said({"categories": ["Clothing", "Skirts"]})["category"] == ("skirts",)


def test_a_catalogue_is_read_as_ingest_reads_it(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"product_id": "a", "images": ["a.jpg", "b.jpg"], "name": "Tee"},
        {"product_id": "b", "images": [], "name": "Nothing to see"},
        {"product_id": "a", "images": ["c.jpg"], "name": "Tee", "attributes": {"colour": "red"}},
        {"images": ["d.jpg"]},
    )
    shop = read_shop(path)
    assert [one.product_id for one in shop.products] == ["a"]
    assert shop.products[0].photos == (tmp_path / "c.jpg",)
    assert (shop.without_photos, shop.rejected, shop.kinds) == (1, 1, ("colour",))


def test_colours_of_one_name_are_a_style_unless_everything_is_called_so(tmp_path: Path) -> None:
    lines = [{"product_id": f"{n}", "images": ["a.jpg"], "name": "T-shirt"} for n in range(30)]
    lines += [{"product_id": f"m{n}", "images": ["a.jpg"], "name": "Mira"} for n in range(3)]
    styles = [one.style for one in read_shop(write(tmp_path, *lines)).products]
    assert len(set(styles[:30])) == 30
    assert len(set(styles[30:])) == 1


def test_a_catalogue_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="does not exist"):
        read_shop(tmp_path / "nothing.jsonl")


def test_captions_are_true_doubtful_or_false() -> None:
    products = [
        product("a", category="skirts", colour="blue", person="women"),
        product("b", category="skirts"),
        product("c", category="dresses", colour="blue"),
    ]
    captions = Captions(products)
    number = captions.texts.index("blue skirts")
    found = captions.relation(np.array([number]), np.arange(3))
    assert found.tolist() == [[TRUE, PERHAPS, FALSE]]
    assert number in captions.of_product[0]
    assert number not in captions.of_product[1]


def test_a_products_name_is_doubtful_of_others_of_its_kind() -> None:
    products = [
        product("a", name="Mira", category="skirts"),
        product("b", name="Lena", category="skirts"),
        product("c", name="Otto", category="coats"),
    ]
    captions = Captions(products)
    number = captions.texts.index("mira")
    assert captions.relation(np.array([number]), np.arange(3)).tolist() == [[TRUE, PERHAPS, FALSE]]


def test_people_ask_with_colour_kind_and_person() -> None:
    products = [product("a", category="skirts", colour="light blue", person="women")]
    asked = questions(products)
    assert asked[0].text == "light blue skirts for women"
    assert answer_table(asked, products).tolist() == [[TRUE]] * len(asked)


def test_no_style_and_no_photograph_is_torn_between_training_and_measuring() -> None:
    ties = [[f"style-{n // 2}", f"photo-{n}"] for n in range(40)]
    ties[0].append("shared")
    ties[39].append("shared")
    split = split_products(ties, [2] * 40, held_out_share=0.3, stopping_share=0.2, seed=1)
    parts = [set(part.tolist()) for part in (split.training, split.stopping, split.held_out)]
    assert sorted(n for part in parts for n in part) == list(range(40))
    for part in parts:
        assert {n ^ 1 for n in part} == part
        assert (0 in part) == (39 in part)
    assert 8 <= len(parts[2]) <= 16


def test_products_with_several_photographs_are_in_every_part() -> None:
    counts = [3] * 10 + [1] * 90
    split = split_products(
        [[n] for n in range(100)], counts, held_out_share=0.3, stopping_share=0.2, seed=3
    )
    for part in (split.training, split.stopping, split.held_out):
        assert (part < 10).sum() >= 2


def test_one_style_alone_cannot_be_split() -> None:
    with pytest.raises(AdaptError, match="of one style"):
        split_products([["x"]] * 20, [2] * 20, held_out_share=0.3, stopping_share=0.2, seed=1)


def test_a_view_is_compared_with_its_product_without_it() -> None:
    photos = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    products = np.array([0, 0, 1])
    found = view_ranks(photos, products, np.array([0, 1]), np.array([], np.int64), 2)
    # Alone, each view of product 0 is the opposite of the other; product 1 has only one view.
    assert found.queries.tolist() == [0, 1]
    assert found.ranks.tolist() == [1, 1]
    assert found.mean_reciprocal == 0.5


def test_products_trained_on_are_rivals_and_never_answers() -> None:
    vectors = np.eye(3, dtype=np.float32)
    question = np.array([[0.9, 0.5, 0.1]], np.float32)
    table = np.array([[TRUE, TRUE, FALSE]], np.int8)
    found = word_ranks(question, table, vectors, np.array([1]), np.array([0, 2]))
    assert found.ranks.tolist() == [0]
    table = np.array([[FALSE, TRUE, PERHAPS]], np.int8)
    assert word_ranks(question, table, vectors, np.array([1]), np.array([0, 2])).ranks == [1]


def test_a_product_is_the_normalised_mean_of_its_photographs() -> None:
    photos = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    found = product_vectors(photos, np.array([0, 0, 1]), 2)
    np.testing.assert_allclose(found, [[2**-0.5, 2**-0.5], [0, 1]], atol=1e-6)


def test_changed_views_keep_the_colour_behind_the_garment() -> None:
    photo = np.asarray(draw(Garment("skirt", "red", True, 1), width_px=80, height_px=100))
    cut = photo.copy()
    cut[:40] = GREEN
    views = make_views(photo, View(cut, GREEN), 6, seed=1)
    assert [view.background for view in views] == [GREEN, None, GREEN, None, GREEN, None]
    np.testing.assert_array_equal(views[1].pixels_hwc, photo)
    for view in (views[2], views[4]):
        assert (view.pixels_hwc == GREEN).all(axis=2).any()
        assert view.pixels_hwc.shape != photo.shape or (view.pixels_hwc != cut).any()
    again = make_views(photo, View(cut, GREEN), 6, seed=1)
    for one, two in zip(views, again, strict=True):
        np.testing.assert_array_equal(one.pixels_hwc, two.pixels_hwc)


def test_without_a_cut_out_all_views_are_of_the_whole() -> None:
    photo = np.full((9, 7, 3), 200, np.uint8)
    views = make_views(photo, None, 4, seed=2)
    assert {view.background for view in views} == {None}
    np.testing.assert_array_equal(views[0].pixels_hwc, photo)


def test_the_classifier_gives_labels_and_shares() -> None:
    head = CategoryHead(("a", "b"), np.array([[5, 0], [0, 5]], np.float32), np.zeros(2, np.float32))
    labels, shares = head.predict(np.array([[1, 0], [0, 1]], np.float32))
    assert labels == ["a", "b"]
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    assert shares[0, 0] > 0.99


def test_figures_of_a_classifier_are_those_of_its_confusions() -> None:
    found = classification(("a", "b", "c"), ["a", "a", "a", "b"], ["a", "a", "b", "b"])
    assert found.confusion.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert found.accuracy == 0.75
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert found.f1 == pytest.approx((0.8, 2 / 3, 0))


def test_pictures_name_everything_and_escape_it() -> None:
    drawn = curves(
        [Line("a <b>", [0, 1, 2], [float("nan"), 1.0, 2.0], "#000")],
        x_label="x",
        y_label="y",
        marks={1.0: "phase 1"},
    )
    assert "a &lt;b&gt;" in drawn
    assert "phase 1" in drawn
    categories = ["hats & caps", None, "skirts"]
    colours = category_colours(categories)
    points = np.array([[0.0, 1.0], [2.0, 3.0], [1.0, 1.0]])
    assert list(colours) == ["hats & caps", "skirts"]
    dots = scatter(points, categories, [True, False, True], ["<x>", "y", "z"], colours)
    assert dots.count("<circle") == 3
    assert "&lt;x&gt;" in dots
    assert matrix(np.array([[2, 1], [0, 3]]), ["a", "b"]).count("<rect") == 4


def test_without_torch_the_command_says_in_one_sentence_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_NEEDED", ("a_package_that_nobody_has",))
    assert main(["adapt", "somewhere"]) == 1
    said_of_it = capsys.readouterr().err
    assert "make train-setup" in said_of_it
    assert len(said_of_it.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "dimension", "name"),
    [
        ("/x/Spring 2026.jsonl", 0, "spring-2026-adapted"),
        ("/x/shop", 128, "shop-adapted-128"),
        ("/x/фото.csv", 0, "shop-adapted"),
    ],
)
def test_a_model_is_named_after_its_catalogue(path: str, dimension: int, name: str) -> None:
    assert name_of(Path(path), dimension) == name


def test_a_manifest_reads_as_it_was_meant() -> None:
    from models.adapt.manifest_text import toml_text

    document = {
        "name": "a-b",
        "files": ["x.onnx", "y"],
        "properties": {
            "dimension": 16,
            "share": 0.5,
            "flag": True,
            "labels": ['hats "and" caps', "Größe\n\\"],
            "deep table": {"mean": [0.5, 1.0], "rows": [{"a": 1}, {"b": "c"}]},
        },
    }
    assert tomllib.loads(toml_text(document)) == document
