"""Embedding speed beside what a user would run instead: ``python -m benchmarks.engine``.

Same sequences, same random weights of the true architectures, one process, ways in turns, best of the rounds; mean-pooled
last layer. Vectors of every way are compared with the first one's.
"""

import argparse
import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import description
from esmviz.models.base import tokens
from esmviz.results import Results
from esmviz.settings import Settings
from esmviz.types import AMINO_ACIDS, Precision, ProteinRecord
from esmviz.workbench import Workbench

Vectors = NDArray[np.float32]
Way = Callable[[Sequence[ProteinRecord]], Vectors]
SHAPES = {  # layers, heads, width, hidden width
    "esm2-8m": (6, 20, 320, 1280),
    "esm2-35m": (12, 20, 480, 1920),
    "esm2-150m": (30, 20, 640, 2560),
    "esmc-300m": (30, 15, 960, 2560),
}
SETS = {
    "mixed": (30, 1000, 1),
    "peptides": (30, 80, 5),
}  # shortest, longest, sequences for each one asked for
GOALS = {"mixed": {"esm2-8m": 1.8, "esm2-35m": 2.8, "esm2-150m": 2.7, "esmc-300m": 3.0}}
GOALS["peptides"] = {name: 4.0 if name == "esm2-8m" else 4.5 for name in SHAPES}
BASE = "transformers, one at a time, float32"
OURS = "esmviz, auto"
PADDED = "transformers, 32 a batch, file order, float32"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--sequences", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--other-rounds", type=int, default=3, help="of all ways but one at a time and esmviz's own"
    )
    asked = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}. {description()}")
    print(f"Products of 4096²: {matrix_peak(torch.float32):.0f} GFLOP/s in float32, ", end="")
    print(
        f"{matrix_peak(torch.bfloat16):.0f} in bfloat16. {asked.sequences} sequences, {asked.rounds} rounds."
    )
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    for name in asked.models:
        with tempfile.TemporaryDirectory() as folder:
            model = saved(name, Path(folder))
            for kind in asked.sets:
                records = proteins(kind, asked.sequences)
                rounds = asked.rounds, min(asked.rounds, asked.other_rounds)
                found = measured(name, model, Path(folder), records, *rounds)
                print(f"\n{report(name, kind, model, records, found)}", flush=True)


def proteins(kind: str, n: int) -> list[ProteinRecord]:
    """Random proteins, lengths drawn evenly on a logarithmic scale: of the mixed ones the mean is about 270."""
    generator = np.random.default_rng(0)
    shortest, longest, times = SETS[kind]
    lengths = np.exp(generator.uniform(np.log(shortest), np.log(longest), n * times)).astype(int)
    letters = np.array(list(AMINO_ACIDS))
    return [
        ProteinRecord(f"p{i}", "".join(generator.choice(letters, length))) for i, length in enumerate(lengths)
    ]


def saved(name: str, folder: Path) -> Any:
    """A random model in transformers' hands, and as a folder for esmviz."""
    import transformers

    torch.manual_seed(0)
    n_layers, n_heads, width, hidden = SHAPES[name]
    sizes = {
        "num_hidden_layers": n_layers,
        "num_attention_heads": n_heads,
        "hidden_size": width,
        "intermediate_size": hidden,
    }
    if name.startswith("esmc"):
        model = transformers.EsmcForMaskedLM(transformers.EsmcConfig(**sizes))
    else:
        special = {"vocab_size": 33, "mask_token_id": 32, "pad_token_id": 1, "token_dropout": True}
        rest = {"position_embedding_type": "rotary", "emb_layer_norm_before": False, "layer_norm_eps": 1e-5}
        model = transformers.EsmForMaskedLM(transformers.EsmConfig(**sizes, **special, **rest))
    model = model.eval().requires_grad_(False)
    model.save_pretrained(folder / name)
    return model


@dataclass
class Timing:
    """Best time of a way, and its vectors."""

    seconds: float
    vectors: Vectors


def measured(
    name: str, model: Any, folder: Path, records: Sequence[ProteinRecord], n_rounds: int, n_of_others: int
) -> dict[str, Timing]:
    """Each way once a round, in turns that change direction."""
    half = type(model)(model.config).eval().requires_grad_(False)
    half.load_state_dict(model.state_dict())
    half = half.to(torch.bfloat16)
    ways: dict[str, Way] = {
        BASE: lambda some: by_transformers(model, some, one_by_one(some)),
        PADDED: lambda some: by_transformers(model, some, in_file_order(some)),
        "transformers, sorted, 4096 tokens a batch, float32": lambda some: by_transformers(
            model, some, by_length(some, 4096)
        ),
        "transformers, sorted, 1024 tokens a batch, bfloat16": lambda some: by_transformers(
            half, some, by_length(some, 1024)
        ),
        "esmviz, float32": lambda some: by_esmviz(folder / name, some, "float32"),
        OURS: lambda some: by_esmviz(folder / name, some, "auto"),
    }
    found: dict[str, Timing] = {}
    for way in ways.values():
        way(records[:4])  # warm
    for number in range(n_rounds):
        for label in list(ways)[:: 1 if number % 2 == 0 else -1]:
            if label not in (BASE, OURS) and number >= n_of_others:
                continue
            start = time.perf_counter()
            vectors = ways[label](records)
            took = time.perf_counter() - start
            best = min(took, found[label].seconds) if label in found else took
            found[label] = Timing(best, vectors)
    _WORKBENCHES.clear()
    gc.collect()
    return found


def one_by_one(records: Sequence[ProteinRecord]) -> Iterator[list[int]]:
    """As in every tutorial."""
    return ([i] for i in range(len(records)))


def in_file_order(records: Sequence[ProteinRecord]) -> Iterator[list[int]]:
    return (list(range(i, min(i + 32, len(records)))) for i in range(0, len(records), 32))


def by_length(records: Sequence[ProteinRecord], n_tokens: int) -> Iterator[list[int]]:
    """As the extract script of fair-esm: sorted, so many tokens a batch with its padding."""
    batch: list[int] = []
    for i in sorted(range(len(records)), key=lambda i: len(records[i])):
        if batch and (len(records[i]) + 2) * (len(batch) + 1) > n_tokens:
            yield batch
            batch = []
        batch.append(i)
    yield batch


@torch.inference_mode()
def by_transformers(model: Any, records: Sequence[ProteinRecord], batches: Iterator[list[int]]) -> Vectors:
    base = model.base_model
    vectors = np.empty((len(records), model.config.hidden_size), dtype=np.float32)
    for batch in batches:
        ids = [torch.from_numpy(tokens(records[i])) for i in batch]
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=1)
        states = base(input_ids=padded, attention_mask=(padded != 1).long()).last_hidden_state
        for row, i in enumerate(batch):
            vectors[i] = states[row, 1 : len(records[i]) + 1].float().mean(0).numpy()
    return vectors


_WORKBENCHES: dict[Path, Workbench] = {}


def by_esmviz(folder: Path, records: Sequence[ProteinRecord], precision: Precision) -> Vectors:
    bench = _WORKBENCHES.setdefault(folder, Workbench(Settings(), allow_paths=True))
    bench.streamed = Results(0)  # nothing is remembered from one round to the next
    return np.concatenate([chunk.vectors for chunk in bench.embed(records, str(folder), precision=precision)])


def matrix_peak(dtype: torch.dtype) -> float:
    """GFLOP/s of a product of two 4096² matrices, best of five."""
    a, b = (torch.randn(4096, 4096).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * 4096**3 / best / 1e9


def report(
    name: str, kind: str, model: Any, records: Sequence[ProteinRecord], found: dict[str, Timing]
) -> str:
    """Markdown: residues a second, against one at a time, and how near the vectors are."""
    n_residues, base = sum(map(len, records)), found[BASE]
    matrices = sum(p.numel() for n, p in model.named_parameters() if p.dim() == 2 and ("layer" in n))
    lines = [
        f"{name}, {kind}: {n_residues:,} residues, mean length {n_residues / len(records):.0f}; "
        f"goal {GOALS[kind][name]:.1f} times one at a time\n",
        "| way | residues/s | to one at a time | GFLOP/s in matrices | smallest cosine |",
        "|---|---|---|---|---|",
    ]
    for label, one in found.items():
        speed = n_residues / one.seconds
        lines.append(
            f"| {label} | {speed:,.0f} | {base.seconds / one.seconds:.2f}× | {2e-9 * matrices * speed:.0f} "
            f"| {cosines(one.vectors, base.vectors).min():.6f} |"
        )
    return "\n".join(lines)


def cosines(a: Vectors, b: Vectors) -> Vectors:
    product: Vectors = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return product


if __name__ == "__main__":
    main()
