"""Trains lookalike-mini and writes what is served: `make train DATA=DIR`.

1. Views of every photograph go through the frozen front of the image network, once, cached.
2. Both networks are fine-tuned (models/train/finetune.py).
3. The text network is cut to a smaller vocabulary and turned into int8.
4. The heads are trained on the networks' features (models/train/head_training.py).
5. Both towers are written as ONNX, with a report beside them.

Every step's result is kept in the cache under a digest of the configuration, so an interrupted run
goes on where it stopped. Seeded: one machine, one thread count and one torch give the same weights.
"""

import argparse
import hashlib
import json
import time
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from models.colour import HISTOGRAM_SIZE
from models.lookalike_mini import (
    EFFICIENTNET_FILE,
    MINILM_FILE,
    SHIPPED,
    build_image_tower,
    build_text_tower,
)
from models.minilm import Int8Linear
from models.registry import MANIFEST_DIR, PACKAGE_DIR, cache_dir, installed
from models.safetensors_file import read_safetensors, write_safetensors
from models.torch_checkpoint import read_state_dict
from models.train.captions import colour_relation
from models.train.finetune import FineTuneConfig, FineTuning, ImageNetwork, image_features
from models.train.fronts import Fronts, load_fronts
from models.train.head_training import Frozen, HeadConfig, train_heads
from models.train.look import LookConfig, look_arrays
from models.train.pool import CaptionPool, make_pool
from models.train.report import write_report
from models.train.text_tower import MAX_TOKENS, TextFeatures, measure_ranges
from models.train.views import OWN_COLOUR, VIEWS
from models.train.wordpieces import shrink

CONFIG_FILE = Path(__file__).with_name("config.toml")
MODEL = "lookalike-mini-v1"

Tensors = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Config:
    """See config.toml, its only source."""

    seed: int
    captions_per_view: int
    off_topic_texts: int
    vocabulary: int
    finetune: FineTuneConfig
    heads: HeadConfig
    look: LookConfig

    def digest(self, *parts: str) -> str:
        """Names what these parts of the configuration decide."""
        values = {key: value for key, value in asdict(self).items() if key in parts}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def load_config() -> Config:
    """config.toml."""
    values = tomllib.loads(CONFIG_FILE.read_text())
    return Config(
        **{
            **values,
            "finetune": FineTuneConfig(**values["finetune"]),
            "heads": HeadConfig(**values["heads"]),
            "look": LookConfig(**values["look"]),
        }
    )


class Training:
    """The steps, each of which reads the cache or computes."""

    def __init__(self, config: Config, data: Path, workers: int) -> None:
        self._config = config
        self._folder = cache_dir() / "train"
        self.fronts: Fronts = load_fronts(data, None, workers)
        self._pool = self._captions(config.finetune.gender_said)
        self._head_pool = self._captions(config.heads.gender_said)

    def _captions(self, gender_said: float) -> CaptionPool:
        config, own = self._config, [view in OWN_COLOUR for view in range(len(VIEWS))]
        return make_pool(
            self.fronts.photos,
            colour_relation(self.fronts.photos, self.fronts.shares, own),
            self.fronts.patterns,
            config.captions_per_view,
            gender_said,
            config.off_topic_texts,
            installed("minilm-l6") / "tokenizer.json",
            config.seed,
        )

    def finetuned(self) -> tuple[Tensors, Tensors, list[dict[str, float]]]:
        """Weights of the image and the text network, and a line an epoch."""
        config = self._config
        image = dict(read_state_dict(installed("efficientnet-lite2") / EFFICIENTNET_FILE))
        text = dict(read_safetensors(installed("minilm-l6") / MINILM_FILE))
        name = config.digest("seed", "captions_per_view", "off_topic_texts", "finetune")

        def compute() -> tuple[Tensors, list[dict[str, float]]]:
            run = FineTuning(self.fronts, self._pool, image, text, config.finetune, config.seed)
            history = []
            for epoch in range(config.finetune.epochs):
                history.append({"epoch": epoch + 1, **run.epoch()})
                print(history[-1], flush=True)
            found = {f"image:{k}": v for k, v in run.image.late.tensors().items()}
            return found | {f"text:{k}": v for k, v in run.text.tensors().items()}, history

        found, history = self._cached(f"finetuned-{name}", compute)
        trained_image = {k[6:]: v for k, v in found.items() if k.startswith("image:")}
        trained_text = {k[5:]: v for k, v in found.items() if k.startswith("text:")}
        return {**image, **trained_image}, {**text, **trained_text}, history

    def towers(self, out: Path) -> dict[str, Any]:
        """Writes both towers and the tokenizer; returns the report."""
        config = self._config
        image, text, fine_tuning = self.finetuned()
        tokenizer_file, text = shrink(
            installed("minilm-l6") / "tokenizer.json", text, self._pool.ids, config.vocabulary
        )
        out.mkdir(parents=True, exist_ok=True)
        (out / "tokenizer.json").write_text(tokenizer_file)
        tokenizer = Tokenizer.from_str(tokenizer_file)
        tokenizer.enable_truncation(MAX_TOKENS)
        tokenizer.no_padding()
        ranges = measure_ranges(text, tokenizer, self._folder)
        frozen = self._frozen(image, TextFeatures(text, ranges, tokenizer, self._folder, 2))
        heads, history = train_heads(
            self.fronts, self._head_pool, frozen, config.heads, config.seed
        )
        flat = frozen.images[:, OWN_COLOUR].reshape(-1, frozen.images.shape[-1])
        seen = (flat.astype(np.float32) - heads["image.mean"]) * heads["image.inverse_deviation"]
        histograms = self.fronts.histograms.reshape(-1, HISTOGRAM_SIZE)[::2].astype(np.float32)
        heads |= look_arrays(
            np.clip(seen[::2], -5, 5), histograms, config.heads.words_dimension, config.look
        )
        # Not through the registry: its fingerprint needs the files that are written here.
        manifest = tomllib.loads((MANIFEST_DIR / f"{MODEL}.toml").read_text())
        version = str(manifest["version"])
        build_image_tower(image, heads, out / "image.onnx", version)
        build_text_tower(text, Int8Linear(ranges), heads, out / "text.onnx", version)
        return {
            "config": asdict(config),
            "photographs": len(self.fronts.photos),
            "views": list(VIEWS),
            "texts": len(self._head_pool.texts),
            "wordpieces": len(text["embeddings.word_embeddings.weight"]),
            "fine_tuning": fine_tuning,
            "heads": history,
        }

    def _frozen(self, image: Tensors, text_features: TextFeatures) -> Frozen:
        config = self._config
        parts = ("seed", "captions_per_view", "off_topic_texts", "finetune", "vocabulary")
        name = f"{config.digest(*parts)}-{config.heads.gender_said:g}"

        def compute() -> tuple[Tensors, list[dict[str, float]]]:
            images = image_features(ImageNetwork(image), self.fronts)
            return {"images": images, "texts": text_features(self._head_pool.texts)}, []

        found, _ = self._cached(f"frozen-{name}", compute)
        return Frozen(found["images"], found["texts"])

    def _cached(
        self, name: str, compute: Callable[[], tuple[Tensors, list[dict[str, float]]]]
    ) -> tuple[Tensors, list[dict[str, float]]]:
        path = self._folder / f"{name}.safetensors"
        notes = path.with_suffix(".json")
        if not (path.exists() and notes.exists()):
            found, history = compute()
            write_safetensors(path, found, {})
            notes.write_text(json.dumps(history))
        return dict(read_safetensors(path)), json.loads(notes.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--workers", type=int, default=2, help="that prepare views")
    parser.add_argument("--out", type=Path, default=PACKAGE_DIR / SHIPPED)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    started = time.monotonic()
    report = Training(load_config(), arguments.data, arguments.workers).towers(arguments.out)
    write_report(report, arguments.out)
    print(f"{report['photographs']} photographs, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
