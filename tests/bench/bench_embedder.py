"""The embedder's two towers and what serving adds to them."""

import asyncio
import statistics
import time
from collections.abc import Callable

import numpy as np

from lookalike.embedder.v1 import embedder_pb2, embedder_pb2_grpc
from lookalike.type.v1 import image_pb2
from services.embedder.backends.onnx import OnnxOptions
from services.embedder.domain import Pixels
from services.embedder.model import Model, load_model
from services.embedder.preprocess import prepare_image
from tests.bench.row import Row
from tests.fixtures.embedder_in_process import embedder_in_process

QUERIES = ("light blue skirt for women", "black hoodie", "striped shirt with long sleeves", "coat")
CROP_SIDE_PX = 384


def run(quick: bool) -> list[Row]:
    """Rows of the embedder."""
    model = load_model("lookalike-mini-v1", OnnxOptions("auto", False, 0))
    for step in model.warm_up_steps(8, 32):
        step()
    repeats = 20 if quick else 200
    rows = _towers(model, repeats)
    rows += asyncio.run(_served(model, repeats))
    return rows


def _towers(model: Model, repeats: int) -> list[Row]:
    tokens = [model.tokenizer.encode(text) for text in QUERIES]
    crop = _crop(0)
    prepared = [prepare_image(_crop(seed), (0, 255, 0)) for seed in range(8)]
    provider = model.images.provider
    one_text = _p50_s(lambda: model.texts.embed(tokens[:1]), repeats)
    many_texts = _p50_s(lambda: model.texts.embed(tokens * 8), repeats // 4)
    one_image = _p50_s(lambda: model.images.embed(prepared[:1]), repeats // 4)
    eight_images = _p50_s(lambda: model.images.embed(prepared), repeats // 10)
    preparing = _p50_s(lambda: prepare_image(crop, (0, 255, 0)), repeats // 4)
    side = f"{CROP_SIDE_PX} px"
    return [
        Row("text tower p50", one_text * 1e3, "ms", "one query", 6.0, at_most=True),
        Row("text tower, batch", 32 / many_texts, "texts/s", "32 queries at once"),
        Row("image tower p50", one_image * 1e3, "ms", f"one image, {provider}"),
        Row("image tower, batch", 8 / eight_images, "images/s", f"8 images, {provider}"),
        Row("preparing a crop p50", preparing * 1e3, "ms", f"{side} composite, one thread"),
    ]


async def _served(model: Model, repeats: int) -> list[Row]:
    async with embedder_in_process(model, max_queue_items=2048) as running:
        stub = embedder_pb2_grpc.EmbedderServiceStub(running.channel)
        return await _text_rows(stub, repeats) + await _image_rows(model, stub, repeats)


async def _text_rows(stub: embedder_pb2_grpc.EmbedderServiceStub, repeats: int) -> list[Row]:
    latencies: list[float] = []

    async def client(calls: int) -> None:
        for call in range(calls):
            request = embedder_pb2.EmbedTextsRequest(texts=[QUERIES[call % len(QUERIES)]])
            started = time.perf_counter()
            await stub.EmbedTexts(request)
            latencies.append(time.perf_counter() - started)

    await client(10)
    latencies.clear()
    started = time.perf_counter()
    await client(repeats)
    alone = repeats / (time.perf_counter() - started)
    p50 = statistics.median(latencies)
    started = time.perf_counter()
    await asyncio.gather(*(client(repeats // 4) for _ in range(32)))
    together = 32 * (repeats // 4) / (time.perf_counter() - started)
    return [
        Row("EmbedTexts p50", p50 * 1e3, "ms", "1 client, server and client in one process"),
        Row("EmbedTexts", together, "texts/s", "32 clients"),
        Row("EmbedTexts, 32 clients / 1 client", together / alone, "x", "rates"),
    ]


async def _image_rows(
    model: Model, stub: embedder_pb2_grpc.EmbedderServiceStub, repeats: int
) -> list[Row]:
    request = embedder_pb2.EmbedImagesRequest(
        images=[_raw(_crop(seed)) for seed in range(8)], background=image_pb2.Colour(green=255)
    )
    prepared = [prepare_image(_crop(seed), (0, 255, 0)) for seed in range(8)]
    calls = max(4, repeats // 20)
    await stub.EmbedImages(request)
    started = time.perf_counter()
    await asyncio.gather(*(stub.EmbedImages(request) for _ in range(calls)))
    served = 8 * calls / (time.perf_counter() - started)
    started = time.perf_counter()
    for _ in range(calls):
        await asyncio.to_thread(model.images.embed, prepared)
    tower = 8 * calls / (time.perf_counter() - started)
    return [
        Row("EmbedImages", served, "images/s", f"8 raw crops of {CROP_SIDE_PX} px a call"),
        Row("EmbedImages / image tower", served / tower, "x", "throughputs, preparation included"),
    ]


def _crop(seed: int) -> Pixels:
    rng = np.random.default_rng(seed)
    pixels = np.empty((CROP_SIDE_PX, 280, 3), np.uint8)
    pixels[:] = (0, 255, 0)
    pixels[20:-20, 40:-40] = rng.integers(0, 255, (CROP_SIDE_PX - 40, 200, 3))
    return pixels


def _raw(pixels: Pixels) -> image_pb2.Image:
    height, width = pixels.shape[:2]
    return image_pb2.Image(
        raw=image_pb2.RawImage(rgb=pixels.tobytes(), width_px=width, height_px=height)
    )


def _p50_s(work: Callable[[], object], repeats: int) -> float:
    durations = []
    for _ in range(max(3, repeats)):
        started = time.perf_counter()
        work()
        durations.append(time.perf_counter() - started)
    return statistics.median(durations)
