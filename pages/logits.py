"""What does the model expect at each position, and which mutations does it dislike?"""

import streamlit as st

from esmviz import ui, views
from esmviz.analysis import logits as expectation
from esmviz.analysis import mutations
from esmviz.types import Request

MASKED = "masked marginals"


def perplexity(logits, record, scheme):
    if scheme == MASKED:
        return {"Pseudo-perplexity (masked)": f"{expectation.pseudo_perplexity(logits, record.sequence):.2f}"}
    one_pass = expectation.wild_type_marginal_perplexity(logits, record.sequence)
    return {
        "Wild-type-marginal perplexity": f"{one_pass:.2f}",
        "Pseudo-perplexity (masked)": "run masked marginals",
    }


def draw_mutations(choice, provenance, logits, scheme, partial=False):
    scores = mutations.mutation_scores(logits, choice.record.sequence)
    order = st.session_state.get("row_order", "field")
    figure = views.mutation_heatmap(scores, choice.record, provenance, scheme=scheme, row_order=order)
    name = "mutations-so-far" if partial else "mutations"
    ui.figure(figure, name, alt="Heatmap of mutation scores, twenty amino acids by position")
    return figure, scores


def show_mutations(choice, provenance, logits, scheme):
    record = choice.record
    picture, side = st.columns([3, 1.2], gap="medium")
    with picture:
        ui.say_if_no_effects(choice.spec)
        figure, scores = draw_mutations(choice, provenance, logits, scheme)
        columns = lambda: ui.tables.amino_acids(scores, record)  # noqa: E731
        arrays = {"scores": scores, "amino_acids": ui.tables.AMINO_ACID_ARRAY}
        ui.downloads(
            "mutations",
            figure,
            choice,
            provenance,
            columns=columns,
            arrays=arrays,
            settings={"scheme": scheme},
        )
        ui.how_to_read(*ui.texts.MUTATIONS)
    with side:
        ui.facts(perplexity(logits, record, scheme))
        for title, best in (("Most tolerated", True), ("Least tolerated", False)):
            ranked = mutations.rank_mutations(scores, record.sequence, k=50, best=best)
            ui.ranking(title, ui.tables.mutations(ranked), height=240)


def show_expectation(choice, provenance, logits, scheme, show):
    record = choice.record
    probabilities = expectation.probabilities(logits)
    entropy = expectation.entropy(probabilities)
    ranks = expectation.wild_type_rank(logits, record.sequence)
    wild = expectation.wild_type_log_probability(logits, record.sequence)
    if show == "probabilities":
        figure, text = (
            views.probability_heatmap(probabilities, record, provenance, note=scheme),
            ui.texts.PROBABILITIES,
        )
    elif show == "entropy":
        figure, text = views.entropy_profile(entropy, record, provenance, note=scheme), ui.texts.ENTROPY
    else:
        figure, text = (
            views.wild_type_profile(wild, record, provenance, ranks=ranks, note=scheme),
            ui.texts.WILD_TYPE,
        )
    picture, side = st.columns([3, 1.2], gap="medium")
    with picture:
        ui.figure(figure, show.replace(" ", "-"), alt=f"The model's {show} along the protein")
        profile = {"entropy_bits": entropy, "wild_type_log_probability": wild, "wild_type_rank": ranks}
        columns = lambda: {**ui.tables.amino_acids(probabilities, record), **profile}  # noqa: E731
        arrays = {
            "logits": logits,
            "probabilities": probabilities,
            "amino_acids": ui.tables.AMINO_ACID_ARRAY,
            **profile,
        }
        ui.downloads(
            show, figure, choice, provenance, columns=columns, arrays=arrays, settings={"scheme": scheme}
        )
        ui.how_to_read(*text)
    with side:
        ui.facts(perplexity(logits, record, scheme))
        surest = expectation.most_constrained(entropy, k=50)
        ui.ranking(
            "Most constrained positions", ui.tables.positions(surest, record, entropy=entropy, rank=ranks)
        )


with ui.opened("logits", needs="logits") as choice:
    show, scheme = ui.pick_logits()
    output = ui.inspect(choice, Request(logits=True, precision=choice.precision))
    provenance = ui.provenance(choice, output)
    logits = output.logits
    if scheme == MASKED:
        logits = ui.masked_logits(
            choice, lambda some: draw_mutations(choice, provenance, some, scheme, partial=True)
        )
    if show == "mutations":
        show_mutations(choice, provenance, logits, scheme)
    else:
        show_expectation(choice, provenance, logits, scheme, show)
