"""Shared by all tests: three small proteins, the fake backend, and a real Workbench on top of it.

Keep it small: what one folder needs belongs into that folder's conftest.py.
"""

import json
import os
from dataclasses import replace

import pytest

from esmviz.models.ensemble import EnsembleBackend
from esmviz.models.fake import SPEC, FakeBackend, FakeModels
from esmviz.settings import Settings
from esmviz.types import ProteinRecord
from esmviz.workbench import Workbench


@pytest.fixture(autouse=True)
def no_settings_from_outside(request, monkeypatch, tmp_path):
    """The settings of whoever runs the tests reach only those that need real weights; no test writes to their data."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if request.node.get_closest_marker("weights") is None:
        for name in [name for name in os.environ if name.startswith("ESMVIZ_")]:
            monkeypatch.delenv(name)


@pytest.fixture
def records():
    """Two short proteins and one with a letter that is no standard amino acid."""
    return (
        ProteinRecord("first", "MKVLAWGH", labels={"family": "a"}),
        ProteinRecord("second", "ACDEFGHIKLMNP", labels={"family": "b"}),
        ProteinRecord("third", "MSTXKLV", labels={"family": "a"}),
    )


@pytest.fixture
def fake():
    """A backend that counts its calls; ``FakeBackend(fail_on=..., before_each=...)`` for other behaviour."""
    return FakeBackend()


@pytest.fixture
def ensemble_models(fake):
    """``fake``, two fakes more, and ``both``, the ensemble of these two: it gives logits and nothing else."""
    members = [FakeBackend(replace(SPEC, name=name, title=name)) for name in ("one", "two")]
    models = FakeModels(fake, *members)
    spec = replace(SPEC, name="both", title="both", members=("one", "two"), provides=frozenset({"logits"}))
    models.backends["both"] = EnsembleBackend(spec, [member.revision for member in members], models)
    return models


@pytest.fixture
def workbench(fake):
    """A real Workbench whose only model is ``fake``."""
    return Workbench(Settings(default_model="fake"), models=FakeModels(fake))


@pytest.fixture(scope="session")
def esm3_reference():
    """A small ESM3 of the esm package's own modules; its other tokenizers would be downloaded."""
    from types import SimpleNamespace

    import torch

    from esmviz.models import esm_package

    if not esm_package.is_installed():
        pytest.skip(f"the esm package is not installed: {esm_package.COMMAND}")
    from esm.models.esm3 import ESM3
    from esm.tokenization import EsmSequenceTokenizer

    torch.manual_seed(7)
    model = ESM3(64, 4, 8, 3, None, None, None, SimpleNamespace(sequence=EsmSequenceTokenizer()))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.15)
            elif not name.endswith("weight"):
                weight.normal_(0, 0.2)
            if name.endswith(("q_ln.weight", "k_ln.weight")):
                weight.fill_(2.0)
    return model.eval()


@pytest.fixture(scope="session")
def esm3_folder(tmp_path_factory, esm3_reference):
    """A folder with its file; never write into it."""
    import torch

    from esmviz.models.weights import ESM3_FILES

    folder = tmp_path_factory.mktemp("esm3")
    torch.save(esm3_reference.state_dict(), folder / ESM3_FILES[0])
    (folder / "config.json").write_text(json.dumps({"n_heads": 4}))
    return folder


@pytest.fixture(scope="session")
def shaken():
    """Makes every weight of a model random: some heads start at zero and would give the same number everywhere."""
    return _shaken


def _shaken(model, scale):
    import torch

    torch.manual_seed(3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, scale)
            elif name.endswith("bias"):
                weight.normal_(0, 0.1)
    return model.eval()


@pytest.fixture(scope="session")
def esmfold(shaken):
    """EsmForProteinFolding as transformers makes it, small and random."""
    import transformers

    module = {"sequence_dim": 32, "pairwise_dim": 16, "ipa_dim": 4, "resnet_dim": 16}
    trunk = {
        "num_blocks": 2,
        "sequence_state_dim": 64,
        "pairwise_state_dim": 32,
        "sequence_head_width": 16,
        "pairwise_head_width": 8,
        "max_recycles": 2,
        "chunk_size": None,
        "structure_module": {**module, "num_heads_ipa": 2, "num_blocks": 2},
    }
    config = transformers.EsmConfig(
        vocab_size=33,
        mask_token_id=32,
        pad_token_id=1,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        position_embedding_type="rotary",
        token_dropout=True,
        layer_norm_eps=1e-5,
        is_folding_model=True,
        esmfold_config={"fp16_esm": False, "lddt_head_hid_dim": 16, "trunk": trunk},
    )
    return shaken(transformers.EsmForProteinFolding(config), 0.2)


@pytest.fixture(scope="session")
def esmfold_folder(tmp_path_factory, esmfold):
    """Its folder, as ``save_pretrained`` writes it; never write into it."""
    folder = tmp_path_factory.mktemp("folding") / "esmfold-tiny"
    esmfold.save_pretrained(folder)
    return folder


NAMES = "ALA CYS ASP GLU PHE GLY HIS ILE LYS LEU MET ASN PRO GLN ARG SER THR VAL TRP TYR"
THREE = dict(zip("ACDEFGHIKLMNPQRSTVWY", NAMES.split(" "), strict=True))


def _helix(sequence, chain="A", first=1, b_factor=50.0, shift=0.0, kind="ATOM", names=None):
    """Atom lines of a PDB file: the backbone of an ideal alpha helix, 1.5 A and 100 degrees a residue."""
    import math

    lines = []
    for index, letter in enumerate(sequence):
        for atom, radius, turn, rise in (
            ("N", 1.5, -28, -0.9),
            ("CA", 2.3, 0, 0.0),
            ("C", 1.7, 27, 1.1),
            ("O", 2.0, 25, 2.3),
        ):
            angle = math.radians(100 * index + turn)
            x, y, z = radius * math.cos(angle) + shift, radius * math.sin(angle), 1.5 * index + rise
            name = names[index] if names else THREE[letter]
            lines.append(
                f"{kind:<6}{len(lines) + 1:>5}  {atom:<3} {name:>3} {chain}{first + index:>4}    "
                f"{x:>8.3f}{y:>8.3f}{z:>8.3f}{1:>6.2f}{b_factor + index:>6.2f}          {atom[0]:>2}"
            )
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def helix():
    """Makes atom lines of a PDB file."""
    return _helix
