"""Which residues of crambin does the embedded model find alike? Prints the ten most similar pairs."""

from esmviz.analysis.similarity import residue_similarity, top_pairs
from esmviz.labels import residue_label
from esmviz.sequences import example
from esmviz.settings import Settings
from esmviz.types import Request
from esmviz.workbench import Workbench


def main() -> None:
    record = next(record for record in example().records if record.id == "CRAM_CRAAB")
    output = Workbench(Settings()).inspect(record, "mini", Request(layers=(-1,), keep_residues=True))
    vectors = output.hidden_states[0]
    similarity = residue_similarity(vectors, vectors, center=True)
    for i, j, value in top_pairs(similarity, k=10, within=True, min_separation=6):
        print(residue_label(i, record.sequence[i]), residue_label(j, record.sequence[j]), f"{value:.2f}")


if __name__ == "__main__":
    main()
