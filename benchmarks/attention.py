"""What attention costs beyond a plain pass: ``python -m benchmarks.attention``, beside transformers in eager mode.

Random weights of the shape of ESM-2 650M, one protein of 1022 residues. Each way runs in a process of its own, once a
round, and the ways take turns, so that other work on the machine meets all of them. Linux only: the peak of the memory
in use is reset by ``/proc/self/clear_refs`` once the weights are there.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import description

ROOT = Path(__file__).resolve().parents[1]
LENGTH, SHORT = 1022, 30
SHAPE = {"num_hidden_layers": 33, "hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 20}
WAYS = {
    "plain": "esmviz, plain pass",
    "head": "esmviz, one head of one layer",
    "layer": "esmviz, all 20 heads of one layer",
    "contacts": "esmviz, contacts",
    "thumbnails": "esmviz, thumbnails of all 660 heads",
    "rollout": "esmviz, rollout",
    "entropy": "esmviz, entropy of all 660 heads",
    "sdpa": "transformers, sdpa, plain pass",
    "eager": "transformers, eager, `output_attentions=True`",
    "eager_contacts": "transformers, eager, `predict_contacts`",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=list(WAYS), help="plain and sdpa always run"
    )
    parser.add_argument("--child", choices=WAYS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measured(arguments.child)))
        return
    ways = [way for way in WAYS if way in {"plain", "sdpa", *arguments.ways}]
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    start = description()
    for number in range(arguments.rounds):
        for way in ways[:: 1 if number % 2 == 0 else -1]:
            found[way].append(in_a_process(way))
            print(f"round {number + 1}: {WAYS[way]}: {found[way][-1]}", file=sys.stderr, flush=True)
    print(f"{time.strftime('%Y-%m-%d')}. {start}\n\n{report(found)}")


def in_a_process(way: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.attention", "--child", way]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def report(found: dict[str, list[dict[str, float]]]) -> str:
    """Markdown: medians of each way, with the range of the CPU time, and ratios to the plain pass of the same kind."""
    middle = {
        way: {what: statistics.median(run[what] for run in runs) for what in runs[0]}
        for way, runs in found.items()
    }
    lines = [
        "| way | CPU time | to plain | wall time | to plain | peak over the weights | beyond plain |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in found:
        name = WAYS[way]
        plain = middle["plain" if name.startswith("esmviz") else "sdpa"]
        one, cpu = middle[way], [run["cpu"] for run in found[way]]
        lines.append(
            f"| {name} | {one['cpu']:.1f} s ({min(cpu):.1f}–{max(cpu):.1f}) | {one['cpu'] / plain['cpu']:.2f}× "
            f"| {one['wall']:.1f} s | {one['wall'] / plain['wall']:.2f}× "
            f"| {one['peak']:,.0f} MB | {one['peak'] - plain['peak']:+,.0f} MB |"
        )
    return "\n".join(lines)


def measured(way: str) -> dict[str, float]:
    """Seconds of processor and clock, and megabytes at the peak over what was held before, of one pass."""
    run = runner(way)
    run(SHORT)  # what is made once: threads, the libraries' own buffers
    Path("/proc/self/clear_refs").write_text("5")
    held, start, clock = memory("VmRSS"), processor_seconds(), time.perf_counter()
    run(LENGTH)
    return {
        "cpu": processor_seconds() - start,
        "wall": time.perf_counter() - clock,
        "peak": (memory("VmHWM") - held) / 1e6,
    }


def runner(way: str) -> Callable[[int], Any]:
    """A function that runs a protein of so many residues."""
    import torch

    from esmviz.models.base import tokens
    from esmviz.types import ProteinRecord

    def record(length: int) -> ProteinRecord:
        return ProteinRecord("p", ("MKVLAWGHDESTRINYPQFC" * length)[:length])

    if name := {"sdpa": "sdpa", "eager": "eager", "eager_contacts": "eager"}.get(way):
        model = reference(name)

        @torch.inference_mode()
        def theirs(length: int) -> Any:
            ids = torch.from_numpy(tokens(record(length)))[None]
            ones = torch.ones_like(ids)
            if way == "eager_contacts":
                return model.predict_contacts(ids, ones)
            return model(ids, attention_mask=ones, output_attentions=way == "eager")

        return theirs
    backend, request = engine(), requests()[way]
    return lambda length: list(backend.run([record(length)], request))


def requests() -> dict[str, Any]:
    from esmviz.types import ContactHead, HeadStatistic, KeepHeads, Request, Rollout, Thumbnails

    n_layers = SHAPE["num_hidden_layers"]
    probes = {
        "plain": (),
        "head": (KeepHeads(n_layers, (0,)),),
        "layer": (KeepHeads(n_layers, tuple(range(SHAPE["num_attention_heads"]))),),
        "contacts": (ContactHead(),),
        "thumbnails": (Thumbnails(),),
        "rollout": (Rollout(1, n_layers),),
        "entropy": (HeadStatistic("entropy"),),
    }
    return {way: Request(logits=True, probes=some) for way, some in probes.items()}


def reference(attention: str) -> Any:
    """``EsmForMaskedLM`` of that shape with random weights, filled from one block: drawing 652 million takes longer
    than the pass.
    """
    import torch
    import transformers

    config = transformers.EsmConfig(
        **SHAPE,
        vocab_size=33,
        mask_token_id=32,
        pad_token_id=1,
        token_dropout=True,
        position_embedding_type="rotary",
        emb_layer_norm_before=False,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation=attention,
    )
    with torch.device("meta"):
        model = transformers.EsmForMaskedLM(config)
    model.to_empty(device="cpu")
    block = torch.empty(1 << 20).normal_(0, 0.02, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "LayerNorm.weight" in name or ("layer_norm" in name and name.endswith("weight")):
                weight.fill_(1)
                continue
            flat = weight.view(-1)
            for start in range(0, len(flat), len(block)):
                flat[start : start + len(block)] = block[: len(flat) - start]
        model.esm.embeddings.position_ids.copy_(torch.arange(config.max_position_embeddings)[None])
        width = config.hidden_size // config.num_attention_heads
        for name, buffer in model.named_buffers():
            if name.endswith("inv_freq"):
                buffer.copy_(10000.0 ** -(torch.arange(0, width, 2) / width))
    return model.eval().requires_grad_(False)


def engine() -> Any:
    """The backend with the same weights."""
    from esmviz.models.catalog import CATALOG
    from esmviz.models.esm import EsmNetwork
    from esmviz.models.layouts import settled
    from esmviz.models.transformer import TransformerBackend

    model = reference("sdpa")
    network = EsmNetwork.of(settled(model.config.to_dict()), dict(model.state_dict()))
    return TransformerBackend(CATALOG["esm2-650m"], "random", network)


def processor_seconds() -> float:
    """Of all threads of this process, in programs and in the system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory(name: str) -> int:
    """``VmRSS``, bytes in memory now, or ``VmHWM``, the most since the last reset."""
    for line in Path(f"/proc/{os.getpid()}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc says nothing of {name}")


if __name__ == "__main__":
    main()
