"""The embedder behind its contract: real server, real stub, the real built model."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from google.rpc import error_details_pb2
from PIL import Image

from lookalike.embedder.v1 import embedder_pb2, embedder_pb2_grpc
from lookalike.type.v1 import embedding_pb2, image_pb2
from servicekit.images import DecodeLimits
from services.embedder.backends.onnx import OnnxOptions
from services.embedder.domain import Pixels, Vector
from services.embedder.model import Model, load_model
from tests.fixtures.embedder_in_process import embedder_in_process

LIMITS = DecodeLimits(max_bytes=1 << 20, max_pixels=4_000_000)
OPTIONS = OnnxOptions(provider="cpu", strict=False, threads=0)
POISON = 13
SAME = 1e-5


class PoisonedImages:
    """The real tower, but for one picture of the tests that it cannot bear."""

    def __init__(self, model: Model) -> None:
        self._tower = model.images

    def embed(self, batch: Sequence[Pixels]) -> list[Vector]:
        if any((pixels[:, :, :3] == POISON).all() for pixels in batch):
            raise RuntimeError("poisoned")
        return self._tower.embed(batch)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("lookalike-mini-v1", OPTIONS)


@pytest.fixture
async def stub(model: Model) -> AsyncIterator[embedder_pb2_grpc.EmbedderServiceStub]:
    poisoned = PoisonedImages(model).embed
    async with embedder_in_process(model, limits=LIMITS, embed_images=poisoned) as running:
        yield embedder_pb2_grpc.EmbedderServiceStub(running.channel)


def photograph(seed: int, height: int = 90, width: int = 60) -> Pixels:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (height // 10, width // 10, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(10, axis=0).repeat(10, axis=1))


def raw(pixels: Pixels) -> image_pb2.Image:
    height, width = pixels.shape[:2]
    return image_pb2.Image(
        raw=image_pb2.RawImage(rgb=pixels.tobytes(), width_px=width, height_px=height)
    )


def encoded(pixels: Pixels, kind: str = "PNG") -> image_pb2.Image:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return image_pb2.Image(encoded=out.getvalue())


def vector(result: embedder_pb2.EmbedResult) -> npt.NDArray[np.float32]:
    assert result.WhichOneof("outcome") == "embedding", result.status
    return np.frombuffer(result.embedding.values_f32, "<f4")


def reason(result: embedder_pb2.EmbedResult) -> str:
    assert result.WhichOneof("outcome") == "status"
    info = error_details_pb2.ErrorInfo()
    assert result.status.details[0].Unpack(info)
    return info.reason


async def embed_images(
    stub: embedder_pb2_grpc.EmbedderServiceStub, images: list[image_pb2.Image]
) -> list[embedder_pb2.EmbedResult]:
    response = await stub.EmbedImages(embedder_pb2.EmbedImagesRequest(images=images))
    return list(response.results)


async def embed_texts(
    stub: embedder_pb2_grpc.EmbedderServiceStub, texts: list[str]
) -> list[embedder_pb2.EmbedResult]:
    response = await stub.EmbedTexts(embedder_pb2.EmbedTextsRequest(texts=texts))
    return list(response.results)


async def test_the_model_tells_what_it_is(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    info = await stub.GetModelInfo(embedder_pb2.GetModelInfoRequest())
    assert info.embedding_version.startswith("lookalike-mini-v1")
    assert info.dimension == 256
    assert info.photograph_weight > 0
    assert info.image_side_px == 260
    assert info.context_length_tokens == 128
    assert info.execution_provider == "CPUExecutionProvider"
    assert info.licence
    assert "260" in info.image_preprocessing
    for curve in (info.calibration.text, info.calibration.image, info.calibration.product):
        assert 0 < curve.weak_below < 1
        assert curve.score_weight > 0
        assert len(curve.topic_values_f32) in (0, 4 * info.dimension)
    assert info.calibration.fitted_on


async def test_vectors_have_the_told_dimension_and_length_1(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    info = await stub.GetModelInfo(embedder_pb2.GetModelInfoRequest())
    pictures = [raw(photograph(1)), encoded(photograph(2)), raw(np.zeros((1, 1, 3), np.uint8))]
    results = await embed_images(stub, pictures) + await embed_texts(stub, ["red dress", "?"])
    for result in results:
        values = vector(result)
        assert values.shape == (info.dimension,)
        assert np.linalg.norm(values) == pytest.approx(1, abs=1e-5)


async def test_a_file_and_its_pixels_are_the_same_picture(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    pixels = photograph(3)
    one, other = await embed_images(stub, [raw(pixels), encoded(pixels)])
    assert 1 - vector(one) @ vector(other) < SAME


async def test_words_find_the_colour_of_a_garment(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    colours = {"red": (200, 30, 40), "blue": (40, 80, 180), "green": (40, 140, 60)}
    pictures = []
    for rgb in colours.values():
        shirt = np.full((200, 200, 3), 255, np.uint8)
        shirt[40:60, 20:180] = rgb
        shirt[40:180, 60:140] = rgb
        pictures.append(raw(shirt))
    images = np.stack([vector(r) for r in await embed_images(stub, pictures)])
    words = await embed_texts(stub, [f"{colour} t-shirt" for colour in colours])
    scores = np.stack([vector(r) for r in words]) @ images.T
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]


async def test_one_bad_image_fails_alone(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    good = [photograph(seed) for seed in range(4)]
    alone = [vector((await embed_images(stub, [raw(pixels)]))[0]) for pixels in good]
    truncated = encoded(photograph(9, 300, 300), "JPEG").encoded[:900]
    wrong_size = image_pb2.RawImage(rgb=b"123456", width_px=2, height_px=2)
    bad = {
        "IMAGE_EMPTY": image_pb2.Image(),
        "IMAGE_UNDECODABLE": image_pb2.Image(encoded=b"<html>no image at all</html>"),
        "IMAGE_TRUNCATED": image_pb2.Image(encoded=truncated),
        "IMAGE_TOO_LARGE": encoded(np.zeros((2500, 2500, 3), np.uint8)),
        "FIELD_INVALID": image_pb2.Image(raw=wrong_size),
        "INTERNAL": raw(np.full((64, 64, 3), POISON, np.uint8)),
    }
    mixed: list[image_pb2.Image] = []
    for i, picture in enumerate(bad.values()):
        mixed += [raw(good[i % 4]), picture]
    results = await embed_images(stub, mixed)
    assert [reason(result) for result in results[1::2]] == list(bad)
    for i, result in enumerate(results[::2]):
        assert 1 - vector(result) @ alone[i % 4] < SAME


async def test_a_vector_does_not_depend_on_the_images_beside_it(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    pictures = [raw(photograph(seed, 60 + 10 * seed, 90)) for seed in range(20)]
    together = await embed_images(stub, pictures)
    for picture, result in list(zip(pictures, together, strict=True))[::5]:
        [alone] = await embed_images(stub, [picture])
        assert 1 - vector(alone) @ vector(result) < SAME


async def test_a_vector_does_not_depend_on_the_texts_beside_it(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    texts = ["x", "light blue skirt for women", "a " * 60 + "coat", "red", "dress " * 300]
    texts += [f"{word} shirt in size {n}" for n, word in enumerate(["green", "plain"] * 20)]
    together = await embed_texts(stub, texts)
    for text, result in list(zip(texts, together, strict=True))[:8]:
        [alone] = await embed_texts(stub, [text])
        assert 1 - vector(alone) @ vector(result) < SAME


async def test_many_callers_at_once_get_their_own_vectors(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    texts = [f"{n} striped shirts" for n in range(40)]
    alone = [vector((await embed_texts(stub, [text]))[0]) for text in texts[:4]]
    answers = await asyncio.gather(*(embed_texts(stub, [text]) for text in texts))
    for expected, [result] in zip(alone, answers, strict=False):
        assert 1 - expected @ vector(result) < SAME


async def test_one_bad_text_fails_alone(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    results = await embed_texts(stub, ["red dress", "", " \n\t ", "y" * 65_537, "blue jeans"])
    assert [reason(result) for result in results[1:4]] == [
        "TEXT_EMPTY",
        "TEXT_EMPTY",
        "TEXT_TOO_LONG",
    ]
    assert vector(results[0]) @ vector(results[4]) < 0.99


async def test_ten_megabytes_of_text_are_refused_and_the_next_call_is_served(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    [result] = await embed_texts(stub, ["dress " * (10 * 1024 * 1024 // 6)])
    assert reason(result) == "TEXT_TOO_LONG"
    [result] = await embed_texts(stub, ["dress"])
    assert len(vector(result)) == 256


async def test_a_text_beyond_the_context_is_cut_and_says_so(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    long, longer, short = await embed_texts(
        stub, ["red dress " * 100, "red dress " * 3000, "red dress"]
    )
    assert (long.truncated, longer.truncated, short.truncated) == (True, True, False)
    assert 1 - vector(long) @ vector(longer) < SAME


async def test_the_background_is_looked_past(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    garment = photograph(7, 80, 50)

    def behind(colour: tuple[int, int, int]) -> image_pb2.Image:
        picture = np.empty((120, 150, 3), np.uint8)
        picture[:] = colour
        picture[20:100, 30:80] = garment
        return raw(picture)

    found = []
    for colour in ((0, 255, 0), (255, 0, 255)):
        request = embedder_pb2.EmbedImagesRequest(
            images=[behind(colour)],
            background=image_pb2.Colour(red=colour[0], green=colour[1], blue=colour[2]),
        )
        found.append(vector((await stub.EmbedImages(request)).results[0]))
    assert 1 - found[0] @ found[1] < SAME


@pytest.mark.parametrize("count", [0, 257])
async def test_no_item_or_too_many_are_refused(
    stub: embedder_pb2_grpc.EmbedderServiceStub, count: int
) -> None:
    for call in (embed_texts(stub, ["a"] * count), embed_images(stub, [image_pb2.Image()] * count)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_256_items_are_not_too_many(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    assert len(await embed_texts(stub, ["tee"] * 256)) == 256


async def test_another_space_is_refused_and_the_own_one_is_not(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    info = await stub.GetModelInfo(embedder_pb2.GetModelInfoRequest())
    own = embedder_pb2.EmbedTextsRequest(texts=["dress"], embedding_version=info.embedding_version)
    assert (await stub.EmbedTexts(own)).embedding_version == info.embedding_version
    picture = raw(photograph(1))
    for call in (
        stub.EmbedTexts(embedder_pb2.EmbedTextsRequest(texts=["a"], embedding_version="other")),
        stub.EmbedImages(
            embedder_pb2.EmbedImagesRequest(images=[picture], embedding_version="other")
        ),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION


async def test_a_colour_outside_its_range_is_refused(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    request = embedder_pb2.EmbedImagesRequest(
        images=[raw(photograph(1))], background=image_pb2.Colour(red=256)
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.EmbedImages(request)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_the_ingest_lane_gets_the_same_vectors(
    stub: embedder_pb2_grpc.EmbedderServiceStub,
) -> None:
    found = [
        vector(
            (
                await stub.EmbedTexts(
                    embedder_pb2.EmbedTextsRequest(texts=["wool coat"], priority=priority)
                )
            ).results[0]
        )
        for priority in (embedding_pb2.PRIORITY_ONLINE, embedding_pb2.PRIORITY_INGEST)
    ]
    assert 1 - found[0] @ found[1] < SAME
