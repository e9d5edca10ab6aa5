"""The doorways: parse, call, render."""
