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
    return {"Wild-type-marginal perplexity": f"{one_pass:.2f}", "Pseudo-perplexity": "run masked marginals"}


def mutation_figure(choice, provenance, logits, scheme):
    scores = mutations.mutation_scores(logits, choice.record.sequence)
    order = st.session_state.get("row_order", "field")
    return views.mutation_heatmap(scores, choice.record, provenance, scheme=scheme, row_order=order), scores


def show_mutations(choice, provenance, logits, scheme, panel):
    record = choice.record
    figure, scores = mutation_figure(choice, provenance, logits, scheme)
    picture, side = st.columns([3, 1.2], gap="medium")
    with picture:
        ui.say_if_no_effects(choice.spec)
        panel(
            figure,
            text=ui.texts.MUTATIONS,
            columns=lambda: ui.tables.amino_acids(scores, record),
            arrays={"scores": scores, "logits": logits, "amino_acids": ui.tables.AMINO_ACID_ARRAY},
        )
    with side:
        ui.facts(perplexity(logits, record, scheme))
        for title, best in (("Most tolerated", True), ("Least tolerated", False)):
            ranked = mutations.rank_mutations(scores, record.sequence, k=50, best=best)
            ui.ranking(title, ui.tables.mutations(ranked), height=240)


def show_expectation(choice, provenance, logits, scheme, panel):
    record, show = choice.record, st.session_state["show_logits"]
    entropy = expectation.entropy(probabilities := expectation.probabilities(logits))
    wild = expectation.wild_type_log_probability(logits, record.sequence)
    ranks = expectation.wild_type_rank(logits, record.sequence)
    profile = {"entropy_bits": entropy, "wild_type_log_probability": wild, "wild_type_rank": ranks}
    if show == "probabilities":
        figure = views.probability_heatmap(probabilities, record, provenance, note=scheme)
    elif show == "entropy":
        figure = views.entropy_profile(entropy, record, provenance, note=scheme)
    else:
        figure = views.wild_type_profile(wild, record, provenance, ranks=ranks, note=scheme)
    picture, side = st.columns([3, 1.2], gap="medium")
    with picture:
        panel(
            figure,
            text=ui.texts.EXPECTATION[show],
            columns=lambda: {**ui.tables.amino_acids(probabilities, record), **profile},
            arrays={"logits": logits, "amino_acids": ui.tables.AMINO_ACID_ARRAY, **profile},
        )
    with side:
        ui.facts(perplexity(logits, record, scheme))
        by_surprise = show == "wild type"
        ranked = wild.argsort()[:50] if by_surprise else expectation.most_constrained(entropy, k=50)
        title = "Least expected" if by_surprise else "Most constrained"
        ui.ranking(title, ui.tables.positions(ranked, record, entropy=entropy, rank=ranks))


def show_partial(choice, provenance, logits):
    ui.figure(mutation_figure(choice, provenance, logits, MASKED)[0], "so-far", alt="Mutation scores so far")


with ui.opened("logits", needs="logits") as choice:
    show, scheme = ui.pick_logits()
    output = ui.inspect(choice, Request(logits=True, precision=choice.precision))
    provenance = ui.provenance(choice, output)
    logits = output.logits
    if scheme == MASKED:
        logits = ui.masked_logits(choice, lambda partial: show_partial(choice, provenance, partial))

    def panel(figure, **parts):
        settings = {"scheme": scheme}
        ui.panel(show, figure, choice, provenance, alt=f"{show} by position", settings=settings, **parts)

    draw = show_mutations if show == "mutations" else show_expectation
    draw(choice, provenance, logits, scheme, panel)
