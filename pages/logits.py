"""What does the model expect at each position, and which mutations does it dislike?"""

from functools import partial

import streamlit as st

from esmviz import ui, views
from esmviz.analysis import logits as expectation
from esmviz.analysis import mutations, parts
from esmviz.types import Request

MASKED = "masked marginals"


def perplexity(logits, record, scheme):
    if scheme == MASKED:
        return {"Pseudo-perplexity (masked)": f"{expectation.pseudo_perplexity(logits, record.sequence):.2f}"}
    value = expectation.wild_type_marginal_perplexity(logits, record.sequence)
    return {"Wild-type-marginal perplexity": f"{value:.2f}", "Pseudo-perplexity": "run masked marginals"}


def mutation_figure(choice, provenance, scheme, part, logits):
    scores = mutations.mutation_scores(logits, choice.record.sequence)
    drawn, edges = parts.drawn_stretch(scores, part)
    look = {"scheme": scheme, "row_order": st.session_state.get("row_order", "field"), "edges": edges}
    return views.mutation_heatmap(drawn, choice.record, provenance, **look)


def show_mutations(choice, provenance, logits, scheme, part, panel):
    scores = mutations.mutation_scores(logits, (record := choice.record).sequence)
    picture, side = st.columns([3, 1.2], gap="medium")
    with picture:
        ui.say_if_no_effects(choice.spec)
        panel(
            mutation_figure(choice, provenance, scheme, part, logits),
            text=ui.texts.MUTATIONS,
            columns=partial(ui.tables.amino_acids, scores, record),
            arrays={"scores": scores, "logits": logits, "amino_acids": ui.tables.AMINO_ACID_ARRAY},
        )
    with side:
        ui.facts(perplexity(logits, record, scheme))
        for title, best in (("Most tolerated", True), ("Least tolerated", False)):
            ranked = mutations.rank_mutations(scores, record.sequence, k=50, best=best)
            ui.ranking(title, ui.tables.mutations(ranked), height=240)


def show_expectation(choice, provenance, logits, scheme, part, panel):
    record, show = choice.record, st.session_state["show_logits"]
    order = st.session_state.get("row_order", "field")
    entropy = expectation.entropy(probabilities := expectation.probabilities(logits))
    wild = expectation.wild_type_log_probability(logits, record.sequence)
    ranks = expectation.wild_type_rank(logits, record.sequence)
    profile = {"entropy_bits": entropy, "wild_type_log_probability": wild, "wild_type_rank": ranks}
    values, view = {
        "probabilities": (probabilities, partial(views.probability_heatmap, row_order=order)),
        "entropy": (entropy, views.entropy_profile),
        "wild type": (wild, partial(views.wild_type_profile, ranks=ranks[part])),
    }[show]
    drawn, edges = parts.drawn_stretch(values, part)
    picture, side = st.columns([3, 1.2], gap="medium")
    with picture:
        panel(
            view(drawn, record, provenance, edges=edges, note=scheme),
            text=ui.texts.EXPECTATION[show],
            columns=partial(ui.tables.amino_acids, probabilities, record, **profile),
            arrays={"logits": logits, "amino_acids": ui.tables.AMINO_ACID_ARRAY, **profile},
        )
    with side:
        ui.facts(perplexity(logits, record, scheme))
        ranked = wild.argsort()[:50] if show == "wild type" else expectation.most_constrained(entropy, k=50)
        title = "Least expected" if show == "wild type" else "Most constrained"
        ui.ranking(title, ui.tables.positions(ranked, record, entropy=entropy, rank=ranks))


with ui.opened("logits", needs="logits") as choice:
    show, scheme = ui.pick_logits()
    part = ui.pick_stretch(choice.record, parts.MOST_POSITIONS)
    output = ui.inspect(choice, Request(logits=True, precision=choice.precision))
    provenance = ui.provenance(choice, output)
    logits = output.logits
    if scheme == MASKED:
        so_far = partial(mutation_figure, choice, provenance, scheme, part)
        logits = ui.masked_logits(choice, so_far, "Mutation scores so far")

    def panel(figure, **rest):
        rest |= {"settings": {"scheme": scheme}, "alt": f"{show} by position"}
        ui.panel(show, figure, choice, provenance, **rest)

    draws = show_mutations if show == "mutations" else show_expectation
    draws(choice, provenance, logits, scheme, part, panel)
