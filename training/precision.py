"""Whether a device is faster in bfloat16 than in float32."""

import torch

from esmviz.models.precision import fastest


def multiplies_bfloat16(device: torch.device) -> bool:
    """A processor without the instructions takes several times as long in bfloat16 as in float32."""
    return fastest(device.type) == "bfloat16"
