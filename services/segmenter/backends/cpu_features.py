"""What the processor can do, as far as the choice of a variant depends on it."""

from pathlib import Path

_VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def has_int8_dot_products(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether int8 is the faster variant: x86 with VNNI or AMX. False where nobody can tell."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _VNNI.isdisjoint(flags.split())
