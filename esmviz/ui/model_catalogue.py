"""The list of models: what each is, whether it is here and fits, how to get it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from esmviz.errors import EsmvizError
from esmviz.types import ModelSpec
from esmviz.ui import computing
from esmviz.ui.errors import plain
from esmviz.ui.resources import workbench
from esmviz.ui.session import Session

GIGABYTE = 1e9


def table(session: Session) -> None:
    """One row for each model; a click chooses it for all pages."""
    specs = workbench().specs()
    rows = [_row(spec) for spec in specs.values()]
    columns = {name: [row[name] for row in rows] for name in rows[0]}

    def picked() -> (
        None
    ):  # only a click counts: the mark stays in the table while the choice moves on elsewhere
        marked = st.session_state["models"].selection.rows
        if marked and (name := list(specs)[marked[0]]) != session.model:
            session.pick(model=name)

    st.dataframe(
        columns,
        hide_index=True,
        height="content",
        key="models",
        on_select=picked,
        selection_mode="single-row",
    )


def _row(spec: ModelSpec) -> dict[str, Any]:
    status = workbench().status(spec.name)
    return {
        "model": spec.title or spec.name,
        "here": "hosted" if spec.host else "yes" if status.present else "no",
        "fits": "yes" if status.fits else "no",
        "needs (GB)": round(status.needed_bytes / GIGABYTE, 2),
        "million parameters": round(spec.n_parameters / 1e6, 1),
        "mutations, Spearman": spec.published_spearman,
        "layers": spec.n_layers,
        "heads": spec.n_heads,
        "width": spec.d_model,
        "longest protein": _limit(spec),
        "licence": spec.licence,
        "name": spec.name,
    }


def _limit(spec: ModelSpec) -> str:
    if spec.max_residues is not None:
        return f"{spec.max_residues:,}, beyond in windows"
    return "no limit" if spec.trained_residues is None else f"no limit, trained to {spec.trained_residues:,}"


def detail(spec: ModelSpec) -> None:
    """The chosen model in words, with what is missing to use it."""
    status = workbench().status(spec.name)
    st.subheader(plain(spec.title or spec.name), anchor=False)
    if spec.note:
        st.markdown(plain(spec.note))
    gives = ", ".join(sorted(output.replace("_", " ") for output in spec.provides))
    st.caption(plain(f"Gives {gives}. Licence: {spec.licence}. Name on the command line: {spec.name}."))
    if spec.url:
        st.link_button("Model card", spec.url)
    if spec.host:
        if status.reason:
            st.warning(plain(status.reason))
        return
    needed, free = status.needed_bytes / GIGABYTE, status.free_bytes / GIGABYTE
    st.caption(f"Needs about {needed:.1f} GB of memory; {free:.1f} GB are free on this machine.")
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
        _download(spec, status.download_bytes / GIGABYTE)


def _download(spec: ModelSpec, size: float) -> None:
    if workbench().settings.offline:
        st.caption("ESMVIZ_OFFLINE is set, so nothing is downloaded here.")
        return
    if st.session_state.get("downloading") != spec.name:
        st.button(
            f"Download, about {size:.1f} GB",
            key="run",
            type="primary",
            on_click=st.session_state.__setitem__,
            args=("downloading", spec.name),
        )
        return
    try:
        computing.download(spec.name)
    except EsmvizError:
        st.session_state.pop("downloading")  # or every rerun would try again
        raise
    st.session_state.pop("downloading")
    st.success("Downloaded. It loads at first use.")


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
