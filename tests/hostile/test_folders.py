"""Checkpoint folders and replies of servers with one value replaced: each is read or refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile import folders, replies, targets, wild

GOOD = {kind: folders.whole(kind) for kind in folders.CONFIGS}
CARD = {"trained_residues": 1022, "licence": "MIT", "contacts": True, "predicts_effects": True}


def with_config(kind: str) -> Callable[[Any], bytes]:
    return lambda config: folders.packed({**GOOD[kind], "config.json": json.dumps(config).encode()})


def with_header(header: Any) -> bytes:
    files = {"config.json": GOOD["esm"]["config.json"], folders.HEADER: json.dumps(header).encode()}
    return folders.packed(files)


def with_card(card: Any) -> bytes:
    return folders.packed({**GOOD["esm"], "card.json": json.dumps(card).encode()})


def with_index(index: Any) -> bytes:
    files = {"config.json": GOOD["esm"]["config.json"], "a.safetensors": GOOD["esm"]["model.safetensors"]}
    return folders.packed({**files, "model.safetensors.index.json": json.dumps(index).encode()})


def as_reply(reply: Any) -> bytes:
    return json.dumps(reply).encode()


CASES: dict[str, tuple[str, Any, Callable[[Any], bytes]]] = {
    **{
        f"config of {kind}": ("folder", config, with_config(kind)) for kind, config in folders.CONFIGS.items()
    },
    "header": ("folder", json.loads(folders.header(GOOD["esm"]["model.safetensors"])), with_header),
    "card": ("folder", CARD, with_card),
    "index": ("folder", {"weight_map": {"a": "a.safetensors"}}, with_index),
    "reply of BioLM": ("biolm", json.loads(replies.seeds_of_biolm()["good"]), as_reply),
}
if "biohub" in targets.TARGETS:
    CASES["reply of Biohub"] = ("biohub", json.loads(replies.seeds_of_biohub()["good"]), as_reply)


@pytest.mark.parametrize("name", CASES)
def test_the_good_one_is_read(name: str) -> None:
    target, good, packed = CASES[name]
    targets.TARGETS[target][0](packed(good))


@pytest.mark.parametrize("name", CASES)
def test_a_value_nobody_expects_is_refused_or_read(name: str) -> None:
    target, good, packed = CASES[name]
    places, values = list(wild.ways(good)), list(wild.VALUES.values())

    @settings(max_examples=60, deadline=None)
    @given(st.sampled_from(places), st.sampled_from(values))
    def holds(place: wild.Way, value: Any) -> None:
        targets.survives(target, packed(wild.replaced(good, place, value)))

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_value_at_every_place(name: str) -> None:
    target, good, packed = CASES[name]
    for what, content in wild.every(good):
        try:
            targets.survives(target, packed(content))
        except Exception as error:
            raise AssertionError(what) from error
