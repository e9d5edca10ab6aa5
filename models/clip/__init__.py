"""The CLIP family: checkpoints of the hub become two ONNX towers, proved against torch."""
