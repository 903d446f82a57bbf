"""ESM C in our engine against the esm package's own modules: logits, every layer, attention of every block."""

import numpy as np
import pytest
import torch

from esmviz.models import esm_package
from esmviz.models.base import AMINO_ACID_TOKENS, tokens
from esmviz.models.checkpoints import load
from esmviz.models.folders import describe
from esmviz.models.transformer import TransformerBackend
from esmviz.types import KeepHeads, Request

CLOSE = {"rtol": 0, "atol": 1e-4}
WIDTH, HEADS, LAYERS = 128, 2, 3


@pytest.fixture(scope="module")
def package_model():
    if not esm_package.is_installed():
        pytest.skip(f"the esm package is not installed: {esm_package.COMMAND}")
    from esm.models.esmc import ESMC
    from esm.tokenization import EsmSequenceTokenizer

    torch.manual_seed(7)
    model = ESMC(WIDTH, HEADS, LAYERS, EsmSequenceTokenizer(), use_flash_attn=False)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(0, 0.12) if weight.dim() > 1 else weight.add_(torch.randn_like(weight), alpha=0.2)
            if name.endswith(("q_ln.weight", "k_ln.weight")):
                weight.fill_(2.0)
    return model.eval()


@pytest.fixture(scope="module")
def backend(package_model, tmp_path_factory):
    """Its file, as EvolutionaryScale writes one, through our loader and engine."""
    path = tmp_path_factory.mktemp("esmc") / "esmc_small_v0.pth"
    torch.save(package_model.state_dict(), path)
    spec = describe(path, "esmc")
    return TransformerBackend(spec, "0" * 64, load(path, spec, "cpu"), max_tokens=64)


@torch.inference_mode()
def by_the_package(model, record):
    """Logits (L, A), states (layers + 1, L, D) and attention (layers, H, L, L) of ``ESMC.forward``."""
    ids, attention = torch.from_numpy(tokens(record))[None], []

    def keep(module, given, made):
        query, key, _ = module.layernorm_qkv(given[0]).chunk(3, dim=-1)
        query, key = module._apply_rotary(module.q_ln(query), module.k_ln(key))
        query, key = (x.unflatten(-1, (module.n_heads, -1)).transpose(1, 2) for x in (query, key))
        attention.append((query @ key.transpose(2, 3) / module.d_head**0.5).softmax(-1))

    hooks = [block.attn.register_forward_hook(keep) for block in model.transformer.blocks]
    output = model(ids)
    for hook in hooks:
        hook.remove()
    # Its hidden states are the blocks' outputs, the last before the norm; ``embeddings`` is after it.
    states = torch.stack([model.embed(ids), *output.hidden_states[:-1], output.embeddings])
    logits = output.sequence_logits[0, 1:-1, list(AMINO_ACID_TOKENS)]
    return logits, states[:, 0, 1:-1], torch.stack(attention)[:, 0, :, 1:-1, 1:-1]


def test_logits_states_and_attention_equal_the_package(package_model, backend, mixed, assert_states_close):
    probes = tuple(KeepHeads(layer, tuple(range(HEADS))) for layer in range(1, LAYERS + 1))
    layers = tuple(range(LAYERS + 1))
    request = Request(logits=True, layers=layers, keep_residues=True, probes=probes)
    for record, output in zip(mixed, backend.run(mixed, request), strict=True):
        logits, states, attention = by_the_package(package_model, record)
        np.testing.assert_allclose(output.logits, logits, **CLOSE)
        assert_states_close(output.hidden_states, states)
        for probe in probes:
            np.testing.assert_allclose(output.probes[probe.key], attention[probe.layer - 1], **CLOSE)


def test_attention_of_the_stand_in_is_far_from_uniform(package_model, mixed):
    _, _, attention = by_the_package(package_model, mixed[0])
    assert (attention.amax(-1).mean((1, 2)) > 4 / attention.shape[-1]).all()
