"""A GPU for machines without one: tensors that have a shape, a type and a device but no numbers.

It shows that nothing mixes devices, or types in a product, which a true GPU refuses. It shows nothing of numbers, memory
or speed, and which kernels there are is what torch says of an H100.
"""

import ctypes
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

# c10::impl::device_guard_impl_registry, and places in it, which are those of c10::DeviceType
GUARDS = "_ZN3c104impl26device_guard_impl_registryE"
CUDA, PRIVATE = 1, 20


class Guard(torch._C._acc.DeviceGuard):
    """What switches between devices, here to none."""

    def type_(self):
        return torch._C._autograd.DeviceType.CUDA


GUARD = Guard()  # torch keeps its address alone


class Products(TorchDispatchMode):
    """Counts products by operation, device and type; refuses those of several devices or types."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        packet, kwargs = function._overloadpacket, kwargs or {}
        if packet in flop_registry:
            given = [x for x in args if isinstance(x, torch.Tensor)]
            factors = [x for x in args[:4] if isinstance(x, torch.Tensor) and x.is_floating_point()]
            devices, types = {x.device.type for x in given}, {x.dtype for x in factors}
            assert len(devices) == len(types) == 1, f"{packet} of {types} on {devices}"
            self.found[packet.__name__, *devices, *types] += 1
        elif function.namespace == "aten":
            with self:  # inference mode leaves some in one piece
                result = function.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        return function(*args, **kwargs)

    def kinds(self):
        """Device and type of all of them."""
        return {(device, dtype) for _, device, dtype in self.found}


@pytest.fixture
def fake_gpu(monkeypatch):
    """``with fake_gpu() as products:``, and what is done there with "cuda" is done on an H100."""
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (9, 0))
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attend)
    monkeypatch.setattr(torch.Tensor, "numpy", zeros)
    monkeypatch.setattr(torch.Tensor, "isfinite", lambda x: np.ones(1, dtype=bool))
    with guarded():
        yield mode


@contextmanager
def mode():
    with FakeTensorMode(allow_non_fake_inputs=True), Products() as products:
        yield products


@contextmanager
def guarded():
    """A torch without CUDA lacks the entry that switches to its devices, which even a slice looks up."""
    if torch.backends.cuda.is_built():
        yield
        return
    if sys.platform != "linux":
        pytest.skip("the registry has another name here")
    c10 = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libc10.so"))
    guards = (ctypes.c_void_p * (PRIVATE + 1)).in_dll(c10, GUARDS)
    torch._C._acc.register_python_privateuseone_device_guard(GUARD)
    guards[CUDA], guards[PRIVATE] = guards[PRIVATE], None
    yield
    guards[CUDA] = None


def attend(query, key, value, attn_mask=None):
    """The kernel that a GPU has for it; a torch without CUDA would show products of float32 instead."""
    bias = None if attn_mask is None else attn_mask.expand(*query.shape[:-1], key.shape[-2])
    kernel = torch.ops.aten._scaled_dot_product_efficient_attention
    return kernel(query, key, value, bias, torch.is_grad_enabled())[0]


def zeros(x):
    """Zeros where torch would give numbers: of what is on the processor, in a type that numpy has."""
    assert x.device.type == "cpu"
    return np.zeros(tuple(x.shape), dtype=str(x.dtype).removeprefix("torch."))
