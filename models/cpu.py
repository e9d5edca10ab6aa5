"""What the processor can do, for choosing a variant when a model is built."""

from pathlib import Path

_INTEGER_DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def has_integer_dot_products(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether int8 is faster than float here; False where the system does not tell."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return bool(_INTEGER_DOT_PRODUCTS & set(flags.split()))
