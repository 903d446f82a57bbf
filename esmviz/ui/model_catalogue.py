"""The list of models: what each is, whether it is here and fits, how to get it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from esmviz.errors import EsmvizError
from esmviz.panels.tables import shown
from esmviz.types import ModelSpec, Output
from esmviz.ui import computing
from esmviz.ui.errors import plain, show
from esmviz.ui.frame import Choice
from esmviz.ui.resources import workbench
from esmviz.ui.session import Session

GIGABYTE = 1e9
GIVES: dict[Output, str] = {  # in the words of the pages, in their order
    "logits": "logits",
    "hidden_states": "vectors",
    "attentions": "attention",
    "contacts": "contacts",
    "structure": "structure",
    "predictions": "predictions",
}
NUMBER, TEXT, LINK = (getattr(st.column_config, f"{kind}Column") for kind in ("Number", "Text", "Link"))
COLUMNS: dict[str, Any] = {
    "model": TEXT(pinned=True, width=134),
    "here": TEXT(width=60, help="On this machine, or hosted by another."),
    "needs (GB)": NUMBER(width=84, format="%.2f", help="Memory, estimated in float32."),
    "fits": TEXT(width=42, help="Into the memory that is free now."),
    "gives": TEXT(width=235),
    "params (M)": NUMBER(width=82, format="%.1f", help="Millions of parameters."),
    "L/H/width": TEXT(width=110, help="Layers / heads of each / width: numbers in a residue's vector."),
    "limit": NUMBER(width=48, help="Longest protein in one piece; longer ones run in windows. Empty: none."),
    "Spearman": NUMBER(
        width=74, format="%.3f", help="On mutations: published mean over the 217 assays of ProteinGym."
    ),
    "licence": TEXT(width=58),
    "card": LINK(width=46, display_text="card", help="Licence and details where the model is published."),
    "name": None,  # in the data; the page says it below, and here it would push the last columns off the table
}


def table(session: Session) -> None:
    """One row for each model; a click chooses it for all pages."""
    specs = sorted(workbench().specs().values(), key=lambda spec: bool(spec.host))
    rows = [_row(spec) for spec in specs]

    def picked() -> None:  # only a click counts: the mark stays while the choice moves on elsewhere
        marked = st.session_state["models"].selection.rows
        if marked and (name := specs[marked[0]].name) != session.model:
            session.pick(model=name)

    st.dataframe(
        shown({name: [row[name] for row in rows] for name in rows[0]}),
        column_config=COLUMNS,
        placeholder="",
        hide_index=True,
        height="content",
        key="models",
        on_select=picked,
        selection_mode="single-row",
    )


def _row(spec: ModelSpec) -> dict[str, Any]:
    status = workbench().status(spec.name)
    has_weights = bool(spec.provides) and not spec.host
    return {
        "model": spec.title or spec.name,
        "here": "hosted" if spec.host else "yes" if status.present else "no",
        "needs (GB)": status.needed_bytes / GIGABYTE if has_weights else None,
        "fits": ("yes" if status.fits else "no") if has_weights else "",
        "gives": _gives(spec),
        "params (M)": spec.n_parameters / 1e6 or None,
        "L/H/width": _sizes(spec),
        "limit": spec.max_residues,
        "Spearman": spec.published_spearman,
        "licence": spec.licence,
        "card": spec.url or None,
        "name": spec.name,
    }


def _sizes(spec: ModelSpec) -> str:
    return f"{spec.n_layers} / {spec.n_heads} / {spec.d_model}" if spec.n_layers else ""


def _gives(spec: ModelSpec) -> str:
    return ", ".join(word for output, word in GIVES.items() if output in spec.provides)


def detail(choice: Choice) -> None:
    """The chosen model in words, with what is missing to use it."""
    spec = choice.spec
    status = workbench().status(spec.name)
    st.subheader(plain(spec.title or spec.name), anchor=False)
    if spec.note:
        st.markdown(plain(spec.note))
    st.caption(plain(_facts(spec)))
    if spec.url:
        st.link_button("Model card", spec.url)
    if spec.host:
        if status.reason:
            st.warning(plain(status.reason))
        return
    needed, free = status.needed_bytes / GIGABYTE, status.free_bytes / GIGABYTE
    free_words = f"{free:.1f} GB are free" if status.tells_free else "nobody tells how much is free"
    st.caption(f"Needs about {needed:.1f} GB of memory; {free_words} on this machine.")
    if status.loaded:
        st.success("Loaded and ready.")
    elif status.reason:
        st.warning(plain(status.reason))
    elif status.present and status.fits:
        st.info("On this machine. It loads at first use.")
    if spec.card:
        with st.expander("Model card: what it was trained on, and what was measured"):
            st.markdown(spec.card)
    if not status.present:
        _download(spec, status.download_bytes, choice.session)


def _facts(spec: ModelSpec) -> str:
    facts = [f"Gives {_gives(spec)}.", f"Licence: {spec.licence}."] if spec.provides else []
    if spec.trained_residues:
        facts.append(f"Trained on proteins up to {spec.trained_residues:,} residues.")
    return " ".join([*facts, f"Name on the command line: {spec.name}."])


def _download(spec: ModelSpec, size: float, session: Session) -> None:
    settings = workbench().settings
    if settings.offline or not settings.allow_downloads:
        why = "ESMVIZ_OFFLINE is 1" if settings.offline else "ESMVIZ_ALLOW_DOWNLOADS is 0"
        st.caption(f"{why}, so nothing is downloaded here. Whoever runs this server can add the model.")
        return
    is_cancelled = session.cancelled.get("download") == spec.name
    if is_cancelled:
        st.info("Cancelled. Files that were complete are kept.")
    if is_cancelled or session.downloading != spec.name:
        words = f"{size / GIGABYTE:.1f} GB" if size >= GIGABYTE / 10 else f"{size / 1e6:.0f} MB"
        _offer(f"Download, about {words}", spec, session)
        return
    st.caption("Keep this page open. Files that are complete stay when it is closed or cancelled.")
    try:
        computing.download(spec.name)
    except EsmvizError as error:
        session.downloading = ""  # or every rerun would try again
        show(error)
        _offer("Try again", spec, session)
    else:
        session.downloading = ""
        st.rerun()


def _offer(label: str, spec: ModelSpec, session: Session) -> None:
    def begin() -> None:
        session.downloading = spec.name
        session.cancelled.pop("download", None)

    st.button(label, key="run", type="primary", on_click=begin)


def bring_your_own() -> None:
    """How to use a checkpoint that is not in the list."""
    folder = workbench().settings.models_dir
    with st.expander("Use your own checkpoint"):
        st.markdown(
            "Set `ESMVIZ_MODELS_DIR` to a folder and put into it, each under the name that the list shall show:\n\n"
            "- a folder as `save_pretrained` of `transformers` writes it: `config.json` with `model.safetensors`, "
            "`pytorch_model.bin` or the former `tf_model.h5`, for ESM-2, ESM-1b, ESM-1v, ESM C, or a "
            "classifier on top of one (see Predictions);\n"
            "- a `.pt` file of fair-esm; contacts come with its `-contact-regression.pt` beside it;\n"
            "- a `.pth` file of ESM C or ESM3.\n\n"
            "A tensor that is missing or too many is an error, so half-loaded weights never run, and nothing in a file "
            "is run. On the command line `--model` also takes a path."
        )
        st.caption(plain(f"ESMVIZ_MODELS_DIR is {folder}." if folder else "ESMVIZ_MODELS_DIR is not set."))
