"""A map of the example's 58 proteins, written as one HTML file that opens offline.

python examples/map_of_a_set.py map.html
"""

import sys
from pathlib import Path

from esmviz import views
from esmviz.export import html_bytes
from esmviz.sequences import example
from esmviz.settings import Settings
from esmviz.workbench import Workbench


def main(path: Path) -> None:
    workbench, records = Workbench(Settings()), example().records
    [embeddings] = workbench.embed(records, "mini", pooling="mean")
    projection = workbench.project(embeddings, method="pca")
    provenance = workbench.provenance("mini", precision=embeddings.precision, layer=embeddings.layer)
    families = [record.labels["family"] for record in records]
    figure = views.projection_scatter(projection, records, provenance, color_by="family", groups=families)
    path.write_bytes(html_bytes(figure, "Families of the example", ["model mini, mean of the last layer"]))
    print(f"{len(records)} proteins in {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
