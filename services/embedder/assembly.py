"""From a model's name to a model that serves: towers, batchers, preparation."""

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from models.registry import (
    ManifestError,
    ModelMissing,
    installed_model,
    load_manifest,
    model_names,
)
from servicekit.batching import MicroBatcher
from servicekit.images import DecodeLimits, decode, from_raw
from servicekit.metrics import ServiceMetrics
from servicekit.warm_up import Step
from services.embedder.backends.onnx import OnnxOptions
from services.embedder.config import EmbedderConfig
from services.embedder.domain import Embedder, Pixels, Preparation, Tokens, Vector
from services.embedder.metrics import EmbedderMetrics
from services.embedder.model import Model, load_model
from services.embedder.shelf import RegisteredModel, ServedModel


@dataclass(frozen=True, slots=True)
class Assembly:
    """Puts models together, all with the same settings."""

    config: EmbedderConfig
    executor: Executor
    service_metrics: ServiceMetrics
    metrics: EmbedderMetrics

    async def load(self, name: str) -> Model:
        """A model, not warmed up yet. Raises: FailedPrecondition: see load_model."""
        config = self.config
        options = OnnxOptions(config.provider, config.strict_provider, config.threads)
        return await asyncio.to_thread(load_model, name, options)

    def warm_up_steps(self, model: Model) -> list[Step]:
        return model.warm_up_steps(self.config.image_max_batch, self.config.text_max_batch)

    async def load_warm(self, name: str) -> ServedModel:
        """A model that serves at once, beside others."""
        model = await self.load(name)
        for step in self.warm_up_steps(model):
            await asyncio.to_thread(step)
        return self.serve(model, beside=True)

    def serve(self, model: Model, *, beside: bool) -> ServedModel:
        """The model with batchers; what stands beside others has its name in their names."""
        config, suffix = self.config, f" {model.spec.model}" if beside else ""
        limits = DecodeLimits(max_bytes=config.max_image_bytes, max_pixels=config.max_image_pixels)
        images: MicroBatcher[Pixels, Vector] = MicroBatcher(
            model.images.embed,
            name=f"image{suffix}",
            max_batch_size=config.image_max_batch,
            max_delay_s=config.image_max_delay_s,
            max_queue_items=config.max_queue_items,
            max_queue_bytes=config.max_queue_bytes,
            stall_s=config.stall_s,
            metrics=self.service_metrics.batcher(f"image{suffix}"),
        )
        texts: MicroBatcher[Tokens, Vector] = MicroBatcher(
            model.texts.embed,
            name=f"text{suffix}",
            max_batch_size=config.text_max_batch,
            max_delay_s=config.text_max_delay_s,
            max_queue_items=config.max_queue_items,
            max_queue_bytes=config.max_queue_bytes,
            stall_s=config.stall_s,
            metrics=self.service_metrics.batcher(f"text{suffix}"),
        )
        preparation = Preparation(
            partial(decode, limits=limits),
            partial(from_raw, limits=limits),
            model.prepare,
            model.tokenizer,
            self.executor,
        )
        spec, provider = model.spec, model.images.provider
        self.metrics.model_loaded(spec.model, spec.embedding_version, provider)
        return ServedModel(Embedder(spec, preparation), images, texts, provider)


def registered() -> list[RegisteredModel]:
    """Every model of the registry that embeds; blocking, it reads files."""
    return [found for name in model_names() if (found := _registered(name)) is not None]


def _registered(name: str) -> RegisteredModel | None:
    try:
        manifest = load_manifest(name)
    except ManifestError:
        # A broken manifest of the user's own must not hide the others; `make models` tells of it.
        return None
    dimension = manifest.properties.get("dimension")
    if dimension is None:
        return None
    try:
        found = installed_model(name)
    except (ModelMissing, ManifestError) as error:
        return RegisteredModel(name, manifest.version, int(dimension), False, str(error))
    return RegisteredModel(name, found.version, int(found.properties["dimension"]), True, "")
