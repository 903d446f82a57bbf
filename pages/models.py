"""Which models can run here? Sizes, licences, what is on this machine, download, one's own checkpoints, speed."""

from esmviz import ui

with ui.opened("models") as choice:
    ui.model_catalogue.table(choice.session)
    ui.model_catalogue.detail(choice)
    ui.model_catalogue.bring_your_own()
    ui.measurements.side_by_side(choice)
