"""transformers and open_clip, also beside a torch that torchvision's compiled part does not fit.

PyPI's torchvision is compiled for PyPI's torch; beside a CPU build of torch its operators do not
load, and importing it, which both libraries do, then fails where it describes two of them. Nothing
here calls them: declaring their names is enough.
"""

import importlib
import sys
from types import ModuleType

import torch

_DECLARED = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
# An operator lives as long as the library that declared it.
_LIBRARIES: list[torch.library.Library] = []


def torch_library(name: str) -> ModuleType:
    """A module of transformers or open_clip.

    Raises:
      ImportError: it is not installed.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for module in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[module]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator, schema in _DECLARED.items():
            if not hasattr(torch.ops.torchvision, operator):
                library.define(schema)
        _LIBRARIES.append(library)
    return importlib.import_module(name)
