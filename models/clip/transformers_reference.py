"""CLIP, SigLIP and SigLIP 2 as transformers lays them out on the hub."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from models.clip.reference import Ids, Pixels, Vectors
from models.clip.sentencepiece_json import sentencepiece_as_json
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
    joined,
    norm,
    patches,
)

_ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "quick_gelu": "quick_gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
}
_SENTENCEPIECE = "spiece.model"
_FILTERS = {int(Image.Resampling.BICUBIC): "bicubic", int(Image.Resampling.BILINEAR): "bilinear"}


class TransformersReference:
    """See models.clip.reference.Reference."""

    def __init__(self, folder: Path) -> None:
        library = torch_library("transformers")
        config = library.AutoConfig.from_pretrained(folder, local_files_only=True)
        if config.model_type not in ("clip", "siglip"):
            raise ValueError(f"model type {config.model_type!r} is neither clip nor siglip")
        self._model = library.AutoModel.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        self._is_clip = config.model_type == "clip"
        self._context = int(config.text_config.max_position_embeddings)
        # The processors on PIL: those on torch round their resizing differently.
        processor = getattr(
            library, "CLIPImageProcessorPil" if self._is_clip else "SiglipImageProcessorPil"
        )
        self._processor = processor.from_pretrained(folder, local_files_only=True)
        self._folder = folder
        self._has_sentencepiece = not self._is_clip and (folder / _SENTENCEPIECE).is_file()
        self._tokens = self._load_tokenizer(library)
        self.image = self._image_weights()
        self.text = self._text_weights()
        self.preprocessing = self._preprocessing()
        self.tokenizer = self._tokenizer_table()

    def pixel_values(self, picture: Pixels) -> Vectors:
        values = self._processor(images=Image.fromarray(picture), return_tensors="np")
        return np.asarray(values["pixel_values"][0], np.float32)

    def token_ids(self, texts: Sequence[str]) -> Ids:
        encoded = self._tokens(
            list(texts),
            padding="max_length",
            max_length=self._context,
            truncation=True,
            return_tensors="np",
        )
        return np.asarray(encoded["input_ids"], np.int64)

    def embed_images(self, pixel_values: Vectors) -> Vectors:
        with torch.no_grad():
            output = self._model.get_image_features(pixel_values=torch.from_numpy(pixel_values))
        return _unit(output.pooler_output)

    def embed_texts(self, ids: Ids) -> Vectors:
        with torch.no_grad():
            output = self._model.get_text_features(input_ids=torch.from_numpy(ids))
        return _unit(output.pooler_output)

    def tokenizer_json(self) -> str:
        if self._has_sentencepiece:
            return sentencepiece_as_json(self._folder / _SENTENCEPIECE, self._tokens.eos_token_id)
        return str(self._tokens.backend_tokenizer.to_str())

    def _load_tokenizer(self, library: Any) -> Any:
        options = {"local_files_only": True}
        if self._is_clip:
            return library.CLIPTokenizer.from_pretrained(self._folder, **options)
        if self._has_sentencepiece:
            return library.SiglipTokenizer.from_pretrained(self._folder, **options)
        # SigLIP 2 was trained on lower-cased text padded on the right (google-research/big_vision);
        # the published files leave both to whoever calls the tokenizer.
        return library.Siglip2Tokenizer.from_pretrained(
            self._folder, **options, padding_side="right", add_bos_token=False, add_eos_token=True
        )

    def _image_weights(self) -> ImageWeights:
        vision, config = self._model.vision_model, self._model.config.vision_config
        embeddings = vision.embeddings
        positions = array(embeddings.position_embedding.weight)
        if self._is_clip:
            positions = positions.copy()
            positions[0] += array(embeddings.class_embedding)
        return ImageWeights(
            side_px=int(config.image_size),
            patch_px=int(config.patch_size),
            heads=int(config.num_attention_heads),
            activation=_ACTIVATIONS[config.hidden_act],
            patch=patches(embeddings.patch_embedding),
            has_class_token=self._is_clip,
            positions=positions,
            pre_norm=norm(vision.pre_layrnorm) if self._is_clip else None,
            blocks=tuple(_block(layer) for layer in vision.encoder.layers),
            post_norm=norm(vision.post_layernorm),
            pool=None if self._is_clip else _attention_pool(vision.head),
            projection=dense(self._model.visual_projection) if self._is_clip else None,
        )

    def _text_weights(self) -> TextWeights:
        text, config = self._model.text_model, self._model.config.text_config
        # An old mistake in published files that the reference keeps: 2 stands for the highest id.
        by_id = config.eos_token_id != 2
        return TextWeights(
            heads=int(config.num_attention_heads),
            activation=_ACTIVATIONS[config.hidden_act],
            tokens=array(text.embeddings.token_embedding.weight),
            positions=array(text.embeddings.position_embedding.weight),
            causal=self._is_clip,
            blocks=tuple(_block(layer) for layer in text.encoder.layers),
            final_norm=norm(text.final_layer_norm),
            pool=("end" if by_id else "highest") if self._is_clip else "last",
            end_id=int(config.eos_token_id),
            projection=dense(self._model.text_projection if self._is_clip else text.head),
        )

    def _preprocessing(self) -> Mapping[str, Any]:
        processor = self._processor
        size = processor.size
        side = self.image.side_px
        if self._is_clip:
            known = size["shortest_edge"] == side and processor.crop_size["height"] == side
        else:
            known = size["height"] == size["width"] == side
        if not known or not processor.do_normalize or not processor.do_rescale:
            raise ValueError(f"the checkpoint's image processor is another than known: {processor}")
        return {
            "kind": "resize-crop" if self._is_clip else "squash",
            "side_px": side,
            "interpolation": _FILTERS[int(processor.resample)],
            "arithmetic": "transformers",
            "mean": [float(x) for x in processor.image_mean],
            "std": [float(x) for x in processor.image_std],
        }

    def _tokenizer_table(self) -> Mapping[str, Any]:
        sentencepiece = self._has_sentencepiece
        return {
            "kind": "unigram" if sentencepiece else "bpe",
            "context_length_tokens": self._context,
            # CLIP's text tower sees nothing behind the end token; SigLIP's was trained on it.
            "pad_to_context": not self._is_clip,
            "pad_id": int(self._tokens.pad_token_id),
            "end_id": int(self._tokens.eos_token_id),
            "cleaning": "siglip-canonicalize" if sentencepiece else "none",
        }


def _block(layer: Any) -> Block:
    attention = layer.self_attn
    return Block(
        norm_1=norm(layer.layer_norm1),
        qkv=joined(attention.q_proj, attention.k_proj, attention.v_proj),
        out=dense(attention.out_proj),
        norm_2=norm(layer.layer_norm2),
        up=dense(layer.mlp.fc1),
        down=dense(layer.mlp.fc2),
    )


def _attention_pool(head: Any) -> AttentionPool:
    probe = array(head.probe).reshape(-1)
    width = len(probe)
    weight, bias = array(head.attention.in_proj_weight), array(head.attention.in_proj_bias)
    return AttentionPool(
        query=np.asarray(weight[:width] @ probe + bias[:width], np.float32),
        key_value=Dense(weight[width:], bias[width:]),
        out=dense(head.attention.out_proj),
        norm=norm(head.layernorm),
        up=dense(head.mlp.fc1),
        down=dense(head.mlp.fc2),
    )


def _unit(features: torch.Tensor) -> Vectors:
    return np.asarray(torch.nn.functional.normalize(features, dim=-1).numpy(), np.float32)
