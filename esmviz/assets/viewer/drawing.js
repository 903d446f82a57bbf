// Draws a structure into a `.viewer`, for the Structure page and for the report, whose scripts follow this one. All text
// goes in by textContent, and the coordinates are our own mmCIF.
const LIGAND = -1;

function residueOf(atom) {
  return Math.round(atom.b ?? LIGAND);
}

function hasWebGL() {
  const canvas = document.createElement("canvas");
  return ["webgl2", "webgl"].some((kind) => canvas.getContext(kind) !== null);
}

function begin(lib, root, state) {
  const canvas = root.querySelector(".canvas");
  if (!hasWebGL()) throw new Error("This browser has no WebGL, which the picture needs; the table holds the numbers.");
  state.viewer = lib.createViewer(canvas, { antialias: true, hoverDuration: 80 });
  state.observer = new ResizeObserver(() => state.viewer.resize());
  state.observer.observe(canvas);
  root.querySelector(".reset").onclick = () => home(state);
  root.querySelector(".save").onclick = () => {
    const link = document.createElement("a");
    link.href = state.viewer.pngURI();
    link.download = state.data.file;
    link.click();
  };
}

function home(state) {
  state.viewer.setView(state.start);
  state.viewer.render();
}

function load(state, data) {
  state.viewer.removeAllModels();
  state.model = state.viewer.addModel(data.text, "cif");
  state.text = data.text;
}

function paint(root, state, data) {
  const { viewer, model } = state;
  const said = root.querySelector(".said");
  viewer.setBackgroundColor(data.paper);
  model.setStyle({}, { cartoon: { colorfunc: (atom) => data.colours[residueOf(atom)] ?? data.missing, arrows: true } });
  model.setStyle({ hetflag: true }, { stick: { radius: 0.18 } });
  model.setHoverable({}, true,
    (atom) => { said.textContent = data.words[residueOf(atom)] ?? atom.resn; },
    () => { said.textContent = ""; });
}

function draw(lib, root, state) {
  const { data } = state;
  if (!state.viewer) begin(lib, root, state);
  const isNew = state.text !== data.text;
  if (isNew) load(state, data);
  paint(root, state, data);
  if (isNew) {
    state.viewer.zoomTo();
    state.start = state.viewer.getView();
  }
  state.viewer.render();
  root.dataset.drawn = data.mark;
}
