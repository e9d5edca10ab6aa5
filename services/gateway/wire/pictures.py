"""Pictures, colours and garments."""

from collections.abc import Iterable

from lookalike.embedder.v1 import embedder_pb2
from lookalike.segmenter.v1 import segmenter_pb2
from lookalike.type.v1 import embedding_pb2, garment_pb2, image_pb2, product_pb2
from servicekit.errors import InvalidArgument
from services.gateway.values import (
    BoundingBox,
    Colour,
    Crop,
    EmbedderInfo,
    Encoded,
    Encoding,
    FoundGarment,
    Garment,
    Lane,
    Picture,
    RawPixels,
    Segmentation,
    SegmenterInfo,
    SegmentOptions,
)
from services.gateway.wire.calibration import calibration

_PRIORITIES = {
    Lane.ONLINE: embedding_pb2.PRIORITY_ONLINE,
    Lane.INGEST: embedding_pb2.PRIORITY_INGEST,
}


def picture(message: image_pb2.Image, field: str) -> Picture:
    """The picture of a message.

    Raises:
      InvalidArgument: FIELD_INVALID, none is set; IMAGE_EMPTY, it has no bytes.
    """
    match message.WhichOneof("source"):
        case "encoded":
            if not message.encoded:
                raise InvalidArgument(
                    "The image has no bytes.", reason="IMAGE_EMPTY", field=f"{field}.encoded"
                )
            return Encoded(message.encoded)
        case "raw":
            raw = message.raw
            return RawPixels(raw.rgb, raw.width_px, raw.height_px)
        case _:
            raise InvalidArgument("No image is given.", reason="FIELD_INVALID", field=field)


def picture_message(value: Picture) -> image_pb2.Image:
    """The message of a picture."""
    if isinstance(value, Encoded):
        return image_pb2.Image(encoded=value.data)
    return image_pb2.Image(
        raw=image_pb2.RawImage(rgb=value.rgb, width_px=value.width_px, height_px=value.height_px)
    )


def garment(value: int, field: str) -> Garment:
    """A garment of a request.

    Raises:
      InvalidArgument: FIELD_INVALID, there is no such garment.
    """
    try:
        return Garment(value)
    except ValueError:
        raise InvalidArgument(
            f"There is no garment {value}.", reason="FIELD_INVALID", field=field
        ) from None


def encoding(value: int, field: str) -> Encoding:
    """An encoding of a request; raises as `garment` does."""
    try:
        return Encoding(value)
    except ValueError:
        raise InvalidArgument(
            f"There is no encoding {value}.", reason="FIELD_INVALID", field=field
        ) from None


def garment_number(value: Garment) -> garment_pb2.Garment.ValueType:
    """The garment's number on the wire."""
    return garment_pb2.Garment.ValueType(int(value))


def colour_message(value: Colour) -> image_pb2.Colour:
    """The message of a colour."""
    return image_pb2.Colour(red=value.red, green=value.green, blue=value.blue)


def background(message: image_pb2.Colour, field: str) -> Colour:
    """A colour of a request.

    Raises:
      InvalidArgument: FIELD_INVALID, a channel is not from 0 to 255.
    """
    value = Colour(message.red, message.green, message.blue)
    if not all(0 <= channel <= 255 for channel in (value.red, value.green, value.blue)):
        raise InvalidArgument(
            "A colour's channels are from 0 to 255.", reason="FIELD_INVALID", field=field
        )
    return value


def priority(lane: Lane) -> embedding_pb2.Priority.ValueType:
    """The lane's number on the wire."""
    return _PRIORITIES[lane]


def found_garments(messages: Iterable[product_pb2.ImageGarment]) -> tuple[FoundGarment, ...]:
    """The garments of a photograph, of kinds that are known here."""
    known = {int(kind) for kind in Garment}
    return tuple(
        FoundGarment(
            garment=Garment(one.garment),
            bounding_box=BoundingBox(
                one.bounding_box.left_px,
                one.bounding_box.top_px,
                one.bounding_box.width_px,
                one.bounding_box.height_px,
            ),
            area_fraction=one.area_fraction,
            confidence=one.confidence,
        )
        for one in messages
        if one.garment in known
    )


def found_garment_messages(values: Iterable[FoundGarment]) -> list[product_pb2.ImageGarment]:
    """The messages of garments."""
    return [
        product_pb2.ImageGarment(
            garment=garment_number(one.garment),
            bounding_box=image_pb2.BoundingBox(
                left_px=one.bounding_box.left_px,
                top_px=one.bounding_box.top_px,
                width_px=one.bounding_box.width_px,
                height_px=one.bounding_box.height_px,
            ),
            area_fraction=one.area_fraction,
            confidence=one.confidence,
        )
        for one in values
    ]


def segment_request(
    photograph: Picture, options: SegmentOptions, lane: Lane
) -> segmenter_pb2.SegmentImageRequest:
    """What the segmenter is asked."""
    return segmenter_pb2.SegmentImageRequest(
        image=picture_message(photograph),
        outputs=segmenter_pb2.OutputOptions(
            class_mask=options.class_mask,
            composite=options.composite,
            crops=options.crops,
            background=colour_message(options.background),
            composite_garment=garment_number(options.composite_garment),
            max_side_px=options.max_side_px,
            encoding=image_pb2.ImageEncoding.ValueType(int(options.encoding)),
            crop_garments=[garment_number(one) for one in options.crop_garments],
            photograph=options.photograph,
        ),
        priority=priority(lane),
    )


def segmentation(message: segmenter_pb2.SegmentImageResponse) -> Segmentation:
    """What the segmenter answers."""
    return Segmentation(
        width_px=message.width_px,
        height_px=message.height_px,
        garments=found_garments(message.garments),
        whole_image_fallback=message.whole_image_fallback,
        crops=tuple(
            Crop(Garment(crop.garment), picture(crop.image, "crops")) for crop in message.crops
        ),
        class_mask_png=message.class_mask_png,
        composite=(
            picture(message.composite, "composite") if message.HasField("composite") else None
        ),
        segmenter_version=message.segmenter_version,
        photograph=(
            picture(message.photograph, "photograph") if message.HasField("photograph") else None
        ),
    )


def segmenter_info(message: segmenter_pb2.GetModelInfoResponse) -> SegmenterInfo:
    """Which network serves."""
    return SegmenterInfo(message.segmenter_version, message.variant, message.execution_provider)


def embedder_info(message: embedder_pb2.GetModelInfoResponse) -> EmbedderInfo:
    """Which model serves."""
    return EmbedderInfo(
        version=message.embedding_version,
        model=message.model,
        dimension=message.dimension,
        image_side_px=message.image_side_px,
        execution_provider=message.execution_provider,
        calibration=calibration(message.calibration) if message.HasField("calibration") else None,
        photograph_weight=message.photograph_weight,
    )
