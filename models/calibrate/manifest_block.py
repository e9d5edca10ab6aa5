"""A calibration as the block of TOML that ends a manifest."""

import base64
from pathlib import Path

from models.calibrate.category import Rule
from models.calibrate.curves import Curve
from models.registry import CALIBRATION_MARK


def block(curves: dict[str, Curve], category: Rule | None, fitted_on: str, figures: str) -> str:
    """The text, from the mark on. Args: figures: what was measured, a line each."""
    lines = [f"{CALIBRATION_MARK.decode()}written by models.calibrate; docs/decisions/0035."]
    lines += [f"# {line}" for line in figures.splitlines()]
    lines += ["[properties.calibration]", f"fitted_on = {_quoted(fitted_on)}", ""]
    for kind, curve in curves.items():
        lines += [
            f"[properties.calibration.{kind}]",
            f"bias = {curve.bias:.5g}",
            f"score_weight = {curve.score_weight:.5g}",
            f"weak_below = {curve.weak_below:.4g}",
        ]
        if curve.usual_weight:
            lines += [
                f"usual_weight = {curve.usual_weight:.5g}",
                f"usual_cosine = {curve.usual_cosine:.5g}",
            ]
        if curve.topic is not None:
            topic = base64.b64encode(curve.topic.tobytes()).decode()
            lines += [f"topic_weight = {curve.topic_weight:.5g}", f'topic_int8 = "{topic}"']
        lines.append("")
    if category is not None:
        lines += [
            "[properties.calibration.category]",
            f"neighbour_count = {category.neighbour_count}",
            f"vote_scale = {category.vote_scale:.5g}",
            f"words_scale = {category.words_scale:.5g}",
            f"words_weight = {category.words_weight:.5g}",
            f"apply_from = {category.apply_from:.4g}",
            "",
        ]
    return "\n".join(lines)


def write(path: Path, text: str) -> None:
    """Puts the block at the end of a manifest, in place of the one that it has."""
    before = path.read_bytes().partition(CALIBRATION_MARK)[0].rstrip(b"\n") + b"\n"
    partial = path.with_suffix(".partial")
    partial.write_bytes(before + text.encode())
    partial.replace(path)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
