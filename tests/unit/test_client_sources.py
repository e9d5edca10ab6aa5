"""Catalogues on disk: what becomes of well-made and of odd ones."""

import asyncio
import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike_client import Catalogue, ImageInput, ProductInput, Rejected, SourceError
from lookalike_client.sources import lines

PathOf = Callable[[str, bytes | str], Path]


@pytest.fixture
def write(tmp_path: Path) -> PathOf:
    def written(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def read(catalogue: Catalogue) -> list[ProductInput]:
    async def all_of() -> list[ProductInput]:
        found: list[ProductInput] = []
        while (product := await catalogue.get(len(found) + 1)) is not None:
            found.append(product)
        return found

    return asyncio.run(all_of())


def scan(*paths: Path) -> tuple[list[ProductInput], list[Rejected]]:
    with Catalogue.scan(*paths) as catalogue:
        found = read(catalogue)
        assert catalogue.product_count == len(found) + len(catalogue.rejected)
        return found, catalogue.rejected


def labels(product: ProductInput) -> list[str]:
    return [image.label for image in product.images]


def test_a_folder_of_product_folders(write: PathOf, tmp_path: Path) -> None:
    for name in ("shirt 2/10.jpg", "shirt 2/9.PNG", "shirt 2/notes.txt", "shirt 10/a.jpg"):
        write(name, b"x")
    write("women/skirts/s1/front.webp", b"x")
    write("shirt 2/.hidden.jpg", b"x")
    write(".git/a.jpg", b"x")
    (tmp_path / "empty").mkdir()
    found, rejected = scan(tmp_path)
    assert [(product.product_id, product.name, labels(product)) for product in found] == [
        ("empty", "empty", []),
        ("shirt 2", "shirt 2", ["9.PNG", "10.jpg"]),
        ("shirt 10", "shirt 10", ["a.jpg"]),
        ("women/skirts/s1", "s1", ["front.webp"]),
    ]
    assert rejected == []


def test_loose_files_are_products_of_their_own(write: PathOf, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "b.png", "c.jpg", "c/front.jpg"):
        write(name, b"x")
    found, _ = scan(tmp_path)
    assert [(product.product_id, labels(product)) for product in found] == [
        ("a", ["a.jpg"]),
        ("b.jpg", ["b.jpg"]),
        ("b.png", ["b.png"]),
        ("c.jpg", ["c.jpg"]),
        ("c", ["front.jpg"]),
    ]


def test_links_that_lead_back_up_end_the_walk(write: PathOf, tmp_path: Path) -> None:
    write("a/front.jpg", b"x")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    found, _ = scan(tmp_path)
    assert [product.product_id for product in found] == ["a"]


def test_a_folder_that_is_no_text_or_too_full_fails_alone(write: PathOf, tmp_path: Path) -> None:
    write("good/a.jpg", b"x")
    for n in range(33):
        write(f"full/{n}.jpg", b"x")
    os.makedirs(os.fsencode(tmp_path) + b"/\xff")
    found, rejected = scan(tmp_path)
    assert [product.product_id for product in found] == ["good"]
    assert {entry.reason for entry in rejected} == {"FIELD_INVALID"}
    assert any("33 entries" in entry.message for entry in rejected)


def test_jsonl_gives_products_with_free_attributes(write: PathOf, tmp_path: Path) -> None:
    lines_ = [
        {"product_id": "a", "images": ["x/1.jpg", "https://shop/2.jpg"], "name": "A"},
        {"product_id": "b", "images": [], "name": None, "attributes": {"k": [1, "x"], "e": ""}},
        {"product_id": "c", "images": ["1.jpg"], "colour": "blue", "nested": {"x": 1}, "n": None},
    ]
    text = "\ufeff" + "\r\n\r\n".join(map(json.dumps, lines_))
    found, rejected = scan(write("catalogue.jsonl", text))
    assert rejected == []
    a, b, c = found
    assert (a.product_id, a.name) == ("a", "A")
    assert a.images == (
        ImageInput.from_file(os.path.realpath(tmp_path / "x/1.jpg"), label="x/1.jpg"),
        ImageInput.from_url("https://shop/2.jpg"),
    )
    assert (b.name, dict(b.attributes)) == ("", {"k": [1, "x"]})
    assert dict(c.attributes) == {"colour": "blue"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "SOURCE_INVALID"),
        ("5", "SOURCE_INVALID"),
        (b"\xff\xfe", "SOURCE_INVALID"),
        ("[" * 100_000, "SOURCE_INVALID"),
        ('{"product_id": "x", "images": [], "attributes": {"a": NaN}}', "SOURCE_INVALID"),
        ('{"id": "x", "images": []}', "FIELD_INVALID"),
        ('{"product_id": "", "images": []}', "FIELD_INVALID"),
        ('{"product_id": 5, "images": []}', "FIELD_INVALID"),
        ('{"product_id": "x"}', "FIELD_INVALID"),
        ('{"product_id": "x", "images": "a.jpg"}', "FIELD_INVALID"),
        ('{"product_id": "x", "images": [], "name": 5}', "FIELD_INVALID"),
        ('{"product_id": "x", "images": [], "attributes": "blue"}', "FIELD_INVALID"),
        ('{"product_id": "x", "images": [], "attributes": {"a": {"b": 1}}}', "FIELD_INVALID"),
        ('{"product_id": "x", "images": [], "attributes": {"a": 1e999}}', "FIELD_INVALID"),
        ('{"product_id": "\\ud800", "images": []}', "FIELD_INVALID"),
        ('{"product_id": "x", "images": [], "name": "%s"}' % ("y" * 10_000_000), "FIELD_INVALID"),
    ],
    ids=range(16),
)
def test_a_bad_line_fails_alone(write: PathOf, line: bytes | str, reason: str) -> None:
    good = b'{"product_id": "good", "images": ["a.jpg"]}\n'
    content = line if isinstance(line, bytes) else line.encode()
    found, rejected = scan(
        write("c.jsonl", good + content + b"\n" + good.replace(b"good", b"also"))
    )
    assert [product.product_id for product in found] == ["good", "also"]
    assert [entry.reason for entry in rejected] == [reason]
    assert rejected[0].message


def test_an_identifier_that_comes_again_is_an_update(write: PathOf) -> None:
    lines = '{"product_id": "x", "name": "old", "images": []}\n' * 2
    found, rejected = scan(write("c.jsonl", lines.replace("old", "new", 1)))
    assert [product.name for product in found] == ["new", "old"]
    assert not rejected


def test_a_line_without_product_id_tells_the_keys_it_has(write: PathOf) -> None:
    _, rejected = scan(write("c.jsonl", '{"group_id": "x", "images": []}'))
    assert rejected == [
        Rejected(
            "c.jsonl:1", "", "FIELD_INVALID", "product_id is missing; the keys are group_id, images"
        )
    ]


def test_an_endless_line_is_never_held(write: PathOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1_000)
    good = b'{"product_id": "good", "images": []}\n'
    found, rejected = scan(write("c.jsonl", b"x" * 5_500 + b"\n" + good + b"y" * 1_001))
    assert [product.product_id for product in found] == ["good"]
    assert [entry.where for entry in rejected] == ["c.jsonl:1", "c.jsonl:3"]


def test_image_entries_that_are_no_paths_become_unreadable_images(write: PathOf) -> None:
    [product], _ = scan(
        write("c.jsonl", '{"product_id": "x", "images": [5, null, "", {"path": "a"}, "\\ud800"]}')
    )
    assert [image.unreadable_reason is not None for image in product.images] == [True] * 4 + [False]


def test_csv_gives_products_with_columns_as_attributes(write: PathOf) -> None:
    text = (
        "product_id,Images,name,attributes,colour,price,code\n"
        'a,x/1.jpg|2.jpg,"Shirt, blue","{""season"": ""summer"", ""price"": 7}",blue,12.50,007\n'
        "\n"
        'b,"[""1;2.jpg""]",,,,5,\n'
        "c,1.jpg; 2.jpg\n"
        "d,\n"
    )
    found, rejected = scan(write("c.csv", "\ufeff" + text))
    assert rejected == []
    assert [labels(product) for product in found] == [
        ["x/1.jpg", "2.jpg"],
        ["1;2.jpg"],
        ["1.jpg", "2.jpg"],
        [],
    ]
    assert found[0].name == "Shirt, blue"
    assert dict(found[0].attributes) == {
        "colour": "blue",
        "price": 7,
        "code": "007",
        "season": "summer",
    }
    assert dict(found[1].attributes) == {"price": 5}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found(write: PathOf, delimiter: str) -> None:
    text = delimiter.join(["product_id", "name", "images"]) + "\n"
    text += delimiter.join(["a", "A", "1.jpg|2.jpg"])
    [product], _ = scan(write("c.tsv", text))
    assert (product.name, labels(product)) == ("A", ["1.jpg", "2.jpg"])


def test_bad_rows_fail_alone(write: PathOf) -> None:
    rows = [
        b"product_id,images,attributes",
        b"a,1.jpg,",
        b"b,1.jpg,{,x",
        b"c,1.jpg,[1]",
        b"\xff,1.jpg,",
        b",1.jpg,",
        b"d,[,",
        b"e," + b"x" * 200_000 + b",",
        b"z,1.jpg,",
    ]
    found, rejected = scan(write("c.csv", b"\n".join(rows)))
    assert [product.product_id for product in found] == ["a", "z"]
    assert len(rejected) == 6
    assert [entry.where for entry in rejected[:5]] == [f"c.csv:{n}" for n in (3, 4, 5, 6, 7)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.csv", "id,images\na,b\n", "no column product_id"),
        ("c.csv", "product_id,name\na,b\n", "no column images"),
        ("c.csv", "product_id,images,x,x\n", "twice"),
        ("c.json", '[{"product_id": "a"}]', "JSON array"),
        ("c.pdf", "x", "neither a folder"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused_whole(
    write: PathOf, name: str, content: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        scan(write(name, content))


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        scan(tmp_path / "nothing")


def test_empty_files_hold_no_products(write: PathOf) -> None:
    assert scan(write("c.csv", ""), write("c.jsonl", "")) == ([], [])


def test_a_single_photograph_is_a_product(write: PathOf) -> None:
    [product], _ = scan(write("front.jpg", b"x"))
    assert (product.product_id, labels(product)) == ("front", ["front.jpg"])


def test_the_stream_is_named_by_the_path_and_the_fingerprint_by_the_contents(
    write: PathOf, tmp_path: Path
) -> None:
    write("shop/a/1.jpg", b"x")
    write("shop/b/1.jpg", b"x")

    def scanned() -> tuple[str, str]:
        with Catalogue.scan(tmp_path / "shop") as catalogue:
            return catalogue.stream_id, catalogue.fingerprint

    stream_id, fingerprint = scanned()
    assert scanned() == (stream_id, fingerprint)
    write("shop/a/1.jpg", b"longer")
    changed = scanned()
    assert changed[0] == stream_id
    assert changed[1] != fingerprint
    (tmp_path / "shop/b/1.jpg").unlink()
    assert scanned()[1] != changed[1]
    with Catalogue.scan(tmp_path / "shop", stream_id="mine") as catalogue:
        assert catalogue.stream_id == "mine"
    with Catalogue.scan(tmp_path / "shop" / "a") as catalogue:
        assert catalogue.stream_id != stream_id


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
_line = st.binary(max_size=60) | st.fixed_dictionaries(
    {},
    optional={"product_id": _json, "images": _json, "name": _json, "attributes": _json, "x": _json},
).map(lambda found: json.dumps(found).encode())


@given(st.lists(_line, max_size=6))
def test_any_jsonl_is_products_and_rejections(
    tmp_path_factory: pytest.TempPathFactory, given_lines: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("odd") / "c.jsonl"
    path.write_bytes(b"\n".join(given_lines))
    try:
        found, rejected = scan(path)
    except SourceError:
        return
    held = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    assert len(found) + len(rejected) == len(held)


@given(st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=4), max_size=6))
def test_any_csv_is_products_and_rejections(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["product_id", "images", "attributes", "colour"])
    writer.writerows(rows)
    path = tmp_path_factory.mktemp("odd") / "c.csv"
    path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    scan(path)


@given(st.binary(max_size=200))
def test_any_bytes_under_a_csv_header_are_survived(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("odd") / "c.csv"
    path.write_bytes(b"product_id,images\n" + content)
    scan(path)
