"""`lookalike-train adapt`, from a catalogue of drawn garments to a model that is served."""

import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
import torch
from rich.console import Console

from lookalike.embedder.v1 import embedder_pb2, embedder_pb2_grpc
from lookalike.type.v1 import image_pb2
from models.adapt.adaptation import Adapted, adapt
from models.adapt.captions import Captions
from models.adapt.category import load_category_head
from models.adapt.command import main
from models.adapt.layers import TailModule
from models.adapt.settings import AdaptError, AdaptSettings
from models.adapt.shop import ShopProduct
from models.adapt.tail import write_adapted
from models.adapt.towers import BaseModel
from models.adapt.training import SpaceModel, TrainingData, train
from models.eval.progress import Steps
from models.registry import cache_dir, installed_model, model_dir
from services.embedder.config import EmbedderConfig
from tests.fixtures.garments import COLOURS, SHAPES, Garment, draw, jpeg, product
from tests.models.random_base import DIMENSION, NAME, VERSION, install_random_base

SETTINGS = AdaptSettings(
    cut_outs=False, views=3, epochs=60, patience=15, threads=1, learning_rate=3e-3
)
SAME = 1e-5
# Before any test sets another.
REAL_CACHE = cache_dir()


def steps() -> Steps:
    return Steps(Console(stderr=True, quiet=True))


def write_shop(folder: Path, *, views: int = 2, attributes: bool = True) -> Path:
    """48 different garments, each drawn from `views` sides."""
    folder.mkdir(parents=True)
    lines = []
    for place, (shape, colour, striped) in enumerate(
        itertools.product(sorted(SHAPES), sorted(COLOURS), (False, True))
    ):
        images = []
        for view in range(views):
            images.append(f"{place:02}-{view}.jpg")
            drawn = Garment(shape, colour, striped, 100 * place + view)
            (folder / images[-1]).write_bytes(jpeg(drawn, width_px=120, height_px=150))
        line = product(f"p-{place:02}", Garment(shape, colour, striped, place), images)
        if not attributes:
            line["attributes"] = {}
        lines.append(json.dumps(line))
    listing = folder / "catalogue.jsonl"
    listing.write_text("\n".join(lines) + "\n")
    return listing


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A catalogue; around it a registry of its own, where the random model is the only one."""
    home = tmp_path_factory.mktemp("adapt")
    patch = pytest.MonkeyPatch()
    patch.setenv("LOOKALIKE_CACHE", str(home / "cache"))
    install_random_base(home / "base")
    yield write_shop(home / "shop")
    patch.undo()


@pytest.fixture(scope="module")
def adapted(shop: Path) -> Adapted:
    return adapt(shop, NAME, "drawn-shop", SETTINGS, steps())


def cosines(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(a64, axis=1) * np.linalg.norm(b64, axis=1)
    return np.asarray((a64 * b64).sum(axis=1) / lengths)


def pictures(count: int) -> list[npt.NDArray[np.uint8]]:
    shapes = itertools.cycle(sorted(SHAPES))
    return [
        np.asarray(draw(Garment(shape, "green", False, 7 * n), width_px=90 + n, height_px=120))
        for n, shape in zip(range(count), shapes, strict=False)
    ]


def figure(adapted: Adapted, name: str) -> tuple[float, float]:
    [found] = [one for one in adapted.report.figures if one["name"] == name]
    return found["before"]["value"], found["after"]["value"]


def test_products_that_were_held_out_are_found_better_than_before(adapted: Adapted) -> None:
    before, after = figure(adapted, "view to product, R@1")
    assert after > before
    before, after = figure(adapted, "words to product, R@10")
    assert after > before + 0.2


def test_what_was_held_out_was_not_trained_on(adapted: Adapted) -> None:
    parts = adapted.report.catalogue["split"]
    assert sum(part["products"] for part in parts.values()) == 48
    assert parts["held_out"]["products"] >= 10


def test_the_running_embedder_serves_what_was_trained(adapted: Adapted) -> None:
    texts = ["red dress", "striped skirt for women", "a photo of plain black trousers"]
    shown = pictures(4)
    wanted_texts = adapted.model.text.embed(adapted.base.text_rows(texts))
    wanted = adapted.model.image.embed(adapted.base.image_rows([(one, None) for one in shown]))
    with RunningEmbedder("drawn-shop") as stub:
        info = stub.GetModelInfo(embedder_pb2.GetModelInfoRequest())
        said = stub.EmbedTexts(embedder_pb2.EmbedTextsRequest(texts=texts))
        images = [
            image_pb2.Image(
                raw=image_pb2.RawImage(
                    rgb=one.tobytes(), width_px=one.shape[1], height_px=one.shape[0]
                )
            )
            for one in shown
        ]
        seen = stub.EmbedImages(embedder_pb2.EmbedImagesRequest(images=images))
    version = adapted.report.version
    assert version.startswith(f"{VERSION}+drawn-shop-")
    assert version in str(info)
    served = vectors(said.results)
    assert served.shape == (3, DIMENSION)
    assert (1 - cosines(served, wanted_texts)).max() < SAME
    assert (1 - cosines(vectors(seen.results), wanted)).max() < SAME


def vectors(results: object) -> npt.NDArray[np.float32]:
    rows = [np.frombuffer(r.embedding.values_f32, "<f4") for r in results]  # type: ignore[attr-defined]
    return np.stack(rows)


class RunningEmbedder:
    """`python -m services.embedder` with a model, for a while."""

    def __init__(self, model: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{probe.getsockname()[1]}"
        prefix = "LOOKALIKE_EMBEDDER_"
        settings = {
            f"{prefix}MODEL": model,
            f"{prefix}PORT": self._address.split(":")[1],
            f"{prefix}HOST": "127.0.0.1",
            f"{prefix}METRICS_PORT": "0",
            f"{prefix}THREADS": "1",
            f"{prefix}PROVIDER": "cpu",
        }
        self._environment = os.environ | settings

    def __enter__(self) -> embedder_pb2_grpc.EmbedderServiceStub:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.embedder"],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._channel = grpc.insecure_channel(self._address)
        stub = embedder_pb2_grpc.EmbedderServiceStub(self._channel)
        deadline = time.monotonic() + 120
        while True:
            try:
                stub.GetModelInfo(
                    embedder_pb2.GetModelInfoRequest(), wait_for_ready=True, timeout=5
                )
                return stub
            except grpc.RpcError:
                assert self._process.poll() is None, self._process.communicate()[1].decode()
                assert time.monotonic() < deadline
                time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._process.terminate()
        self._process.communicate(timeout=60)


def test_the_best_epoch_is_what_remains(adapted: Adapted) -> None:
    history = adapted.report.history
    assert {epoch.phase for epoch in history} >= {0, 1}
    assert max(epoch.score for epoch in history) > history[0].score
    best = adapted.report.trained
    assert (best["best_phase"], best["best_epoch"]) != (history[-1].phase, history[-1].number)


def test_training_that_only_harms_leaves_the_base_as_it_was(
    adapted: Adapted,
) -> None:
    start = np.eye(DIMENSION, dtype=np.float32)
    model = SpaceModel(start, start, adapted.base.image_tail, adapted.base.text_tail)
    fallen = iter(range(1000, 0, -1))
    data = two_products(adapted)
    history = train(
        model, data, replace(SETTINGS, patience=3), lambda _: next(fallen), lambda _: None
    )
    assert [epoch.phase for epoch in history].count(1) == 3
    np.testing.assert_array_equal(model.image.projection.matrix(), start)
    assert not model.image.uses_tail


def two_products(adapted: Adapted) -> TrainingData:
    """A dress and a skirt, two photographs each."""
    products = [
        ShopProduct(kind, "", kind, (Path(kind),), {"category": (kind,)}, {})
        for kind in ("dress", "skirt")
    ]
    captions = Captions(products)
    rows = adapted.base.image_rows([(one, None) for one in pictures(4)])
    return TrainingData(
        views=np.stack([rows, rows], axis=1),
        products=np.array([0, 0, 1, 1]),
        captions=captions,
        caption_rows=adapted.base.text_rows(captions.texts),
        categories=np.array([0, 1]),
        training=np.array([0, 1]),
        anchors=adapted.base.text_rows(["hat", "shoes"]),
    )


def test_a_smaller_dimension_is_learned_and_served(shop: Path) -> None:
    settings = replace(SETTINGS, dimension=16, epochs=10, everything=False)
    adapted = adapt(shop, NAME, "drawn-shop-16", settings, steps())
    found = installed_model("drawn-shop-16")
    assert found.properties["dimension"] == adapted.report.dimension == 16
    tower = ort.InferenceSession(found.files["text.onnx"])
    ids = np.ones((2, 3), np.int32)
    [given] = tower.run(None, {"token_ids": ids, "attention_mask": ids})
    assert given.shape == (2, 16)
    np.testing.assert_allclose(np.linalg.norm(given, axis=1), 1, atol=1e-5)


def test_layers_of_the_base_that_were_trained_are_written_back(
    adapted: Adapted, tmp_path: Path
) -> None:
    base, tail = adapted.base, adapted.base.image_tail
    assert tail is not None
    module = TailModule(tail)
    with torch.no_grad():
        for parameter in module.trained:
            parameter += 0.5 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(1)
            )
    eye, zero = np.eye(DIMENSION, dtype=np.float32), np.zeros(DIMENSION, np.float32)
    out = tmp_path / "image.onnx"
    source = base.installed.files["image.onnx"]
    write_adapted(source, out, eye, zero, module.constants(), tail, "changed")
    pixels = np.random.default_rng(1).integers(0, 255, (3, 32, 32, 4)).astype(np.uint8)
    [was] = ort.InferenceSession(source).run(None, {"pixels_rgba": pixels})
    [given] = ort.InferenceSession(out).run(None, {"pixels_rgba": pixels})
    flat = pixels.astype(np.float32).transpose(0, 3, 1, 2).reshape(3, 4, 8, 4, 8, 4)
    features = flat.mean(axis=(3, 5)).reshape(3, -1) - 200
    wanted = module(torch.from_numpy(features)).detach().numpy()
    assert (1 - cosines(given, wanted)).max() < SAME
    assert (1 - cosines(was, wanted)).max() > 0.01


def test_the_tails_of_the_default_model_are_its_own_arithmetic(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "models").symlink_to(REAL_CACHE / "models")
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path))
    base = BaseModel(EmbedderConfig().model, 1)
    for tail, rows in (
        (base.image_tail, base.image_rows([(one, None) for one in pictures(2)])),
        (base.text_tail, base.text_rows(["red dress", "hat"])),
    ):
        assert tail is not None
        assert tail.trained_numbers > 10_000
        given = TailModule(tail)(torch.from_numpy(rows[:, base.dimension :])).detach().numpy()
        assert (1 - cosines(given, rows[:, : base.dimension])).max() < SAME


def test_the_report_needs_nothing_else_and_shows_every_part(adapted: Adapted) -> None:
    html = (adapted.folder / "report.html").read_text()
    assert html.count("<svg") == 5
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in html
    report = json.loads((adapted.folder / "report.json").read_text())
    names = [one["name"] for one in report["figures"]]
    assert "view to product, R@5" in names
    assert "words to product, R@10" in names
    for one in report["figures"]:
        assert one["before"]["low"] <= one["before"]["value"] <= one["before"]["high"]
    assert report["curves"][0]["phase"] == 0
    assert "same_nearest_general_garment_word" in report["retention"]


def test_the_classifier_beside_the_model_knows_the_categories(adapted: Adapted) -> None:
    head = load_category_head("drawn-shop")
    assert head.labels == ("dress", "shirt", "skirt", "trousers")
    shown = [(one, None) for one in pictures(8)]
    guesses, shares = head.predict(adapted.model.image.embed(adapted.base.image_rows(shown)))
    truth = list(itertools.islice(itertools.cycle(sorted(SHAPES)), 8))
    assert sum(g == t for g, t in zip(guesses, truth, strict=True)) >= 6
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    found = adapted.report.classifier
    assert found is not None
    assert found.accuracy > 0.6


def test_the_same_seed_makes_the_same_model(shop: Path) -> None:
    settings = replace(SETTINGS, epochs=3)
    one = adapt(shop, NAME, "again", settings, steps())
    two = adapt(shop, NAME, "again", settings, steps())
    assert one.report.version == two.report.version


def test_the_command_writes_a_model_and_says_how_to_serve_it(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["adapt", str(shop), "--model", NAME, "--name", "by-hand", "--no-cut-outs"]
    arguments += ["--views", "2", "--epochs", "2", "--head-only", "--out", str(tmp_path)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "LOOKALIKE_EMBEDDER_MODEL=by-hand" in said
    assert (tmp_path / "report.html").is_file()
    assert (model_dir("by-hand") / "image.onnx").is_file()


@pytest.mark.parametrize(
    ("products", "views", "attributes", "message"),
    [
        (1, 2, True, "nothing to tell apart"),
        (48, 1, False, "no pairs to learn from"),
        (6, 2, True, "at least 12 are needed"),
    ],
)
def test_a_catalogue_that_does_not_suffice_is_told_so(
    shop: Path, tmp_path: Path, products: int, views: int, attributes: bool, message: str
) -> None:
    listing = write_shop(tmp_path / "few", views=views, attributes=attributes)
    listing.write_text("\n".join(listing.read_text().splitlines()[:products]) + "\n")
    with pytest.raises(AdaptError, match=message):
        adapt(listing, NAME, "never", SETTINGS, steps())
    assert not model_dir("never").exists()


def test_a_model_that_is_not_there_and_a_larger_dimension_are_told(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["adapt", str(shop), "--model", "nobody"]) == 1
    assert main(["adapt", str(shop), "--model", NAME, "--dimension", "99"]) == 1
    said = capsys.readouterr().err
    assert "unknown model 'nobody'" in said
    assert f"{NAME} has {DIMENSION} numbers" in said
