"""The two networks in torch, for training: EfficientNet-Lite2's last stages and MiniLM.

Both take and give back the tensors of the published checkpoints by their published names, so that
the ONNX builders read trained and published weights alike. They are also the reference that
the ONNX graphs are tested against.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.efficientnet import BATCH_NORM_EPSILON, HEAD_CHANNELS, STAGES, same_padding
from models.lookalike_mini import CELL_FLOOR

Tensors = Mapping[str, npt.NDArray[Any]]
_NORM = ("weight", "bias", "running_mean", "running_var")
_STEM_CHANNELS = 32
_MINILM_LAYERS, _MINILM_WIDTH, _MINILM_HEADS = 6, 384, 12


class _FrozenDepthwise(torch.autograd.Function):
    """A depthwise convolution whose kernels do not learn.

    Its gradient to the input is a depthwise convolution too. torch's own backward pass takes
    several times the forward one's time on a processor, more than all the rest together, and the
    kernels have far fewer numbers than what surrounds them.
    """

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        context.save_for_backward(weight)
        context.stride, context.shape = stride, x.shape
        return functional.conv2d(x, weight.to(x.dtype), stride=stride, groups=x.shape[1])

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = context.saved_tensors
        weight = weight.to(gradient.dtype)
        if context.stride == 1:
            margin = weight.shape[2] - 1
            flipped = weight.flip(2, 3)
            found = functional.conv2d(gradient, flipped, padding=margin, groups=gradient.shape[1])
        else:
            found = torch.nn.grad.conv2d_input(
                context.shape, weight, gradient, stride=context.stride, groups=gradient.shape[1]
            )
        return found, None, None


class _Conv(nn.Module):
    """Convolution with TensorFlow's padding, batch normalisation, perhaps relu6."""

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int, depthwise: bool, activate: bool
    ) -> None:
        super().__init__()
        groups = channels if depthwise else 1
        self.conv = nn.Conv2d(channels, out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=BATCH_NORM_EPSILON)
        self.conv.requires_grad_(not depthwise)
        self.kernel, self.stride, self.activate = kernel, stride, activate
        self.depthwise = depthwise

    def forward(self, x: Tensor) -> Tensor:
        before, after = same_padding(x.shape[-1], self.kernel, self.stride)
        x = functional.pad(x, (before, after, before, after))
        if self.depthwise:
            y = _FrozenDepthwise.apply(x, self.conv.weight, self.stride)
        else:
            y = self.conv(x)
        y = self.norm(y)
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
    """From stage `first` on: first = 0 takes (n, 3, 260, 260), later ones their stage's input.

    Batch normalisation always uses the published statistics: the batches are small and their
    pictures much alike.
    """

    def __init__(self, tensors: Tensors, first: int = 0) -> None:
        super().__init__()
        self._convs: list[tuple[str, str, _Conv]] = []
        self.stem = _Conv(3, _STEM_CHANNELS, 3, 2, False, True) if first == 0 else None
        if self.stem is not None:
            self._convs.append(("_conv_stem", "_bn0", self.stem))
        stages = []
        channels, number = _STEM_CHANNELS, 0
        for stage, (count, kernel, stride, out) in enumerate(STAGES):
            blocks: list[nn.Module] = []
            for index in range(count):
                block = _Block(
                    channels, out, kernel, stride if index == 0 else 1, 1 if stage == 0 else 6
                )
                if stage >= first:
                    blocks.append(block)
                    self._name(f"_blocks.{number}", block)
                channels, number = out, number + 1
            if blocks:
                stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.head = _Conv(channels, HEAD_CHANNELS, 1, 1, False, True)
        self._convs.append(("_conv_head", "_bn1", self.head))
        for conv_name, norm_name, conv in self._convs:
            conv.conv.weight.data = torch.tensor(tensors[f"{conv_name}.weight"])
            for name in _NORM:
                getattr(conv.norm, name).data = torch.tensor(tensors[f"{norm_name}.{name}"])
        self.eval()

    def _name(self, prefix: str, block: _Block) -> None:
        if block.expand is not None:
            self._convs.append((f"{prefix}._expand_conv", f"{prefix}._bn0", block.expand))
        self._convs.append((f"{prefix}._depthwise_conv", f"{prefix}._bn1", block.depthwise))
        self._convs.append((f"{prefix}._project_conv", f"{prefix}._bn2", block.project))

    def train(self, mode: bool = True) -> "EfficientNetLite2":
        """Parameters learn in either mode; the normalisation's statistics never do."""
        return super().train(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Each stage's output, and last the head's (n, 1280, 9, 9)."""
        x = x if self.stem is None else self.stem(x)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return [*found, self.head(x)]

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        """The weights under their published names."""
        found = {}
        for conv_name, norm_name, conv in self._convs:
            found[f"{conv_name}.weight"] = conv.conv.weight
            for name in _NORM:
                found[f"{norm_name}.{name}"] = getattr(conv.norm, name)
        return {name: value.detach().float().numpy().copy() for name, value in found.items()}


def pooled(maps: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over the garment's own cells: (n, channels)."""
    weights = cells.flatten(1) + CELL_FLOOR
    weights = (weights / weights.sum(dim=1, keepdim=True)).unsqueeze(2)
    flat = maps.float().flatten(2)
    mean = (flat @ weights).squeeze(2)
    variance = ((flat * flat) @ weights).squeeze(2) - mean * mean
    return mean, variance.clamp(min=1e-6).sqrt()


class MiniLM(nn.Module):
    """BERT with mean pooling: (n, tokens) -> (n, 384), rows of length 1."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        self._names = {name.replace(".", "__"): name for name in tensors}
        # Token numbers are stored as well; they are no weights.
        for flat, name in self._names.items():
            value = torch.tensor(tensors[name])
            if value.is_floating_point():
                self.register_parameter(flat, nn.Parameter(value))

    def get(self, name: str) -> Tensor:
        """A weight by its published name."""
        value: Tensor = getattr(self, name.replace(".", "__"))
        return value

    def train_layers(self, last: int) -> list[nn.Parameter]:
        """Lets the last layers learn and nothing else; returns their parameters."""
        self.requires_grad_(False)
        chosen = []
        for flat, name in self._names.items():
            if any(f"encoder.layer.{i}." in name for i in range(_MINILM_LAYERS - last, 6)):
                parameter = getattr(self, flat)
                parameter.requires_grad_(True)
                chosen.append(parameter)
        return chosen

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        """The weights under their published names."""
        return {
            self._names[flat]: value.detach().float().numpy().copy()
            for flat, value in self.named_parameters()
        }

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        n, tokens = ids.shape
        x = (
            self.get("embeddings.word_embeddings.weight")[ids]
            + self.get("embeddings.position_embeddings.weight")[:tokens]
            + self.get("embeddings.token_type_embeddings.weight")[0]
        )
        x = self._norm(x, "embeddings.LayerNorm")
        seen = mask[:, None, None, :].bool()
        for layer in range(_MINILM_LAYERS):
            p = f"encoder.layer.{layer}"
            query, key, value = (
                self._linear(x, f"{p}.attention.self.{part}")
                .view(n, tokens, _MINILM_HEADS, -1)
                .transpose(1, 2)
                for part in ("query", "key", "value")
            )
            attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
            attended = attended.transpose(1, 2).reshape(n, tokens, _MINILM_WIDTH)
            attended = self._linear(attended, f"{p}.attention.output.dense")
            x = self._norm(x + attended, f"{p}.attention.output.LayerNorm")
            hidden = functional.gelu(self._linear(x, f"{p}.intermediate.dense"))
            x = self._norm(x + self._linear(hidden, f"{p}.output.dense"), f"{p}.output.LayerNorm")
        weights = mask[:, :, None].float()
        mean = (x * weights).sum(1) / weights.sum(1)
        return functional.normalize(mean.float(), dim=-1)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.get(f"{name}.weight"), self.get(f"{name}.bias")
        return functional.layer_norm(x.float(), (_MINILM_WIDTH,), weight, bias, 1e-12)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return functional.linear(x, self.get(f"{name}.weight"), self.get(f"{name}.bias"))
