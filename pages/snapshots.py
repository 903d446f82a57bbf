"""What was shared: the page behind a link, as it was; without one, the list of what this browser shared."""

from esmviz import ui

with ui.framed("snapshots"):
    ui.snapshots.draw()
