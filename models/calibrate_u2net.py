"""Measures the activation ranges of the cloth network: ``python -m models.calibrate_u2net DIR``.

Run by a maintainer when the fp32 graph changes; the result, two numbers per tensor, is committed
under ``models/calibration/`` so that nobody who builds the int8 graph needs a photograph.

For each tensor and each photograph the extremes over all pixels and channels are taken; the
range is the mean over the photographs of those extremes. One odd photograph then cannot stretch
the scale for all others, which the outermost extreme would allow.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from PIL import Image, ImageOps

from models.quantise_u2net import CALIBRATION_FILE, ranged_tensors
from models.registry import PACKAGE_DIR, installed, load_manifest, sha256_of


def network_input(photograph: Path, side_px: int) -> npt.NDArray[np.float32]:
    """A photograph as the network sees it, (1, 3, side, side) in [-1, 1].

    Source: bicubic, as in infer.py of github.com/levindabhi/cloth-segmentation.
    """
    with Image.open(photograph) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    squeezed = upright.resize((side_px, side_px), Image.Resampling.BICUBIC)
    pixels_hwc = np.asarray(squeezed, dtype=np.float32) / 127.5 - 1.0
    return np.ascontiguousarray(pixels_hwc.transpose(2, 0, 1)[np.newaxis])


def with_extremes(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """The graph with the extremes of each tensor as its only outputs.

    Reduced inside the graph: the activations of one photograph are some gigabytes.
    """
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    del probed.graph.output[:]
    for tensor in tensors:
        for op in ("ReduceMin", "ReduceMax"):
            name = f"{op}:{tensor}"
            probed.graph.node.append(onnx.helper.make_node(op, [tensor], [name], keepdims=0))
            probed.graph.output.append(
                onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [])
            )
    return probed


def calibrate(photographs: Sequence[Path]) -> dict[str, object]:
    """The contents of the calibration file."""
    path = installed("u2net-cloth") / "model.onnx"
    model = onnx.load(path)
    tensors = ranged_tensors(model)
    session = onnxruntime.InferenceSession(
        with_extremes(model, tensors).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    side_px = load_manifest("u2net-cloth").properties["side_px"]
    seen = []
    for number, photograph in enumerate(photographs, 1):
        extremes = session.run(None, {"pixels_nchw": network_input(photograph, side_px)})
        seen.append(np.array(extremes, dtype=np.float64).reshape(len(tensors), 2))
        print(f"{number}/{len(photographs)} {photograph.name}", flush=True)
    ranges = np.mean(seen, axis=0)
    # Known beforehand: white and black, whether or not these photographs reach them.
    ranges[tensors.index("pixels_nchw")] = (-1.0, 1.0)
    names = "\n".join(sorted(p.name for p in photographs)).encode()
    return {
        "graph_sha256": sha256_of(path),
        "photographs": len(photographs),
        "photograph_names_sha256": hashlib.sha256(names).hexdigest(),
        "ranges": {
            tensor: [float(f"{low:.5g}"), float(f"{high:.5g}")]
            for tensor, (low, high) in zip(tensors, ranges, strict=True)
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m models.calibrate_u2net", description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of 12 to 20 photographs of people")
    folder = parser.parse_args(arguments).folder
    photographs = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".png"))
    if not photographs:
        parser.error(f"{folder} holds no .jpg or .png")
    (PACKAGE_DIR / CALIBRATION_FILE).write_text(json.dumps(calibrate(photographs), indent=0) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
