"""Checkpoints of the CLIP family in the file layouts of the hub, with random weights.

Depth and width are smaller than the published ones; patch, side and context are theirs. Weights
are drawn so that different inputs give clearly different vectors: with a network's usual
initialisation all vectors are nearly one, and any export would look exact.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from models.clip.golden import CALIBRATION_TEXTS, GOLDEN_TEXTS
from models.clip.torch_library import torch_library

transformers = torch_library("transformers")
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
_START, _END = "<|startoftext|>", "<|endoftext|>"
_TRANSFORMER = {
    "hidden_size": 96,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """A manifest of the repository and how to make a checkpoint of its kind."""

    manifest: str
    make: Callable[[Path], None]
    dimension: int


def lively(module: Any, seed: int) -> Any:
    """The module with weights under which signals keep their size."""
    dice = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=dice)
            if parameter.dim() > 1:
                fan_in = parameter[0].numel() if "embedding" not in name else 4
                parameter.copy_(noise * fan_in**-0.5)
            elif name.endswith("weight"):
                parameter.copy_(1 + 0.2 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.1 * noise)
    return module.eval()


def _write_json(folder: Path, name: str, document: Any) -> None:
    (folder / name).write_text(json.dumps(document, ensure_ascii=False, indent=2))


def _clip_vocabulary(folder: Path) -> None:
    """CLIP's real byte pairs, as vocab.json and merges.txt have them."""
    simple = torch_library("open_clip").tokenizer.SimpleTokenizer()
    names = {simple.sot_token_id: _START, simple.eot_token_id: _END}
    vocabulary = {names.get(number, token): number for token, number in simple.encoder.items()}
    _write_json(folder, "vocab.json", vocabulary)
    ranked = sorted(simple.bpe_ranks, key=simple.bpe_ranks.__getitem__)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in ranked), ""]
    (folder / "merges.txt").write_text("\n".join(lines))
    special = {
        "bos_token": {"content": _START, "normalized": True, "single_word": False},
        "eos_token": {"content": _END, "normalized": True, "single_word": False},
        "unk_token": {"content": _END, "normalized": True, "single_word": False},
        "pad_token": _END,
    }
    _write_json(folder, "special_tokens_map.json", special)
    _write_json(
        folder,
        "tokenizer_config.json",
        {
            "unk_token": _END,
            "bos_token": _START,
            "eos_token": _END,
            "pad_token": _END,
            "add_prefix_space": False,
            "errors": "replace",
            "do_lower_case": True,
            "model_max_length": 77,
            "tokenizer_class": "CLIPTokenizer",
        },
    )


def _transformers_clip(patch_px: int, as_safetensors: bool, seed: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        text = {**_TRANSFORMER, "vocab_size": 49408, "max_position_embeddings": 77}
        # The published configurations say 2, and the reference knows what they mean.
        text |= {"eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 1}
        vision = {**_TRANSFORMER, "image_size": 224, "patch_size": patch_px}
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=64)
        model = lively(transformers.CLIPModel(config), seed)
        if as_safetensors:
            model.save_pretrained(folder)
        else:
            config.architectures = ["CLIPModel"]
            config.save_pretrained(folder)
            torch.save(model.state_dict(), folder / "pytorch_model.bin")
        _clip_vocabulary(folder)
        _write_json(
            folder,
            "preprocessor_config.json",
            {
                "crop_size": 224,
                "do_center_crop": True,
                "do_normalize": True,
                "do_resize": True,
                "feature_extractor_type": "CLIPFeatureExtractor",
                "image_mean": CLIP_MEAN,
                "image_std": CLIP_STD,
                "resample": 3,
                "size": 224,
            },
        )

    return make


def _corpus() -> list[str]:
    return [text for text in (*CALIBRATION_TEXTS, *GOLDEN_TEXTS) if text.strip()] * 3


def _siglip_model(folder: Path, vocabulary_size: int, activation: str, seed: int) -> None:
    text = {**_TRANSFORMER, "vocab_size": vocabulary_size, "max_position_embeddings": 64}
    text |= {"hidden_act": activation, "projection_size": 96}
    vision = {**_TRANSFORMER, "image_size": 224, "patch_size": 16, "hidden_act": activation}
    config = transformers.SiglipConfig(text_config=text, vision_config=vision)
    lively(transformers.SiglipModel(config), seed).save_pretrained(folder)


def _siglip_preprocessor(folder: Path, resample: int) -> None:
    _write_json(
        folder,
        "preprocessor_config.json",
        {
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5] * 3,
            "image_processor_type": "SiglipImageProcessor",
            "image_std": [0.5] * 3,
            "processor_class": "SiglipProcessor",
            "resample": resample,
            "rescale_factor": 0.00392156862745098,
            "size": {"height": 224, "width": 224},
        },
    )


def _sentencepiece(folder: Path) -> int:
    """A unigram model with T5's ids and rules; returns its size."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text.lower() for text in _corpus()]),
        model_prefix=str(folder / "spiece"),
        vocab_size=400,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    (folder / "spiece.vocab").unlink()
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    return int(processor.get_piece_size())


def _siglip(folder: Path) -> None:
    _siglip_model(folder, _sentencepiece(folder), "gelu_pytorch_tanh", 31)
    _siglip_preprocessor(folder, 3)
    _write_json(
        folder,
        "tokenizer_config.json",
        {
            "additional_special_tokens": [],
            "clean_up_tokenization_spaces": True,
            "do_lower_case": True,
            "eos_token": "</s>",
            "model_input_names": ["input_ids"],
            "model_max_length": 64,
            "pad_token": "</s>",
            "sp_model_kwargs": {},
            "tokenizer_class": "SiglipTokenizer",
            "unk_token": "<unk>",
        },
    )
    _write_json(
        folder,
        "special_tokens_map.json",
        {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"},
    )


def _siglip2(folder: Path) -> None:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    learner = Tokenizer(models.BPE(unk_token="<unk>"))
    learner.normalizer = normalizers.Replace(" ", "\u2581")
    learner.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    data = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=data, limit_alphabet=60, show_progress=False
    )
    learner.train_from_iterator([text.lower() for text in _corpus()], trainer)
    learned = json.loads(learner.to_str())["model"]
    tokenizer = Tokenizer(
        models.BPE(
            vocab=learned["vocab"],
            merges=[tuple(pair) for pair in learned["merges"]],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder,
        "tokenizer_config.json",
        {
            "add_bos_token": False,
            "add_eos_token": True,
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "model_max_length": 64,
            "padding_side": "right",
            "processor_class": "SiglipProcessor",
            "tokenizer_class": "GemmaTokenizer",
        },
    )
    _write_json(
        folder,
        "special_tokens_map.json",
        {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"},
    )
    _siglip_model(folder, tokenizer.get_vocab_size(), "gelu_pytorch_tanh", 37)
    _siglip_preprocessor(folder, 2)


def _open_clip(folder: Path, config: dict[str, Any], preprocess: dict[str, Any], seed: int) -> None:
    document = {"model_cfg": config, "preprocess_cfg": preprocess}
    _write_json(folder, "open_clip_config.json", document)
    model = torch_library("open_clip").create_model(f"local-dir:{folder}", load_weights=False)
    lively(model, seed)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")


def _marqo_siglip(folder: Path) -> None:
    size = _sentencepiece(folder)
    text = {
        "context_length": 64,
        "vocab_size": size,
        "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 768,
        "heads": 12,
        "layers": 1,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    }
    vision = {
        "image_size": 224,
        "timm_model_name": "vit_base_patch16_siglip_224",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    }
    config = {"embed_dim": 768, "init_logit_bias": -10, "custom_text": True}
    preprocess = {
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }
    _t5_tokenizer(folder)
    _open_clip(folder, {**config, "vision_cfg": vision, "text_cfg": text}, preprocess, 41)


def _t5_tokenizer(folder: Path) -> None:
    """The unigram model as the tokenizer.json of a fast T5 tokenizer, as published."""
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString((folder / "spiece.model").read_bytes())
    (folder / "spiece.model").unlink()
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    tokenizer = Tokenizer(models.Unigram(pieces, 2, False))
    charsmap = proto.normalizer_spec.precompiled_charsmap
    tokenizer.normalizer = normalizers.Precompiled(charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder,
        "tokenizer_config.json",
        {
            "additional_special_tokens": [],
            "eos_token": "</s>",
            "extra_ids": 0,
            "model_max_length": 64,
            "pad_token": "</s>",
            "tokenizer_class": "T5Tokenizer",
            "unk_token": "<unk>",
        },
    )


def _marqo_clip(folder: Path) -> None:
    vision = {"image_size": 224, "layers": 2, "width": 96, "head_width": 24, "patch_size": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 2}
    config = {"embed_dim": 64, "vision_cfg": vision, "text_cfg": text}
    preprocess = {
        "mean": CLIP_MEAN,
        "std": CLIP_STD,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    _open_clip(folder, config, preprocess, 43)


ARCHITECTURES = {
    "clip-vit-b-32": Architecture("clip-vit-b-32", _transformers_clip(32, False, 11), 64),
    "clip-vit-b-16": Architecture("clip-vit-b-16", _transformers_clip(16, False, 13), 64),
    "fashion-clip": Architecture("fashion-clip", _transformers_clip(32, True, 17), 64),
    "siglip-base": Architecture("siglip-base", _siglip, 96),
    "siglip2-base": Architecture("siglip2-base", _siglip2, 96),
    "marqo-fashion-clip": Architecture("marqo-fashion-clip", _marqo_clip, 64),
    "fashion-siglip": Architecture("fashion-siglip", _marqo_siglip, 768),
}
