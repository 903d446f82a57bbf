"""What does the fold look like, and where does the model trust it? A fold of the model, or an uploaded structure."""

import streamlit as st

from esmviz import panels, ui, views
from esmviz.analysis import attention as looks
from esmviz.analysis import logits as expectation
from esmviz.analysis import parts
from esmviz.types import OverHeads, Request

ENTROPY, RECEIVED = "entropy (bits)", "attention received (times the even share)"
NUMBERS = {ENTROPY: "logits", RECEIVED: "attentions"}


def show_fold(choice):
    output, record = ui.structures.folded(choice), choice.record
    fold, provenance = output.structure, ui.provenance(choice, output)
    picture, side = st.columns([3, 1.2], gap="medium")
    with picture:
        text, painting = ui.structures.painted_fold(fold, record)
        ui.viewer(text, painting, f"fold-{record.id}", alt=f"Fold of {record.id}, coloured by pLDDT")
        ui.structures.fold_files(fold, choice)
        rows, columns = ui.pick_parts(record)
        ui.panel(choice, panels.confidence(fold, record, provenance, stretch=rows))
        cells, (edges, _) = parts.drawn_part(fold.pae, rows, columns)
        errors = views.aligned_error_map(cells, record, provenance, edges=(edges, edges))
        ui.figure(errors, "aligned-error", alt="Predicted aligned error, residue by residue")
    with side:
        trusted = f"{(fold.plddt > 70).mean():.0%}"
        ui.facts({"Mean pLDDT": f"{fold.plddt.mean():.1f}", "pTM": f"{fold.ptm:.2f}", "Above 70": trusted})
        if missing := ui.structures.without_atoms(fold, record):
            st.caption(ui.plain(f"The model places no atoms for {', '.join(missing)}."))
        ui.ranking("Least trusted", ui.tables.positions(fold.plddt.argsort(), record, pLDDT=fold.plddt))


def numbers(choice, by):
    if by == ENTROPY:
        output = ui.inspect(choice, Request(logits=True, precision=choice.precision))
        return expectation.entropy(expectation.probabilities(output.logits)), output
    ui.check_map(choice.record)
    probe = OverHeads(1, choice.spec.n_layers)
    output = ui.inspect(choice, Request(probes=(probe,), precision=choice.precision))
    return looks.received(output.probes[probe.key]), output


def show_structure(choice, structure):
    record, found = choice.record, ui.structures.matches(structure, choice.record)
    by = ui.structures.pick_colour(structure, [n for n, o in NUMBERS.items() if o in choice.spec.provides])
    values, note = None, ""
    if by in NUMBERS and not any(found):
        ui.structures.offer_chains(structure, choice)
        by = "chain"
    elif by in NUMBERS:
        of_protein, output = numbers(choice, by)
        values = ui.structures.laid_out(found, structure, of_protein)
        note = ui.caption(ui.provenance(choice, output), record.id)
    picture, side = st.columns([3, 1.4], gap="medium")
    with picture:
        painting = ui.structures.painted(structure, by, values)
        alt = f"{structure.name}, coloured by {painting.title}"
        ui.viewer(structure.text, painting, structure.name, alt=alt)
        st.caption(ui.plain(" · ".join(filter(None, [structure.name, *structure.notes, note]))))
    with side:
        note = f"Paired: residues that are residues of {record.id}."
        ui.ranking("Chains", ui.structures.chain_table(structure, found), height=180, note=note)
        if values is not None:
            table = ui.structures.residue_table(structure, found, record, values, by)
            ui.structures.ranked(table, by, structure, lowest_first=by == ENTROPY)
    if values is not None:
        ui.how_to_read(*ui.texts.PAINTED)


with ui.opened("structure") as choice:
    structure = ui.structures.pick(choice)
    if structure is None:
        show_fold(choice)
    else:
        show_structure(choice, structure)
