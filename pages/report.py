"""How do you take the analysis with you? One file to read, all data to check, methods to paste, figures to publish."""

from esmviz import ui

with ui.opened("report") as choice:
    chosen = ui.report.choose(choice.session)
    ui.report.downloads(chosen)
    ui.report.methods(chosen)
    ui.report.figures(chosen)
