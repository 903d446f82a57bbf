"""What a measurement was taken on, and how busy it was."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

VECTORS = {  # of /proc/cpuinfo, the best first: what a processor multiplies, or not, in bfloat16
    "amx_bf16": "AMX in bfloat16",
    "avx512_bf16": "AVX-512 in bfloat16",
    "avx512f": "AVX-512 without bfloat16",
    "avx2": "AVX2",
}


def description() -> str:
    """One line: processor, cores, memory, versions, load."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    names = [line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "streamlit", "plotly"))
    flags = set(next((line for line in text.splitlines() if line.startswith("flags")), "").split())
    widest = next((name for flag, name in VECTORS.items() if flag in flags), "no AVX2")
    return (
        f"{names[0] if names else platform.machine()} with {widest}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}, {packages}; load average {os.getloadavg()[0]:.1f}"
    )


def table(rows: list[tuple[str, str, str]]) -> str:
    """Markdown of what, measured, aimed at."""
    head = "| what | measured | aim |\n|---|---|---|\n"
    return head + "\n".join(f"| {what} | {measured} | {aim} |" for what, measured, aim in rows)


def seconds(values: list[float]) -> str:
    """Median and range of several runs."""
    ordered = sorted(values)
    median = ordered[len(ordered) // 2]
    return f"{median:.2f} s" + (
        f" ({ordered[0]:.2f}–{ordered[-1]:.2f}, n={len(ordered)})" if len(ordered) > 1 else ""
    )
