"""What does the model expect at each position, and which mutations does it dislike?"""

from esmviz import panels, ui
from esmviz.panels.logits import MASKED
from esmviz.types import Request

with ui.opened("logits", needs="logits") as choice:
    look = ui.pick_logits(choice.record)
    output = ui.inspect(choice, Request(logits=True, precision=choice.precision))
    shown_as = (look, choice.record, ui.provenance(choice, output))
    logits = output.logits
    if look.scheme == MASKED:
        logits = ui.masked_logits(
            choice, lambda so_far: panels.mutation_figure(so_far, *shown_as), "Mutation scores so far"
        )
    if look.show == "mutations":
        ui.say_if_no_effects(choice.spec)
    height = 240 if look.show == "mutations" else 320  # two lists of mutations
    ui.spread(choice, ui.once(panels.logits, logits, *shown_as), side=1.2, height=height)
