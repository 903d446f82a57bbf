"""Which number format a request runs in. Results are float32 in any case."""

from __future__ import annotations

import torch

from esmviz.types import Precision, Request

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def asked(request: Request, override: Precision) -> Precision:
    """What is asked for: ``override``, unless that is ``auto``, else what the request says."""
    return request.precision if override == "auto" else override


def effective(request: Request, override: Precision, device: str) -> str:
    """The precision to use. ``auto`` is the fast one only for vectors; logits and attention, where its rounding shows,
    stay float32.
    """
    if (precision := asked(request, override)) != "auto":
        return precision
    others = request.logits or request.probes or request.predictions
    is_vectors_only = bool(request.layers) and not others
    return fastest(device) if is_vectors_only else "float32"


def fastest(device: str) -> str:
    """bfloat16 where the hardware multiplies it; float16 on a GPU that does not; else float32."""
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    checks = (
        getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return "bfloat16" if any(check() for check in checks if check is not None) else "float32"
