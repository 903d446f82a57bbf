"""Every way through the engine on a GPU that has no numbers: nothing mixes devices, and half precision stays half."""

import json
from typing import get_args

import pytest
import torch
from safetensors.torch import save_file

from esmviz.models.base import sites
from esmviz.models.checkpoints import load
from esmviz.models.folders import describe
from esmviz.models.layouts import layout, settled
from esmviz.models.transformer import TransformerBackend
from esmviz.types import (
    ContactHead,
    HeadStatistic,
    KeepHeads,
    OverHeads,
    ProteinRecord,
    Request,
    Rollout,
    Statistic,
    Thumbnails,
)
from tests.fake_gpu import fake_gpu  # noqa: F401  fixture

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
ESM = {"model_type": "esm", "token_dropout": True, "position_embedding_type": "rotary", **SMALL}
ELDER = ESM | {"position_embedding_type": "absolute", "emb_layer_norm_before": True}
ESMC = {"model_type": "esmc", **SMALL}
CONFIGS = {
    "rotary": ESM | {"architectures": ["EsmForMaskedLM"]},
    "absolute": ELDER | {"architectures": ["EsmForMaskedLM"]},
    "esmc": ESMC | {"architectures": ["EsmcForMaskedLM"]},
    "of-proteins": ESM | {"architectures": ["EsmForSequenceClassification"]},
    "of-residues": ESMC | {"architectures": ["EsmcForTokenClassification"]},
}
RECORDS = [ProteinRecord("long", "MKVLAWGHCDE"), ProteinRecord("short", "M")]
PROBES = (
    KeepHeads(2, (3, 0)),
    OverHeads(1, 2),
    OverHeads(1, 2, "max"),
    Thumbnails(3),
    Rollout(1, 2),
    *map(HeadStatistic, get_args(Statistic)),
)
TYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@pytest.fixture(params=CONFIGS)
def checkpoint(request, tmp_path):
    """Spec and network of a checkpoint of zeros, on the processor."""
    config = CONFIGS[request.param] | {"id2label": {"0": "a", "1": "b", "2": "c"}}
    shapes = layout(config["architectures"][0], settled(config), 3)
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    spec = describe(tmp_path, request.param)
    return spec, load(tmp_path, spec, "cpu")


@pytest.fixture(params=TYPES)
def precision(request):
    return request.param


def everything(spec, precision):
    """All that a model gives, in one request."""
    return Request(
        logits="logits" in spec.provides,
        predictions=spec.predictor is not None,
        layers=(0, 1, 2),
        pooling="mean",
        keep_residues=True,
        probes=(*PROBES, ContactHead()) if "contacts" in spec.provides else PROBES,
        precision=precision,
    )


def test_a_row_stays_there_in_its_type(checkpoint, precision, fake_gpu, monkeypatch):  # noqa: F811
    spec, network = checkpoint
    states = []
    with fake_gpu() as products:
        backend = TransformerBackend(spec, "r", network.to("cuda"), device="cuda")
        used, _ = backend._network(Request(precision=precision))
        run = used.block
        monkeypatch.setattr(used, "block", lambda *given: states.append(run(*given)) or states[-1])
        outputs = list(backend.run(RECORDS, everything(spec, precision)))
    assert {(x.device.type, x.dtype) for x in states} == {("cuda", TYPES[precision])}
    assert products.found["_varlen_attn", "cuda", torch.bfloat16] == (2 if precision == "bfloat16" else 0)
    assert [output.hidden_states.shape for output in outputs] == [(3, 11, 32), (3, 1, 32)]


@pytest.mark.parametrize("checkpoint", ["rotary", "absolute", "esmc"], indirect=True)
def test_a_masked_scan_multiplies_in_its_type_alone(checkpoint, precision, fake_gpu):  # noqa: F811
    spec, network = checkpoint
    with fake_gpu() as products:
        backend = TransformerBackend(spec, "r", network.to("cuda"), device="cuda")
        found = list(backend.run_masked(sites(RECORDS[0], range(11)), precision))
    assert products.kinds() == {("cuda", TYPES[precision])}
    assert [logits.shape for _, logits in found] == [(1, 20), (10, 20)]


def test_what_mixes_is_refused(fake_gpu):  # noqa: F811
    with fake_gpu():
        there = torch.zeros(2, 2).to("cuda")
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.zeros(2, 2)
        with pytest.raises(AssertionError, match="mm"):
            there @ there.bfloat16()
