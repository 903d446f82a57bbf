"""Settings from a file and from a command line."""

from pathlib import Path

import pytest

from training.config import read_settings

SHIPPED = Path(__file__).parents[2] / "training" / "config.toml"


def test_an_override_takes_the_place_of_what_the_file_says() -> None:
    plain = read_settings(SHIPPED)
    changed = read_settings(SHIPPED, ["training.seed=7", "training.n_steps=3", "data.families=0.1"])
    assert (plain["training"]["seed"], changed["training"]["seed"]) == (0, 7)
    assert changed["training"]["n_steps"] == 3
    assert changed["data"] == plain["data"] | {"families": 0.1}


@pytest.mark.parametrize("override", ["training.sead=7", "corpus.seeds=1"])
def test_a_misspelt_setting_is_an_error(override: str) -> None:
    with pytest.raises(KeyError, match="has no setting"):
        read_settings(SHIPPED, [override])
