"""Pack the training corpus into one file: `python -m training.prepare DATA`.

DATA is the folder of train.fasta.gz, families.fasta.gz and valid.fasta.gz. The file that comes out moves easily to
another machine and is all that training needs.
"""

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config import read_settings
from training.corpus import build_pool, encode, header_field, read_fasta, save_pools
from training.kinship import kmer_codes, link_relatives, mark_kmers, share_marked

Records = list[tuple[str, str]]
HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--example", type=Path, help="FASTA whose sequences are left out of training")
    parser.add_argument("--config", type=Path, default=HERE / "config.toml")
    parser.add_argument("--out", type=Path, default=HERE / "data" / "corpus.npz")
    parser.add_argument("--set", nargs="*", default=[], metavar="part.key=value", help="override a setting")
    args = parser.parse_args()
    settings = read_settings(args.config, args.set)["corpus"]
    rng = np.random.default_rng(settings["seed"])

    left_out = {sequence for _, sequence in read_fasta(args.example)} if args.example else set()
    families, held_out = split_families(
        args.data / "families.fasta.gz", left_out, settings["held_out_share"], rng
    )
    train = read_train(args.data / "train.fasta.gz", left_out, held_out)
    train = draw_clusters(train, settings["max_residues"], rng, settings["skip_residues"])
    varied = set(settings["varied_sources"])
    is_varied = [header_field(header, "src") in varied for header, _ in train]
    pools = {
        "general": build_pool(by_cluster(r for r, v in zip(train, is_varied, strict=True) if not v)),
        "varied": build_pool(by_cluster(r for r, v in zip(train, is_varied, strict=True) if v)),
        "families": build_pool(weigh_families(families, settings["family_power"])),
        "families_held_out": build_pool((header_field(h, "family"), s, 1.0) for h, s in held_out),
        "valid": build_pool(by_cluster(read_fasta(args.data / "valid.fasta.gz"))),
    }
    save_pools(args.out, pools)
    write_fasta(args.out.with_name("families_held_out.fasta"), held_out)
    for name, pool in pools.items():
        print(f"{name}: {len(pool):,} proteins, {pool.n_clusters:,} clusters, {len(pool.tokens):,} residues")
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")


def split_families(
    path: Path, left_out: set[str], share: float, rng: np.random.Generator
) -> tuple[dict[str, list[Records]], Records]:
    """The clusters of close relatives of each family, and the proteins of the clusters held out."""
    by_family: dict[str, Records] = {}
    for header, sequence in read_fasta(path):
        if sequence not in left_out:
            by_family.setdefault(header_field(header, "family"), []).append((header, sequence))
    kept: dict[str, list[Records]] = {}
    held_out: Records = []
    for family, records in sorted(by_family.items()):
        labels = link_relatives([encode(sequence) for _, sequence in records])
        clusters: list[Records] = [[] for _ in range(labels.max() + 1)]
        for record, label in zip(records, labels, strict=True):
            clusters[label].append(record)
        # the largest cluster is what the family is about, so it is never held out
        clusters.sort(key=len, reverse=True)
        n_out = max(1, round(share * len(clusters))) if len(clusters) > 3 else 0
        out = set(rng.choice(np.arange(1, len(clusters)), n_out, replace=False).tolist()) if n_out else set()
        held_out += [record for c in sorted(out) for record in clusters[c]]
        kept[family] = [cluster for c, cluster in enumerate(clusters) if c not in out]
        print(f"{family}: {len(records)} proteins, {len(clusters)} clusters, {n_out} held out")
    return kept, held_out


def weigh_families(families: dict[str, list[Records]], power: float) -> Iterable[tuple[str, str, float]]:
    """A family weighs its size to `power`: 0 favours the tiny, which are then learnt by heart, 1 the large ones."""
    for family, clusters in families.items():
        weight = sum(map(len, clusters)) ** power / sum(np.sqrt(len(c)) for c in clusters)
        for number, cluster in enumerate(clusters):
            for _, sequence in cluster:
                yield f"{family}/{number}", sequence, float(weight * np.sqrt(len(cluster)))


def read_train(path: Path, left_out: set[str], held_out: Records) -> Records:
    """The general proteins, without the example and without close relatives of held-out family members."""
    marked = mark_kmers(kmer_codes(encode(sequence), 5) for _, sequence in held_out)
    kept, n_example, n_relatives = [], 0, 0
    for header, sequence in read_fasta(path):
        if sequence in left_out:
            n_example += 1
        elif share_marked(kmer_codes(encode(sequence), 5), marked) > 0.2:
            n_relatives += 1
        else:
            kept.append((header, sequence))
    print(
        f"left out of train.fasta.gz: {n_example} of the example, {n_relatives} relatives of held-out members"
    )
    return kept


def draw_clusters(records: Records, max_residues: int, rng: np.random.Generator, skip: int = 0) -> Records:
    """All proteins of clusters drawn at random, after the first `skip` residues, until `max_residues` are spent."""
    sizes: Counter[str] = Counter()
    for header, sequence in records:
        sizes[header_field(header, "cluster")] += len(sequence)
    names: NDArray[np.str_] = rng.permutation(np.array(sorted(sizes)))
    spent = np.cumsum([sizes[name] for name in names])
    drawn = set(names[(spent > skip) & (spent <= skip + max_residues)].tolist())
    return [record for record in records if header_field(record[0], "cluster") in drawn]


def by_cluster(records: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str, float]]:
    return ((header_field(header, "cluster"), sequence, 1.0) for header, sequence in records)


def write_fasta(path: Path, records: Records) -> None:
    path.write_text("".join(f">{header}\n{sequence}\n" for header, sequence in records))


if __name__ == "__main__":
    main()
