"""What the embedder does, without gRPC and without a model: check, prepare, batch, collect.

Image -> decode -> prepare (a square of pixels) -> batch -> vector, and text -> tokens -> batch ->
vector. Every item's fate is its own: the vector of one never depends on its neighbours, and what
is wrong with one is told of that one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from servicekit.errors import Internal, InvalidArgument, LookalikeError
from services.embedder.calibration import Calibration

_log = logging.getLogger(__name__)

Pixels = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float32]
Rgb = tuple[int, int, int]

MAX_ITEMS = 256
MAX_TEXT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The space that is served and what makes it; see EmbedderService.GetModelInfo."""

    embedding_version: str
    model: str
    dimension: int
    image_preprocessing: str
    image_side_px: int
    context_length_tokens: int
    calibration: Calibration | None
    licence: str
    photograph_weight: float = 0.0


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image file's bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class RawImage:
    """Pixels as they came: not yet checked against the size that they claim."""

    rgb: bytes
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as the network reads it.

    ids: int32 (tokens,), special ones included, at most the context length.
    truncated: the text was longer and its end was cut off.
    """

    ids: npt.NDArray[np.int32]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Embedded:
    """vector: float32 (dimension,), of length 1. truncated: see Tokens."""

    vector: Vector
    truncated: bool = False


Outcome = Embedded | LookalikeError
ImageSource = EncodedImage | RawImage
Item = TypeVar("Item")
Result = TypeVar("Result")
ContraItem = TypeVar("ContraItem", contravariant=True)
# A query's few words are tokenised faster than a thread is woken.
_SHORT_TEXT = 500


class Submit(Protocol[ContraItem]):
    """One item into a tower's batcher; the lane and the deadline are bound by the caller."""

    def __call__(self, item: ContraItem, *, size_bytes: int) -> Awaitable[Vector]: ...


class Tokenizer(Protocol):
    """Blocking; bounded time for texts of at most MAX_TEXT_BYTES."""

    def encode(self, text: str) -> Tokens: ...


@dataclass(frozen=True, slots=True)
class Preparation:
    """The CPU's part before the towers.

    decode: file bytes -> uint8 (height, width, 3), sRGB, upright; raises InvalidArgument.
    from_raw: bytes, width, height -> the same; raises InvalidArgument.
    prepare: pixels and the colour behind the garment -> the image tower's input.
    """

    decode: Callable[[bytes], Pixels]
    from_raw: Callable[[bytes, int, int], Pixels]
    prepare: Callable[[Pixels, Rgb | None], Pixels]
    tokenizer: Tokenizer
    executor: Executor


class Embedder:
    """The work of one model, one item or many."""

    def __init__(self, spec: ModelSpec, preparation: Preparation) -> None:
        self.spec = spec
        self._preparation = preparation

    async def embed_images(
        self,
        images: Sequence[ImageSource],
        background: Rgb | None,
        submit: Submit[Pixels],
        photograph: ImageSource | None = None,
    ) -> list[Outcome]:
        """One outcome for each image, in order.

        Args:
          background: the colour behind the garments, None if there are none.
          photograph: what the images are garments of, if it is at hand.

        Raises:
          InvalidArgument: no or too many images.
          ResourceExhausted, Unavailable, DeadlineExceeded: the whole call, from the batcher.
        """
        check_count(len(images), "images")

        async def one(source: ImageSource) -> Embedded:
            behind = None if source is photograph else background
            prepared = await self._in_thread(self._prepare, source, behind)
            return Embedded(await submit(prepared, size_bytes=prepared.nbytes))

        if photograph is None or not self.spec.photograph_weight:
            return await _each(one, images)
        *garments, whole = await _each(one, [*images, photograph])
        return [_mixed(garment, whole, self.spec.photograph_weight) for garment in garments]

    async def embed_texts(self, texts: Sequence[str], submit: Submit[Tokens]) -> list[Outcome]:
        """One outcome for each text, in order; raises as embed_images."""
        check_count(len(texts), "texts")

        async def one(text: str) -> Embedded:
            check_text(text)
            tokens = (
                self._preparation.tokenizer.encode(text)
                if len(text) <= _SHORT_TEXT
                else await self._in_thread(self._preparation.tokenizer.encode, text)
            )
            vector = await submit(tokens, size_bytes=tokens.ids.nbytes)
            return Embedded(vector, tokens.truncated)

        return await _each(one, texts)

    def _prepare(self, source: ImageSource, background: Rgb | None) -> Pixels:
        if isinstance(source, EncodedImage):
            pixels = self._preparation.decode(source.data)
        else:
            pixels = self._preparation.from_raw(source.rgb, source.width_px, source.height_px)
        return self._preparation.prepare(pixels, background)

    async def _in_thread(self, work: Callable[..., Result], *arguments: object) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._preparation.executor, work, *arguments)


def check_count(count: int, field: str) -> None:
    """Raises InvalidArgument for no or too many items in one call."""
    if not 1 <= count <= MAX_ITEMS:
        raise InvalidArgument(
            f"A call takes 1 to {MAX_ITEMS} {field}, not {count}.",
            reason="FIELD_INVALID",
            field=field,
        )


def check_text(text: str) -> None:
    """Raises InvalidArgument for a text that is blank or longer than 64 KiB."""
    # A character is at least one byte: no need to encode what is too long anyway.
    if len(text) > MAX_TEXT_BYTES or len(text.encode()) > MAX_TEXT_BYTES:
        raise InvalidArgument(
            f"A text has at most {MAX_TEXT_BYTES} bytes.",
            reason="TEXT_TOO_LONG",
            metadata={"max_bytes": str(MAX_TEXT_BYTES)},
        )
    if not text.strip():
        raise InvalidArgument("The text is empty.", reason="TEXT_EMPTY")


def _mixed(garment: Outcome, photograph: Outcome, weight: float) -> Outcome:
    if not isinstance(garment, Embedded):
        return garment
    if not isinstance(photograph, Embedded):
        return photograph
    total = garment.vector + np.float32(weight) * photograph.vector
    return Embedded(total / np.linalg.norm(total), garment.truncated)


async def _each(one: Callable[[Item], Awaitable[Embedded]], items: Sequence[Item]) -> list[Outcome]:
    # What is wrong with an item stays with it (also a bug it sets off, told as such); what is
    # wrong with the service is wrong for all of them and ends the call.
    async def kept(item: Item) -> Outcome:
        try:
            return await one(item)
        except (InvalidArgument, Internal) as error:
            return error
        except LookalikeError:
            raise
        except Exception as error:
            _log.exception("an item could not be embedded")
            bug = Internal("The item could not be embedded.", reason="INTERNAL")
            bug.__cause__ = error
            return bug

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(kept(item)) for item in items]
    except BaseExceptionGroup as errors:
        typed = [error for error in errors.exceptions if isinstance(error, LookalikeError)]
        raise (typed or errors.exceptions)[0] from errors
    return [task.result() for task in tasks]
