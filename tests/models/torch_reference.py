"""The two towers' networks written once more in torch, as the parity tests' reference."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.efficientnet import BATCH_NORM_EPSILON, HEAD_CHANNELS, STAGES, same_padding


class _Conv(nn.Module):
    """Convolution with TensorFlow's padding, batch normalisation, perhaps relu6."""

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int, depthwise: bool, activate: bool
    ) -> None:
        super().__init__()
        groups = channels if depthwise else 1
        self.conv = nn.Conv2d(channels, out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=BATCH_NORM_EPSILON)
        self.kernel, self.stride, self.activate = kernel, stride, activate

    def forward(self, x: Tensor) -> Tensor:
        before, after = same_padding(x.shape[-1], self.kernel, self.stride)
        y = self.norm(self.conv(functional.pad(x, (before, after, before, after))))
        return functional.relu6(y) if self.activate else y


class _Block(nn.Module):
    def __init__(self, channels: int, out: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = channels * expand
        self.expand = _Conv(channels, wide, 1, 1, False, True) if expand > 1 else None
        self.depthwise = _Conv(wide, wide, kernel, stride, True, True)
        self.project = _Conv(wide, out, 1, 1, False, False)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return x + y if self.residual else y


class EfficientNetLite2(nn.Module):
    """(n, 3, 260, 260) -> (n, 1280, 9, 9), the last convolution after relu6."""

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        super().__init__()
        self.stem = _Conv(3, 32, 3, 2, False, True)
        blocks: list[_Block] = []
        channels = 32
        for stage, (count, kernel, stride, out) in enumerate(STAGES):
            for index in range(count):
                expand = 1 if stage == 0 else 6
                blocks.append(_Block(channels, out, kernel, stride if index == 0 else 1, expand))
                channels = out
        self.blocks = nn.ModuleList(blocks)
        self.head = _Conv(channels, HEAD_CHANNELS, 1, 1, False, True)
        _load(self.stem, tensors, "_conv_stem", "_bn0")
        for number, block in enumerate(blocks):
            prefix = f"_blocks.{number}"
            if block.expand is not None:
                _load(block.expand, tensors, f"{prefix}._expand_conv", f"{prefix}._bn0")
            _load(block.depthwise, tensors, f"{prefix}._depthwise_conv", f"{prefix}._bn1")
            _load(block.project, tensors, f"{prefix}._project_conv", f"{prefix}._bn2")
        _load(self.head, tensors, "_conv_head", "_bn1")
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)  # type: ignore[no-any-return]


def _load(module: _Conv, tensors: Mapping[str, Any], conv: str, norm: str) -> None:
    module.conv.weight.data = torch.tensor(tensors[f"{conv}.weight"])
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(module.norm, name).data = torch.tensor(tensors[f"{norm}.{name}"])


def minilm_mean_pooled(tensors: Mapping[str, Any], ids: Tensor, mask: Tensor) -> Tensor:
    """BERT with mean pooling, functionally: (n, tokens) -> (n, 384)."""
    t = {name: torch.tensor(value) for name, value in tensors.items()}

    def norm(x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, (384,), t[f"{name}.weight"], t[f"{name}.bias"], 1e-12)

    def linear(x: Tensor, name: str) -> Tensor:
        return functional.linear(x, t[f"{name}.weight"], t[f"{name}.bias"])

    x = (
        t["embeddings.word_embeddings.weight"][ids]
        + t["embeddings.position_embeddings.weight"][: ids.shape[1]]
        + t["embeddings.token_type_embeddings.weight"][0]
    )
    x = norm(x, "embeddings.LayerNorm")
    n, tokens = ids.shape
    for layer in range(6):
        p = f"encoder.layer.{layer}"
        query, key, value = (
            linear(x, f"{p}.attention.self.{part}").view(n, tokens, 12, 32).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask[:, None, None, :].bool()
        )
        attended = attended.transpose(1, 2).reshape(n, tokens, 384)
        attended = linear(attended, f"{p}.attention.output.dense")
        x = norm(x + attended, f"{p}.attention.output.LayerNorm")
        hidden = functional.gelu(linear(x, f"{p}.intermediate.dense"))
        x = norm(x + linear(hidden, f"{p}.output.dense"), f"{p}.output.LayerNorm")
    weights = mask[:, :, None].float()
    return (x * weights).sum(1) / weights.sum(1)
