"""The segmenter behind a real server and the generated stub, with real networks."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Sequence

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image

from lookalike.segmenter.v1 import segmenter_pb2 as pb
from lookalike.type.v1 import embedding_pb2, garment_pb2, image_pb2
from servicekit.images import DecodeLimits
from servicekit.status import from_rpc_error, from_status
from services.segmenter.domain import (
    BackendSpec,
    Garment,
    NetworkInput,
    PixelsHWC,
    Probabilities,
    Scores,
)
from tests.fixtures.painted import figure, file_of, tee
from tests.fixtures.segmenter import RunningSegmenter, loaded, segmenter

ALL_OUTPUTS = pb.OutputOptions(class_mask=True, composite=True, crops=True)


@pytest.fixture
async def running() -> AsyncIterator[RunningSegmenter]:
    async with segmenter() as served:
        yield served


def request(data: bytes, outputs: pb.OutputOptions | None = None) -> pb.SegmentImageRequest:
    return pb.SegmentImageRequest(image=image_pb2.Image(encoded=data), outputs=outputs)


def pixels_of(image: image_pb2.Image) -> npt.NDArray[np.uint8]:
    if image.WhichOneof("source") == "raw":
        raw = image.raw
        return np.frombuffer(raw.rgb, np.uint8).reshape(raw.height_px, raw.width_px, 3)
    with Image.open(io.BytesIO(image.encoded)) as opened:
        return np.asarray(opened.convert("RGB"))


async def refusal(running: RunningSegmenter, asked: pb.SegmentImageRequest) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await running.stub.SegmentImage(asked)
    return refused.value.code().name, from_rpc_error(refused.value).reason


async def test_the_light_network_finds_the_union(running: RunningSegmenter) -> None:
    found = await running.stub.SegmentImage(request(file_of(tee()), ALL_OUTPUTS))
    assert (found.width_px, found.height_px) == (300, 400)
    assert [garment.garment for garment in found.garments] == [garment_pb2.GARMENT_UNION]
    assert not found.whole_image_fallback
    assert found.garments[0].confidence > 0.8
    assert found.segmenter_version.startswith("u2netp")


async def test_the_composite_is_the_garment_on_green(running: RunningSegmenter) -> None:
    found = await running.stub.SegmentImage(request(file_of(tee()), ALL_OUTPUTS))
    composite = pixels_of(found.composite)
    assert composite.shape == (400, 300, 3)
    assert composite[5, 5].tolist() == [0, 255, 0]
    middle = composite[210, 150].astype(int)
    assert np.abs(middle - (40, 80, 170)).max() < 12


async def test_nothing_is_sent_that_was_not_asked_for(running: RunningSegmenter) -> None:
    found = await running.stub.SegmentImage(request(file_of(tee())))
    assert found.class_mask_png == b""
    assert not found.HasField("composite")
    assert not found.HasField("photograph")
    assert not found.crops
    assert found.garments


async def test_the_photograph_itself_comes_upright_and_reduced(running: RunningSegmenter) -> None:
    options = pb.OutputOptions(
        photograph=True, max_side_px=100, encoding=image_pb2.IMAGE_ENCODING_RAW_RGB
    )
    lying = Image.Exif()
    lying[0x0112] = 6
    file = io.BytesIO()
    tee().rotate(90, expand=True).save(file, "PNG", exif=lying)
    upright = await running.stub.SegmentImage(request(file_of(tee()), options))
    turned = await running.stub.SegmentImage(request(file.getvalue(), options))
    assert pixels_of(upright.photograph).shape == (100, 75, 3)
    assert turned.photograph == upright.photograph


async def test_background_size_and_encoding_are_the_callers(running: RunningSegmenter) -> None:
    options = pb.OutputOptions(
        composite=True, max_side_px=100, encoding=image_pb2.IMAGE_ENCODING_RAW_RGB
    )
    options.background.red = 255
    found = await running.stub.SegmentImage(request(file_of(tee()), options))
    composite = pixels_of(found.composite)
    assert composite.shape == (100, 75, 3)
    assert composite[1, 1].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("encoding", "signature"),
    [
        (image_pb2.IMAGE_ENCODING_UNSPECIFIED, b"\x89PNG"),
        (image_pb2.IMAGE_ENCODING_PNG, b"\x89PNG"),
        (image_pb2.IMAGE_ENCODING_JPEG, b"\xff\xd8\xff"),
        (image_pb2.IMAGE_ENCODING_WEBP, b"RIFF"),
    ],
)
async def test_composites_come_in_the_encoding_asked_for(
    running: RunningSegmenter, encoding: "image_pb2.ImageEncoding.ValueType", signature: bytes
) -> None:
    options = pb.OutputOptions(composite=True, encoding=encoding)
    found = await running.stub.SegmentImage(request(file_of(tee()), options))
    assert found.composite.encoded.startswith(signature)


async def test_raw_pixels_give_what_their_file_gives(running: RunningSegmenter) -> None:
    picture = tee()
    raw = image_pb2.RawImage(
        rgb=picture.tobytes(), width_px=picture.width, height_px=picture.height
    )
    by_file = await running.stub.SegmentImage(request(file_of(picture), ALL_OUTPUTS))
    by_pixels = await running.stub.SegmentImage(
        pb.SegmentImageRequest(image=image_pb2.Image(raw=raw), outputs=ALL_OUTPUTS)
    )
    assert by_file == by_pixels


async def test_an_empty_wall_falls_back_to_the_whole_picture(running: RunningSegmenter) -> None:
    wall = Image.new("RGB", (120, 80), (200, 200, 200))
    found = await running.stub.SegmentImage(request(file_of(wall), ALL_OUTPUTS))
    assert found.whole_image_fallback
    assert not found.garments
    assert [crop.garment for crop in found.crops] == [garment_pb2.GARMENT_UNION]
    np.testing.assert_array_equal(pixels_of(found.crops[0].image), np.asarray(wall))
    np.testing.assert_array_equal(pixels_of(found.composite), np.asarray(wall))
    assert not pixels_of(image_pb2.Image(encoded=found.class_mask_png)).any()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "IMAGE_EMPTY"),
        (b"<!doctype html><html></html>", "IMAGE_UNDECODABLE"),
        (file_of(tee(), "JPEG")[:3000], "IMAGE_TRUNCATED"),
        (file_of(tee(), "BMP"), "IMAGE_UNSUPPORTED_FORMAT"),
    ],
)
async def test_what_is_no_picture_is_refused_with_its_reason(
    running: RunningSegmenter, data: bytes, reason: str
) -> None:
    assert await refusal(running, request(data)) == ("INVALID_ARGUMENT", reason)


async def test_the_limits_on_pictures_are_settings() -> None:
    async with segmenter(limits=DecodeLimits(max_pixels=10_000)) as running:
        asked = request(file_of(Image.new("RGB", (200, 100))))
        assert await refusal(running, asked) == ("INVALID_ARGUMENT", "IMAGE_TOO_LARGE")


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 7)])
async def test_tiny_and_extreme_pictures_survive(
    running: RunningSegmenter, size: tuple[int, int]
) -> None:
    options = pb.OutputOptions(class_mask=True, composite=True, crops=True, max_side_px=64)
    found = await running.stub.SegmentImage(request(file_of(Image.new("RGB", size)), options))
    assert (found.width_px, found.height_px) == size
    assert max(pixels_of(found.composite).shape[:2]) <= 64


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (pb.OutputOptions(max_side_px=-1), "outputs.max_side_px"),
        (pb.OutputOptions(encoding=99), "outputs.encoding"),  # type: ignore[arg-type]
        (pb.OutputOptions(crop_garments=[9]), "outputs.crop_garments"),  # type: ignore[list-item]
        (pb.OutputOptions(composite_garment=9), "outputs.composite_garment"),  # type: ignore[arg-type]
    ],
)
async def test_wrong_options_are_told_with_their_field(
    running: RunningSegmenter, options: pb.OutputOptions, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await running.stub.SegmentImage(request(file_of(tee()), options))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert from_rpc_error(refused.value).field == field


async def test_a_colour_out_of_range_is_refused(running: RunningSegmenter) -> None:
    options = pb.OutputOptions(composite=True)
    options.background.green = 256
    asked = request(file_of(tee()), options)
    assert await refusal(running, asked) == ("INVALID_ARGUMENT", "FIELD_INVALID")


async def test_a_composite_of_a_garment_that_is_not_there_is_not_found(
    running: RunningSegmenter,
) -> None:
    options = pb.OutputOptions(composite=True, composite_garment=garment_pb2.GARMENT_LOWER)
    asked = request(file_of(tee()), options)
    assert await refusal(running, asked) == ("NOT_FOUND", "GARMENT_NOT_FOUND")


async def test_one_bad_image_fails_alone(running: RunningSegmenter) -> None:
    good = [file_of(tee(colour)) for colour in ((40, 80, 170), (170, 30, 60), (20, 120, 70))]
    images = [good[0], b"junk", good[1], b"", good[2]]
    batch = pb.BatchSegmentImagesRequest(
        images=[image_pb2.Image(encoded=data) for data in images], outputs=ALL_OUTPUTS
    )
    results = (await running.stub.BatchSegmentImages(batch)).results
    kinds = [result.WhichOneof("outcome") for result in results]
    assert kinds == ["response", "status", "response", "status", "response"]
    assert from_status(results[1].status).reason == "IMAGE_UNDECODABLE"
    assert from_status(results[3].status).reason == "IMAGE_EMPTY"
    for position, data in ((0, good[0]), (2, good[1]), (4, good[2])):
        alone = await running.stub.SegmentImage(request(data, ALL_OUTPUTS))
        assert results[position].response == alone


@pytest.mark.parametrize("count", [0, 65])
async def test_a_batch_of_none_or_too_many_is_refused(
    running: RunningSegmenter, count: int
) -> None:
    batch = pb.BatchSegmentImagesRequest(images=[image_pb2.Image(encoded=b"x")] * count)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await running.stub.BatchSegmentImages(batch)
    assert from_rpc_error(refused.value).reason == "FIELD_INVALID"


async def test_the_models_facts_are_told(running: RunningSegmenter) -> None:
    info = await running.stub.GetModelInfo(pb.GetModelInfoRequest())
    assert info.variant == "u2netp"
    assert info.execution_provider == "CPUExecutionProvider"
    assert len(info.model_sha256) == 64
    assert info.input_side_px == 320
    assert list(info.garments) == [garment_pb2.GARMENT_UNION]
    assert info.licence.startswith("Apache-2.0")


async def test_outcomes_are_counted(running: RunningSegmenter) -> None:
    await running.stub.SegmentImage(request(file_of(tee())))
    await running.stub.SegmentImage(request(file_of(Image.new("RGB", (50, 50), "white"))))
    await refusal(running, request(b"junk"))

    def count(outcome: str) -> float | None:
        return running.metrics.registry.get_sample_value(
            "lookalike_segmenter_images_total", {"outcome": outcome}
        )

    counted = [count(outcome) for outcome in ("segmented", "whole_image", "refused", "failed")]
    assert counted == [1, 1, 1, 0]


class Held:
    """The light network behind a gate, which tells when something waits in front of it."""

    def __init__(self) -> None:
        self._inner = loaded()
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def spec(self) -> BackendSpec:
        return self._inner.spec

    def preprocess(self, pixels_hwc: PixelsHWC) -> NetworkInput:
        return self._inner.preprocess(pixels_hwc)

    def forward(self, batch: Sequence[NetworkInput]) -> Sequence[Scores]:
        self._loop.call_soon_threadsafe(self.entered.set)
        asyncio.run_coroutine_threadsafe(self.gate.wait(), self._loop).result()
        return self._inner.forward(batch)

    def postprocess(self, scores: Scores) -> Probabilities:
        return self._inner.postprocess(scores)

    def warm_up_steps(self, max_batch_size: int) -> Sequence[Callable[[], object]]:
        return self._inner.warm_up_steps(max_batch_size)


async def test_a_full_service_refuses_at_once_and_says_when_to_retry() -> None:
    held = Held()
    async with segmenter(held, max_items=2) as running:
        asked = request(file_of(tee()))
        inside = [asyncio.create_task(_segment(running, asked)) for _ in range(2)]
        await held.entered.wait()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await running.stub.SegmentImage(asked)
        error = from_rpc_error(refused.value)
        held.gate.set()
        found = await asyncio.gather(*inside)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.reason == "QUEUE_FULL"
    assert error.retry_after_s is not None
    assert found[0] == found[1]


async def test_a_deadline_that_passes_leaves_the_service_well() -> None:
    held = Held()
    async with segmenter(held) as running:
        asked = request(file_of(tee()))
        with pytest.raises(grpc.aio.AioRpcError) as expired:
            await running.stub.SegmentImage(asked, timeout=0.3)
        held.gate.set()
        assert (await running.stub.SegmentImage(asked)).garments
        answer = await health_pb2_grpc.HealthStub(running.channel).Check(
            health_pb2.HealthCheckRequest(service="lookalike.segmenter.v1.SegmenterService")
        )
    assert expired.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_online_work_goes_before_ingest() -> None:
    held = Held()
    async with segmenter(held) as running:
        order: list[str] = []

        async def ask(name: str, priority: "embedding_pb2.Priority.ValueType") -> None:
            asked = request(file_of(tee()))
            asked.priority = priority
            await running.stub.SegmentImage(asked)
            order.append(name)

        async with asyncio.TaskGroup() as group:
            group.create_task(ask("first", embedding_pb2.PRIORITY_INGEST))
            await held.entered.wait()
            group.create_task(ask("ingest", embedding_pb2.PRIORITY_INGEST))
            await _until_waiting(running, 1)
            group.create_task(ask("online", embedding_pb2.PRIORITY_ONLINE))
            await _until_waiting(running, 2)
            held.gate.set()
    assert order == ["first", "online", "ingest"]


async def _segment(
    running: RunningSegmenter, asked: pb.SegmentImageRequest
) -> pb.SegmentImageResponse:
    return await running.stub.SegmentImage(asked)


async def _until_waiting(running: RunningSegmenter, count: int) -> None:
    def waiting() -> float:
        return sum(
            running.metrics.registry.get_sample_value(
                "lookalike_segmenter_batch_queue_items", {"batcher": "network", "lane": lane}
            )
            or 0.0
            for lane in ("online", "ingest")
        )

    while waiting() < count:  # noqa: ASYNC110 - a gauge cannot be awaited
        await asyncio.sleep(0.01)


async def test_a_result_does_not_depend_on_its_batch() -> None:
    files = [file_of(tee(colour)) for colour in ((40, 80, 170), (170, 30, 60), (20, 120, 70))]
    async with segmenter(max_batch=1) as single:
        alone = [await single.stub.SegmentImage(request(data, ALL_OUTPUTS)) for data in files]
    async with segmenter(max_batch=3) as batched:
        together = await asyncio.gather(
            *(_segment(batched, request(data, ALL_OUTPUTS)) for data in files)
        )
    assert together == alone


async def test_error_details_carry_one_error_info(running: RunningSegmenter) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await running.stub.SegmentImage(request(b"junk"))
    assert refused.value.trailing_metadata() is not None
    info = error_details_pb2.ErrorInfo(reason="IMAGE_UNDECODABLE", domain="lookalike.dev")
    assert from_rpc_error(refused.value).reason == info.reason


def intersection_over_union(found: npt.NDArray[np.bool_], painted: npt.NDArray[np.bool_]) -> float:
    return float((found & painted).sum() / (found | painted).sum())


async def test_the_cloth_network_tells_shirt_from_trousers() -> None:
    """The golden picture: real int8 weights, a figure whose silhouettes are known."""
    painted = figure()
    async with segmenter(loaded("int8")) as running:
        found = await running.stub.SegmentImage(request(file_of(painted.picture), ALL_OUTPUTS))
    with Image.open(io.BytesIO(found.class_mask_png)) as opened:
        assert opened.mode == "L"
        classes = np.asarray(opened)
    assert classes.shape == (900, 600)
    assert set(np.unique(classes)) == {0, Garment.UPPER.value, Garment.LOWER.value}
    assert intersection_over_union(classes == Garment.UPPER.value, painted.shirt) > 0.93
    assert intersection_over_union(classes == Garment.LOWER.value, painted.trousers) > 0.85
    assert [garment.garment for garment in found.garments] == [
        garment_pb2.GARMENT_LOWER,
        garment_pb2.GARMENT_UPPER,
        garment_pb2.GARMENT_UNION,
    ]
    assert all(garment.confidence > 0.8 for garment in found.garments)
    crops = {crop.garment: crop for crop in found.crops}
    assert set(crops) == {garment.garment for garment in found.garments}
    shirt = pixels_of(crops[garment_pb2.GARMENT_UPPER].image)
    dark = (shirt.max(axis=2) < 80).mean()
    assert dark < 0.01, "trousers in the shirt's crop"
    box = crops[garment_pb2.GARMENT_UPPER].bounding_box
    assert shirt.shape[:2] == (box.height_px, box.width_px)
