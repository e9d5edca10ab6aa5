"""Between messages and the domain's values, both ways."""

from lookalike.segmenter.v1 import segmenter_pb2
from lookalike.type.v1 import embedding_pb2, garment_pb2, image_pb2, product_pb2
from servicekit import images
from servicekit.batching import Lane
from servicekit.errors import InvalidArgument, LookalikeError
from servicekit.images import Encoding
from servicekit.status import to_status
from services.segmenter.domain import (
    GREEN_SCREEN,
    BackendSpec,
    BoundingBox,
    EncodedImage,
    Garment,
    ImageSource,
    Outputs,
    PixelsHWC,
    RawImage,
    Rgb,
    Segmentation,
)

_ENCODINGS = {
    image_pb2.IMAGE_ENCODING_UNSPECIFIED: Encoding.PNG,
    image_pb2.IMAGE_ENCODING_PNG: Encoding.PNG,
    image_pb2.IMAGE_ENCODING_JPEG: Encoding.JPEG,
    image_pb2.IMAGE_ENCODING_WEBP: Encoding.WEBP,
    image_pb2.IMAGE_ENCODING_RAW_RGB: None,
}
_FROM_WIRE = {
    garment_pb2.GARMENT_UPPER: Garment.UPPER,
    garment_pb2.GARMENT_LOWER: Garment.LOWER,
    garment_pb2.GARMENT_FULL: Garment.FULL,
    garment_pb2.GARMENT_UNION: Garment.UNION,
}
_TO_WIRE = {garment: number for number, garment in _FROM_WIRE.items()}


def source(image: image_pb2.Image) -> ImageSource:
    """The photograph; one with nothing set is a file without bytes."""
    if image.WhichOneof("source") == "raw":
        return RawImage(image.raw.rgb, image.raw.width_px, image.raw.height_px)
    return EncodedImage(image.encoded)


def outputs(options: segmenter_pb2.OutputOptions) -> Outputs:
    """What is wanted.

    Raises:
      InvalidArgument: FIELD_INVALID.
    """
    if options.max_side_px < 0:
        raise _invalid("max_side_px is at least 0.", "outputs.max_side_px")
    if options.encoding not in _ENCODINGS:
        raise _invalid(f"There is no encoding {options.encoding}.", "outputs.encoding")
    composite_garment = Garment.UNION
    if options.composite_garment != garment_pb2.GARMENT_UNSPECIFIED:
        composite_garment = _garment(options.composite_garment, "outputs.composite_garment")
    return Outputs(
        class_mask=options.class_mask,
        composite=options.composite,
        crops=options.crops,
        background=_background(options),
        composite_garment=composite_garment,
        max_side_px=options.max_side_px,
        crop_garments=frozenset(
            _garment(number, "outputs.crop_garments") for number in options.crop_garments
        ),
        photograph=options.photograph,
    )


def lane(priority: int) -> Lane:
    """The batcher's lane; a priority that is not known here waits as online."""
    return Lane.INGEST if priority == int(embedding_pb2.PRIORITY_INGEST) else Lane.ONLINE


def response(
    found: Segmentation, options: segmenter_pb2.OutputOptions, segmenter_version: str
) -> segmenter_pb2.SegmentImageResponse:
    """A photograph's results; encodes pictures, so it belongs into a worker thread.

    Raises:
      InvalidArgument: IMAGE_TOO_LARGE if the encoding asked for cannot hold a picture that large.
    """
    encoding = _ENCODINGS[options.encoding]
    message = segmenter_pb2.SegmentImageResponse(
        width_px=found.width_px,
        height_px=found.height_px,
        whole_image_fallback=found.whole_image_fallback,
        segmenter_version=segmenter_version,
    )
    for garment in found.garments:
        message.garments.append(
            product_pb2.ImageGarment(
                garment=_TO_WIRE[garment.garment],
                bounding_box=_box(garment.bounding_box),
                area_fraction=garment.area_fraction,
                confidence=garment.confidence,
            )
        )
    if found.classes_hw is not None:
        message.class_mask_png = images.encode_classes(found.classes_hw)
    if found.composite_hwc is not None:
        message.composite.CopyFrom(_image(found.composite_hwc, encoding))
    for crop in found.crops:
        message.crops.append(
            segmenter_pb2.GarmentCrop(
                garment=_TO_WIRE[crop.garment],
                image=_image(crop.pixels_hwc, encoding),
                bounding_box=_box(crop.bounding_box),
            )
        )
    if found.photograph_hwc is not None:
        message.photograph.CopyFrom(_image(found.photograph_hwc, encoding))
    return message


def result(
    outcome: segmenter_pb2.SegmentImageResponse | LookalikeError,
) -> segmenter_pb2.SegmentResult:
    """One image's part of a batch."""
    if isinstance(outcome, LookalikeError):
        return segmenter_pb2.SegmentResult(status=to_status(outcome))
    return segmenter_pb2.SegmentResult(response=outcome)


def model_info(spec: BackendSpec, segmenter_version: str) -> segmenter_pb2.GetModelInfoResponse:
    """What serves."""
    return segmenter_pb2.GetModelInfoResponse(
        segmenter_version=segmenter_version,
        variant=spec.variant,
        execution_provider=spec.execution_provider,
        model_sha256=spec.model_sha256,
        input_side_px=spec.input_side_px,
        garments=[_TO_WIRE[garment] for garment in spec.garments],
        licence=spec.licence,
    )


def _image(pixels_hwc: PixelsHWC, encoding: Encoding | None) -> image_pb2.Image:
    if encoding is None:
        height, width = pixels_hwc.shape[:2]
        raw = image_pb2.RawImage(rgb=pixels_hwc.tobytes(), width_px=width, height_px=height)
        return image_pb2.Image(raw=raw)
    return image_pb2.Image(encoded=images.encode(pixels_hwc, encoding))


def _box(box: BoundingBox) -> image_pb2.BoundingBox:
    return image_pb2.BoundingBox(
        left_px=box.left_px, top_px=box.top_px, width_px=box.width_px, height_px=box.height_px
    )


def _garment(number: int, field: str) -> Garment:
    for known, garment in _FROM_WIRE.items():
        if number == known:
            return garment
    raise _invalid(f"{number} is no garment.", field)


def _background(options: segmenter_pb2.OutputOptions) -> Rgb:
    if not options.HasField("background"):
        return GREEN_SCREEN
    colour = options.background
    rgb = (colour.red, colour.green, colour.blue)
    if not all(0 <= channel <= 255 for channel in rgb):
        raise _invalid("Channels of a colour are 0 to 255.", "outputs.background")
    return rgb


def _invalid(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(message, reason="FIELD_INVALID", field=field)
