"""The segmentation networks side by side, the pixel work around them, and their masks.

Speed is measured on painted figures. With BENCH_MASKS naming a folder that holds a `masks.csv`
(columns `image` and `three_png`: a photograph and its classes 0 to 3, 255 to be ignored; relative
paths), the masks are judged too.
"""

import asyncio
import csv
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from lookalike.segmenter.v1 import segmenter_pb2 as pb
from lookalike.type.v1 import embedding_pb2, image_pb2
from services.segmenter.backends.onnx import OnnxOptions, load_backend
from services.segmenter.composite import Compositor
from services.segmenter.domain import GREEN_SCREEN, Backend, Garment, PixelsHWC, whole
from services.segmenter.masks import find_garments
from tests.bench.row import Row
from tests.fixtures.painted import figure, file_of
from tests.fixtures.segmenter import segmenter

LEAST_SPEED_UP = 2.5
MOST_IOU_LOST = 0.01
LEAST_IOU = 0.85
LEAST_PIPELINE_SHARE = 0.85


def run(quick: bool) -> list[Row]:
    """Rows of the segmenter."""
    exact = load_backend(OnnxOptions("fp32", provider="cpu"))
    quantised = load_backend(OnnxOptions("int8", provider="cpu"))
    for step in exact.warm_up_steps(1):
        step()
    for step in quantised.warm_up_steps(1):
        step()
    rows = _forward(exact, quantised, 2 if quick else 6)
    rows += _pixel_work(quantised, 5 if quick else 20)
    rows += asyncio.run(_served(quantised, 6 if quick else 24))
    rows += _agreement(exact, quantised, 2 if quick else 6)
    folder = os.environ.get("BENCH_MASKS", "")
    if folder:
        rows += _judged(exact, quantised, Path(folder), 12 if quick else None)
    return rows


def _forward(exact: Backend, quantised: Backend, repeats: int) -> list[Row]:
    pixels = np.asarray(figure().picture)
    network_input = exact.preprocess(pixels)
    slow, fast = [], []
    # In turns, so that a busy machine slows both.
    for _ in range(repeats):
        slow.append(_seconds(lambda: exact.forward([network_input])))
        fast.append(_seconds(lambda: quantised.forward([network_input])))
    load = f"one image, {exact.spec.input_side_px} px, {repeats} runs in turns"
    ratio = statistics.median(slow) / statistics.median(fast)
    return [
        Row("cloth network fp32 p50", statistics.median(slow) * 1e3, "ms", load),
        Row("cloth network int8 p50", statistics.median(fast) * 1e3, "ms", load),
        Row("cloth network int8 over fp32", ratio, "x", load, LEAST_SPEED_UP),
    ]


def _pixel_work(backend: Backend, repeats: int) -> list[Row]:
    pixels = np.asarray(figure().picture.resize((1000, 1000)))
    [scores] = backend.forward([backend.preprocess(pixels)])
    compositor = Compositor()

    def after_the_network() -> None:
        masks = find_garments(backend.postprocess(scores))
        compositor.cut(pixels, masks, Garment.UNION, whole(pixels), GREEN_SCREEN, 0)

    cv2.setNumThreads(1)
    before = statistics.median(
        _seconds(lambda: backend.preprocess(pixels), time.thread_time) for _ in range(repeats)
    )
    after = statistics.median(_seconds(after_the_network, time.thread_time) for _ in range(repeats))
    load = "one megapixel, processor time of one thread"
    return [
        Row("preprocessing p50", before * 1e3, "ms", load),
        Row("masks and composite p50", after * 1e3, "ms", load, 40.0, at_most=True),
    ]


async def _served(backend: Backend, count: int) -> list[Row]:
    """What decoding, mask rules, crops and gRPC cost on top of the network alone."""
    files = [file_of(figure((10 * n % 256, 80, 160)).picture, "JPEG") for n in range(4)]
    network_input = backend.preprocess(np.asarray(figure().picture))
    alone_s = statistics.median(
        _seconds(lambda: backend.forward([network_input])) for _ in range(max(3, count // 4))
    )
    outputs = pb.OutputOptions(
        crops=True, max_side_px=384, encoding=image_pb2.IMAGE_ENCODING_RAW_RGB
    )
    async with segmenter(backend) as running:

        async def one(number: int) -> None:
            await running.stub.SegmentImage(
                pb.SegmentImageRequest(
                    image=image_pb2.Image(encoded=files[number % len(files)]),
                    outputs=outputs,
                    priority=embedding_pb2.PRIORITY_INGEST,
                )
            )

        began = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(count)))
        served_s = (time.perf_counter() - began) / count
    load = f"{count} JPEGs at once, int8, crops of 384 px"
    share = alone_s / served_s
    return [
        Row("segmenter throughput", 1 / served_s, "images/s", load),
        Row("segmenter over its network alone", share, "x", load, LEAST_PIPELINE_SHARE),
    ]


def _agreement(exact: Backend, quantised: Backend, count: int) -> list[Row]:
    ratios = []
    for number in range(count):
        pixels = np.asarray(figure((40 * number % 256, 90, 200 - 30 * number)).picture)
        one, other = _clothing(exact, pixels), _clothing(quantised, pixels)
        ratios.append(_iou(one > 0, other > 0))
    return [Row("int8 masks against fp32, IoU", float(np.mean(ratios)), "", f"{count} painted")]


def _judged(exact: Backend, quantised: Backend, folder: Path, limit: int | None) -> Iterator[Row]:
    truth = list(_truth(folder))[:limit]
    found: dict[str, list[float]] = {"fp32": [], "int8": []}
    for photograph, classes in truth:
        with Image.open(photograph) as opened:
            pixels = np.asarray(opened.convert("RGB"))
        for backend in (exact, quantised):
            masks = _clothing(backend, pixels)
            found[backend.spec.variant].append(_iou(masks > 0, classes > 0))
    load = f"{len(truth)} photographs of {folder.name}"
    fp32, int8 = float(np.mean(found["fp32"])), float(np.mean(found["int8"]))
    yield Row("mask IoU fp32", fp32, "", load, LEAST_IOU)
    yield Row("mask IoU int8", int8, "", load)
    yield Row("mask IoU lost by int8", fp32 - int8, "", load, MOST_IOU_LOST, at_most=True)


def _truth(folder: Path) -> Iterator[tuple[Path, npt.NDArray[np.uint8]]]:
    with (folder / "masks.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            with Image.open(folder / row["three_png"]) as opened:
                classes = np.asarray(opened).astype(np.uint8)
            # Flat product shots are near 1 for both; the street is the test.
            if row.get("source", "ccp") == "ccp":
                yield folder / row["image"], classes


def _clothing(backend: Backend, pixels: PixelsHWC) -> npt.NDArray[np.uint8]:
    [scores] = backend.forward([backend.preprocess(pixels)])
    masks = find_garments(backend.postprocess(scores))
    return Compositor().classes(masks, pixels.shape[1], pixels.shape[0])


def _iou(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def _seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    work()
    return clock() - began
