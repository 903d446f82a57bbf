"""The checkpoint that ships with the app is whole, and as good as its card says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

MINI = Path(__file__).parents[2] / "esmviz" / "assets" / "mini"

# The first twelve validation proteins of 80 to 120 residues, one a cluster (UniProt CC BY 4.0, CATH CC BY 4.0, PDB CC0).
DOZEN = {
    "A0A1M7B992": (
        "MPHFIIDCSENVIRMRSADEIMQEVFDAALSTGLFIASEIKVRINPFSYYNNGNSLDDFIHVFGYIMEGRNTDQKSKLSKAIVTKLNEILSEVPVISINI"
        "KDFEKASYFNKTMI"
    ),
    "UPI000000002E": (
        "MDGTLFPGDDDLAIPATEFFSTKADKKPEAKREAIVKADEDDNEETLKQRLTNLEKKITNVTTKFEQIEKCCKRNDEVLFRLENHAETLRAAMISLAKKI"
        "DVQTGRRPYE"
    ),
    "cath|4_1_0|2w9mB03/160-240": (
        "RQSLRAGLAVAEELAGALTDLSPAPAGDVRRGLETVRAAELTVTGTPDDVLARLPELTVQGDGVLSGDYEGVPVEIACAPA"
    ),
    "Q99JS0": (
        "MTTATTLGDAVFSLNMTRGEDALYKSSGAIVAAIVVVVIIIVTLVLILLKMYNRRMRTRRELEPKSPKPPVPPALDPSSNGSQQPATVTFDPANVHVETR"
    ),
    "A0AAC9BVZ7": (
        "MKKRDLFAELMQGVEEMAAHREGKITLRNTVVEDKPVPEVGAQEIVALREKLHMSQAVFAKRIRTSPSTLRNWEQEKSKPNAQAALLIRLVEKFPDMVER"
        "LGAV"
    ),
    "A0AAC9BY53": ("MAITTISSREFNQDTSSAKKAARLGPVIITDRGKASHVLLSIEEYQKLSGATASIVDLLVMPETADIEFETERAVIIHRPVDLS"),
    "cath|4_1_0|2lrcA00/1-108": (
        "MKTRYSAEAPARDELDRLAGPTLVEFGTDWCGHCQAAQPLLAEVFSDYPEVGHLKVEDGPGRRLGRSFQVKLWPTFVFLRDGREVARVVRPGSASVLEEA"
        "FESLVGEGHHHHHH"
    ),
    "2o6k-B": ("MKNYSFYQFVMTVRGRHDDKGRLAEEIFDDLAFPKHDDDFNILSDYIETHGDFTLPMSVFDDLYEEYTEWLKFLEHHHHHH"),
    "6qpk-B": ("AHMAVVYAARCKFGNPLVQNNRITRAVCDLTNEHTTKDGSWHYVEVDNECKYLAGDNPRDQPGWAVFVKYCTYYKGVPDA"),
    "cath|4_1_0|2dhkA01/10-109": (
        "LCGYLSKFGGKGPIRGWKSRWFFYDERKCQLYYSRTAQDANPLDSIDLSSAVFDCKADAEEGIFEIKTPSRVITLKAATKQAMLYWLQQLQMKRWEFHNS"
    ),
    "UniRef90_UPI00200753C1": (
        "MSKKFDRYSKGIQPIGTNTNAETSEPPAESSDFPPIPLPPIGSHPSKDACVKSVQQFGMQNRFAVASANQYLVQAQDVDEDEEETNETDEPNNAEGTAPT"
        "PGPNAAVGP"
    ),
    "P64542": (
        "MFRSLFLAAALMAFTPLAANAGEITLLPSIKLQIGDRDHYGNYWDGGHWRDRDYWHRNYEWRKNRWWRHDNGYHRGWDKRKAYERGYREGWRDRDDHRGK"
        "GRGHGHRH"
    ),
}


@pytest.fixture(scope="module")
def model():
    from training.reference import load

    return load(MINI)


@pytest.fixture(scope="module")
def card() -> dict:
    return json.loads((MINI / "card.json").read_text())


def test_it_loads_with_no_key_missing_or_too_many() -> None:
    from transformers import EsmForMaskedLM

    _, info = EsmForMaskedLM.from_pretrained(MINI, output_loading_info=True)
    assert {kind: keys for kind, keys in info.items() if keys} == {}


def test_its_tokenizer_reads_the_vocabulary_of_esm2() -> None:
    from transformers import EsmTokenizer

    tokenizer = EsmTokenizer.from_pretrained(MINI)
    assert tokenizer("LAGVSERTIDPKQNFYMHWC")["input_ids"] == [0, *range(4, 24), 2]
    assert tokenizer.mask_token_id == 32
    assert len(tokenizer) == 33


def test_it_is_small_and_all_its_files_are_there() -> None:
    names = {path.name for path in MINI.iterdir()}
    assert {"config.json", "model.safetensors", "vocab.txt", "MODEL_CARD.md", "card.json"} <= names
    assert sum(path.stat().st_size for path in MINI.iterdir()) <= 16e6


def test_it_is_as_good_as_its_card_says(model, card: dict) -> None:
    from training.perplexity import by_model, perplexity

    measured = perplexity(list(DOZEN.values()), by_model(model))
    assert measured == pytest.approx(card["perplexity"]["written_down"], rel=0.01)


def test_the_same_protein_gives_the_same_numbers(model) -> None:
    from training.reference import load, log_probabilities, token_ids

    ids = token_ids(next(iter(DOZEN.values())), masked=[3, 20])
    first = log_probabilities(model, ids)
    assert (log_probabilities(model, ids) == first).all()
    assert (log_probabilities(load(MINI), ids) == first).all()


def test_the_card_counts_what_is_in_the_file(model, card: dict) -> None:
    assert card["n_parameters"] == sum(p.numel() for p in model.parameters())
    assert card["licence"] == "MIT"
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_promises_follow_from_the_figures(card: dict) -> None:
    from training.contacts import beats_prior

    assays = card["mutations"].values()
    better = [max(a["wild_type_marginals"], a["masked_marginals"]) > a["blosum62"] for a in assays]
    assert card["predicts_effects"] == all(better)
    assert card["contacts"] == beats_prior(card["contact_precision"]["by_family"])


def test_a_contact_head_is_there_only_if_contacts_are_offered(model, card: dict) -> None:
    assert bool(model.esm.contact_head.regression.weight.abs().sum() > 0) == card["contacts"]


def test_the_words_of_the_card_are_made_from_its_numbers(card: dict) -> None:
    from training.card import render

    assert (MINI / "MODEL_CARD.md").read_text() == render(card)


def test_it_loads_without_transformers():
    """Importing that library takes longer than importing torch."""
    code = (
        "import sys\n"
        "from esmviz.models.cache import ModelCache\n"
        "from esmviz.types import ProteinRecord, Request\n"
        "[output] = ModelCache().backend('mini').run([ProteinRecord('p', 'MKVLA')], Request(logits=True))\n"
        "print(output.logits.shape, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(5, 20) False"


def test_the_list_of_models_tells_what_all_runs_saw(card: dict) -> None:
    from esmviz.models.catalog import CATALOG
    from training.card import runs, shares_of_all

    seen = sum(run["residues_seen"] for run in runs(card["training"])) / 1e6
    share = shares_of_all(card["training"])["families"]
    note = CATALOG["mini"].note
    assert f"on {seen:.0f} million residues, {share:.0%} of them relatives" in note
    assert f"{seen:.1f} million residues seen" in card_words()
    assert f"{share:.0%} of the tokens were homologues" in card_words()


def card_words() -> str:
    return " ".join((MINI / "MODEL_CARD.md").read_text().split())
