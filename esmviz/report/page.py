"""All exhibits as one HTML file that opens anywhere without a network: what it draws with is inside, once."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from esmviz.exhibit import Exhibit, Molecule
from esmviz.report import fragments
from esmviz.report.archive import proteins
from esmviz.report.escapes import json_in_html
from esmviz.report.methods import bibtex, passages, sources
from esmviz.views import theme

_ASSETS = Path(__file__).resolve().parent.parent / "assets"


def report_bytes(exhibits: Sequence[Exhibit], *, title: str = "", with_sequences: bool = True) -> bytes:
    """The file, about 5 MB of it plotly.js and, for a structure, half a megabyte 3Dmol.

    Parameters
    ----------
    title : str
        Heading; may be text from outside.
    with_sequences : bool
        Whether sequences are listed. Figures and tables along a protein name its residues all the same.
    """
    records = proteins(exhibits)
    sections = [fragments.inputs(records, with_sequences)]
    pages = Counter(one.page for one in exhibits)
    sections += [
        fragments.exhibit(one, number, pages[one.page] > 1) for number, one in enumerate(exhibits, 1)
    ]
    sections += [
        fragments.methods(passages(exhibits)),
        fragments.sources(sources(exhibits), bibtex(exhibits)),
        fragments.versions(exhibits),
    ]
    plotly, script = _plotly(), _asset("report/report.js")
    more = _viewer() if any(isinstance(piece, Molecule) for one in exhibits for piece in one.pieces) else ()
    created = max((one.created for one in exhibits), default="")
    page = Template(_asset("report/page.html")).substitute(
        policy=escape(_policy(plotly, script, *more)),
        version=escape(exhibits[-1].versions["esmviz"] if exhibits else ""),
        title=escape(title or "Report of an analysis with esmviz"),
        lead=escape(_lead(len(exhibits), len(records), created)),
        style=_asset("report/report.css"),
        contents="\n".join(
            f'<li><a href="#{part.anchor}">{escape(part.heading)}</a></li>' for part in sections
        ),
        body="\n".join(part.html for part in sections),
        templates=json_in_html(json.dumps(_templates())),
        plotly=plotly,
        script=script,
        more="\n".join(f"<script>{text}</script>" for text in more),
    )
    return page.encode("utf-8", "replace")


def _lead(n_exhibits: int, n_records: int, created: str) -> str:
    analyses, counted = ("analysis", "analyses")[n_exhibits != 1], ("protein", "proteins")[n_records != 1]
    when = created.replace("T", " ").replace("+00:00", " UTC")
    return f"{n_exhibits} {analyses} of {n_records:,} {counted}, {when}"


def _templates() -> dict[str, object]:
    return {"light": theme.template(False).to_plotly_json(), "dark": theme.template(True).to_plotly_json()}


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return _inside(str(get_plotlyjs()))


def _viewer() -> tuple[str, str]:
    """3Dmol with its licence, and what draws with it."""
    licence = _asset("3dmol/LICENSE").replace("*/", "* /")
    return (
        _inside(f"/*\n{licence}\n*/\n{_asset('3dmol/3Dmol-min.js')}"),
        f"(() => {{\n{_asset('viewer/drawing.js')}{_asset('report/structure.js')}}})();\n",
    )


def _inside(script: str) -> str:
    """A closing tag inside would end the script early."""
    return script.replace("</script", "<\\/script")


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _policy(*scripts: str) -> str:
    """Nothing is fetched, and no script runs but these: text that got past the escapes would do nothing.

    plotly.js compiles the shaders of WebGL points, hence unsafe-eval, and sets styles of its own.
    """
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
