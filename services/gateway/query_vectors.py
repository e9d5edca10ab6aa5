"""The parts of a question as vectors: words and photographs at the same time."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from servicekit.errors import InvalidArgument, LookalikeError, NotFound
from services.gateway.domain import Embedder
from services.gateway.image_pipeline import beside
from services.gateway.search_messages import (
    FeaturesPart,
    Part,
    PartReport,
    PhotographPart,
    ProductPart,
    TextPart,
)
from services.gateway.segmentations import Segmentations, everything
from services.gateway.text_vectors import TextVectors
from services.gateway.values import (
    GREEN_SCREEN,
    Deadline,
    EmbedderInfo,
    Garment,
    Lane,
)

MAX_TEXT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class PartVector:
    """A part's vector; None where the index has it (a product). See TextVector for the shape."""

    values_f32: bytes | None
    report: PartReport


class QueryVectors:
    """Asks the models for what a question needs."""

    def __init__(
        self, segmentations: Segmentations, embedder: Embedder, texts: TextVectors
    ) -> None:
        self._segmentations = segmentations
        self._embedder = embedder
        self._text_vectors = texts

    async def of(
        self, parts: Sequence[Part], model: EmbedderInfo, deadline: Deadline
    ) -> list[PartVector]:
        """One for each part, in order, in the space of `model`.

        Raises:
          LookalikeError: TEXT_…, IMAGE_…, GARMENT_NOT_FOUND, EMBEDDING_VERSION_MISMATCH.
        """
        texts = {
            position: text
            for position, part in enumerate(parts)
            if (text := _text_of(position, part)) is not None
        }
        done: dict[int, PartVector] = {
            position: PartVector(None, PartReport())
            for position, part in enumerate(parts)
            if isinstance(part, ProductPart)
        }
        work: list[Awaitable[dict[int, PartVector]]] = [
            self._photograph(position, part, model, deadline)
            for position, part in enumerate(parts)
            if isinstance(part, PhotographPart)
        ]
        if texts:
            work.append(self._texts(texts, parts, model, deadline))
        if len(work) == 1:  # the usual question: no task is made for it
            done |= await work[0]
        else:
            for vectors in await _all(work):
                done |= vectors
        return [done[position] for position in range(len(parts))]

    async def _texts(
        self,
        texts: dict[int, str],
        parts: Sequence[Part],
        model: EmbedderInfo,
        deadline: Deadline,
    ) -> dict[int, PartVector]:
        vectors = await self._text_vectors.of([*texts.values()], model.version, deadline)
        done = {}
        for (position, text), vector in zip(texts.items(), vectors, strict=True):
            if isinstance(vector, LookalikeError):
                raise _at(f"parts[{position}].text", vector)
            words = text if isinstance(parts[position], FeaturesPart) else ""
            report = PartReport(text_truncated=vector.truncated, words=words)
            done[position] = PartVector(vector.values_f32, report)
        return done

    async def _photograph(
        self, position: int, part: PhotographPart, model: EmbedderInfo, deadline: Deadline
    ) -> dict[int, PartVector]:
        wanted = part.garment or Garment.UNION
        # Who points at one garment means that one, and nothing of what else is in the picture.
        looks_around = wanted is Garment.UNION and model.photograph_weight > 0
        field = f"parts[{position}].image"
        try:
            found = await self._segmentations.of(part.photograph, everything(model), deadline)
            crops = {crop.garment: crop for crop in found.crops}
            meant = next((one for one in garments_meant(wanted) if one in crops), None)
            if meant is None:
                raise garment_not_found(wanted, [one.garment for one in found.garments])
            [vector] = await self._embedder.embed_images(
                [crops[meant].picture],
                background=None if found.whole_image_fallback else GREEN_SCREEN,
                photograph=beside(found, model) if looks_around else None,
                version=model.version,
                lane=Lane.ONLINE,
                timeout_s=deadline.remaining_s(),
            )
        except InvalidArgument as error:
            raise _at(field, error) from error
        report = PartReport(
            garments=found.garments, whole_image_fallback=found.whole_image_fallback
        )
        return {position: PartVector(vector, report)}


def garments_meant(wanted: Garment) -> tuple[Garment, ...]:
    """The garments that a person may mean by one, the likeliest first.

    The network easily takes a coat for an upper garment and a long shirt for a full one, so whoever
    asks for the one is given the other where the photograph shows only that.
    """
    match wanted:
        case Garment.UPPER:
            return Garment.UPPER, Garment.FULL
        case Garment.FULL:
            return Garment.FULL, Garment.UPPER
        case _:
            return (wanted,)


def garment_not_found(wanted: Garment, found: Sequence[Garment]) -> NotFound:
    """The error for a garment that a photograph does not show."""
    return NotFound(
        f"The photograph shows no garment of the kind {wanted.name}.",
        reason="GARMENT_NOT_FOUND",
        metadata={
            "garment": wanted.name,
            "found": ", ".join(garment.name for garment in found) or "none",
        },
    )


def _text_of(position: int, part: Part) -> str | None:
    if isinstance(part, FeaturesPart):
        words = part.features.words()
        if not words:
            raise InvalidArgument(
                "The features of a part are all empty.",
                reason="FIELD_INVALID",
                field=f"parts[{position}].features",
            )
        text, field = words, f"parts[{position}].features"
    elif isinstance(part, TextPart):
        text, field = part.text, f"parts[{position}].text"
    else:
        return None
    # In this order, so that megabytes of text are not even encoded to be counted.
    if len(text) > MAX_TEXT_BYTES or len(text.encode()) > MAX_TEXT_BYTES:
        raise InvalidArgument(
            f"A text is longer than {MAX_TEXT_BYTES} bytes.", reason="TEXT_TOO_LONG", field=field
        )
    if not text.strip():
        raise InvalidArgument("A text is empty.", reason="TEXT_EMPTY", field=field)
    return text


def _at(field: str, error: LookalikeError) -> LookalikeError:
    """The same error, at the field of the caller's own request."""
    return type(error)(
        error.message,
        reason=error.reason,
        metadata=error.metadata,
        retry_after_s=error.retry_after_s,
        field=field,
    )


async def _all(
    work: Sequence[Awaitable[dict[int, PartVector]]],
) -> list[dict[int, PartVector]]:
    """All results, or the first error, once nothing of the work goes on."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
