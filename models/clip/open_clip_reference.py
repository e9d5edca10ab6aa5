"""CLIP and SigLIP as open_clip lays them out on the hub (the Marqo models)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

from models.clip.reference import Ids, Pixels, Vectors
from models.clip.torch_library import torch_library
from models.clip.weights import (
    Activation,
    AttentionPool,
    Block,
    Dense,
    ImageWeights,
    TextWeights,
    array,
    dense,
    norm,
    patches,
    without_bias,
)

CONFIG_FILE = "open_clip_config.json"
_KINDS = {"shortest": "resize-crop", "squash": "squash"}
_CLEANINGS = {"lower": "open_clip-lower", "canonicalize": "open_clip-canonicalize"}


class OpenClipReference:
    """See models.clip.reference.Reference."""

    def __init__(self, folder: Path) -> None:
        open_clip = torch_library("open_clip")
        name = f"local-dir:{folder}"
        model, _, self._transform = open_clip.create_model_and_transforms(name)
        self._model = model.float().eval()
        self._tokens = open_clip.get_tokenizer(name)
        config = json.loads((folder / CONFIG_FILE).read_bytes())
        self._text_config = config["model_cfg"]["text_cfg"]
        self._is_siglip = hasattr(self._model.visual, "trunk")
        self.image = self._siglip_image() if self._is_siglip else self._clip_image()
        self.text = self._text_weights()
        self.preprocessing = self._preprocessing(open_clip)
        self.tokenizer = self._tokenizer_table()

    def pixel_values(self, picture: Pixels) -> Vectors:
        return np.asarray(self._transform(Image.fromarray(picture)).numpy(), np.float32)

    def token_ids(self, texts: Sequence[str]) -> Ids:
        return np.asarray(self._tokens(list(texts)).numpy(), np.int64)

    def embed_images(self, pixel_values: Vectors) -> Vectors:
        with torch.no_grad():
            vectors = self._model.encode_image(torch.from_numpy(pixel_values), normalize=True)
        return np.asarray(vectors.numpy(), np.float32)

    def embed_texts(self, ids: Ids) -> Vectors:
        with torch.no_grad():
            vectors = self._model.encode_text(torch.from_numpy(ids), normalize=True)
        return np.asarray(vectors.numpy(), np.float32)

    def tokenizer_json(self) -> str:
        if self._is_huggingface:
            return str(self._tokens.tokenizer.backend_tokenizer.to_str())
        return _byte_pairs_as_json(self._tokens)

    @property
    def _is_huggingface(self) -> bool:
        return hasattr(self._tokens, "tokenizer")

    def _clip_image(self) -> ImageWeights:
        visual = self._model.visual
        if visual.attn_pool is not None or visual.pool_type != "tok" or visual.final_ln_after_pool:
            raise ValueError("the image tower pools in a way that is not known")
        positions = array(visual.positional_embedding).copy()
        positions[0] += array(visual.class_embedding)
        blocks = visual.transformer.resblocks
        side_px, patch_px = visual.image_size[0], visual.conv1.kernel_size[0]
        return ImageWeights(
            side_px=int(side_px),
            patch_px=int(patch_px),
            heads=int(blocks[0].attn.num_heads),
            activation=_activation(blocks[0].mlp.gelu),
            patch=patches(visual.conv1),
            has_class_token=True,
            positions=positions,
            pre_norm=norm(visual.ln_pre),
            blocks=tuple(_block(block) for block in blocks),
            post_norm=norm(visual.ln_post),
            pool=None,
            projection=without_bias(visual.proj),
        )

    def _siglip_image(self) -> ImageWeights:
        trunk = self._model.visual.trunk
        if len(self._model.visual.head) or trunk.attn_pool is None or trunk.cls_token is not None:
            raise ValueError("the image tower is another than SigLIP's")
        blocks = trunk.blocks
        return ImageWeights(
            side_px=int(trunk.patch_embed.img_size[0]),
            patch_px=int(trunk.patch_embed.patch_size[0]),
            heads=int(blocks[0].attn.num_heads),
            activation=_activation(blocks[0].mlp.act),
            patch=patches(trunk.patch_embed.proj),
            has_class_token=False,
            positions=array(trunk.pos_embed)[0],
            pre_norm=None,
            blocks=tuple(
                Block(
                    norm_1=norm(block.norm1),
                    qkv=dense(block.attn.qkv),
                    out=dense(block.attn.proj),
                    norm_2=norm(block.norm2),
                    up=dense(block.mlp.fc1),
                    down=dense(block.mlp.fc2),
                )
                for block in blocks
            ),
            post_norm=norm(trunk.norm),
            pool=_attention_pool(trunk.attn_pool),
            projection=None,
        )

    def _text_weights(self) -> TextWeights:
        # A SigLIP's text tower is a module of its own, CLIP's lies open in the model.
        text: Any = self._model.text if self._is_siglip else self._model
        blocks = text.transformer.resblocks
        pool = text.pool_type if self._is_siglip else text.text_pool_type
        if pool not in ("last", "argmax") or getattr(text, "cls_emb", None) is not None:
            raise ValueError(f"the text tower pools by {pool!r}, which is not known")
        projection = text.text_projection
        is_linear = isinstance(projection, torch.nn.Linear)
        return TextWeights(
            heads=int(blocks[0].attn.num_heads),
            activation=_activation(blocks[0].mlp.gelu),
            tokens=array(text.token_embedding.weight),
            positions=array(text.positional_embedding),
            causal=text.attn_mask is not None,
            blocks=tuple(_block(block) for block in blocks),
            final_norm=norm(text.ln_final),
            pool="last" if pool == "last" else "highest",
            end_id=-1,
            projection=dense(projection) if is_linear else without_bias(projection),
        )

    def _preprocessing(self, open_clip: Any) -> Mapping[str, Any]:
        config = open_clip.get_model_preprocess_cfg(self._model)
        return {
            "kind": _KINDS[config["resize_mode"]],
            "side_px": self.image.side_px,
            "interpolation": config["interpolation"],
            "arithmetic": "torchvision",
            "mean": [float(x) for x in config["mean"]],
            "std": [float(x) for x in config["std"]],
        }

    def _tokenizer_table(self) -> Mapping[str, Any]:
        cleaning = self._text_config.get("tokenizer_kwargs", {}).get("clean")
        if self._is_huggingface:
            inner = self._tokens.tokenizer
            pad_id, end_id = int(inner.pad_token_id), int(inner.eos_token_id)
        else:
            pad_id, end_id = 0, int(self._tokens.eot_token_id)
        return {
            "kind": "unigram" if self._is_huggingface else "bpe",
            "context_length_tokens": int(self._tokens.context_length),
            "pad_to_context": not self.text.causal,
            "pad_id": pad_id,
            "end_id": end_id,
            "cleaning": _CLEANINGS[cleaning or "lower"],
        }


def _block(block: Any) -> Block:
    attention = block.attn
    return Block(
        norm_1=norm(block.ln_1),
        qkv=Dense(array(attention.in_proj_weight), array(attention.in_proj_bias)),
        out=dense(attention.out_proj),
        norm_2=norm(block.ln_2),
        up=dense(block.mlp.c_fc),
        down=dense(block.mlp.c_proj),
    )


def _attention_pool(pool: Any) -> AttentionPool:
    latent, query = array(pool.latent).reshape(-1), dense(pool.q)
    return AttentionPool(
        query=np.asarray(query.weight @ latent + query.bias, np.float32),
        key_value=dense(pool.kv),
        out=dense(pool.proj),
        norm=norm(pool.norm),
        up=dense(pool.mlp.fc1),
        down=dense(pool.mlp.fc2),
    )


def _activation(module: Any) -> Activation:
    name = type(module).__name__
    if name == "QuickGELU":
        return "quick_gelu"
    if name == "GELUTanh" or getattr(module, "approximate", "none") == "tanh":
        return "gelu_tanh"
    if name == "GELU":
        return "gelu"
    raise ValueError(f"the activation {name} is not known")


def _byte_pairs_as_json(simple: Any) -> str:
    """open_clip's own byte-pair tokenizer, which lives in Python, as a tokenizer.json."""
    start, end = simple.decoder[simple.sot_token_id], simple.decoder[simple.eot_token_id]
    ranked = sorted(simple.bpe_ranks, key=simple.bpe_ranks.__getitem__)
    tokenizer = Tokenizer(
        models.BPE(vocab=simple.encoder, merges=ranked, end_of_word_suffix="</w>")
    )
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.add_special_tokens([start, end])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, simple.sot_token_id), (end, simple.eot_token_id)],
    )
    return str(tokenizer.to_str())
