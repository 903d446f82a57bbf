"use strict";
(() => {
  const templates = JSON.parse(document.getElementById("templates").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const nodes = [...document.querySelectorAll(".figure")];
  const config = (name) => ({
    displaylogo: false, responsive: true, showSendToCloud: false, scrollZoom: false,
    toImageButtonOptions: {format: "svg", filename: name},
  });
  const template = () => (dark.matches ? templates.dark : templates.light);
  for (const node of nodes) {
    const spec = JSON.parse(document.getElementById(`${node.id}-data`).textContent);
    const layout = {...spec.layout, template: template(), autosize: true};
    Plotly.newPlot(node, spec.data, layout, config(node.dataset.name));
  }
  const paint = (changes) => nodes.forEach((node) => Plotly.relayout(node, changes));
  dark.addEventListener("change", () => paint({template: template()}));
  // On paper: light, and as wide as a page of A4 or Letter between its margins. What is unfolded is printed.
  addEventListener("beforeprint", () => paint({template: templates.light, autosize: false, width: 660}));
  addEventListener("afterprint", () => paint({template: template(), autosize: true, width: null}));
})();
