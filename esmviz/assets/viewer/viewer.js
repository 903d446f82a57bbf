// Draws the structure that Python sends. All text goes in by textContent, and the coordinates are our own mmCIF.
const LIGAND = -1;
const loading = new Map();
const shown = new WeakMap();

function library(url) {
  if (!loading.has(url)) {
    loading.set(url, new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = () => done(globalThis.$3Dmol);
      script.onerror = () => { loading.delete(url); failed(new Error("The viewer could not be loaded.")); };
      document.head.append(script);
    }));
  }
  return loading.get(url);
}

function residueOf(atom) {
  return Math.round(atom.b ?? LIGAND);
}

function begin(lib, root, state) {
  const canvas = root.querySelector(".canvas");
  state.viewer = lib.createViewer(canvas, { antialias: true, hoverDuration: 80 });
  if (!state.viewer) throw new Error("This browser has no WebGL, which the picture needs; the table holds the numbers.");
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

function explain(root, data) {
  const canvas = root.querySelector(".canvas");
  canvas.setAttribute("aria-label", data.alt);
  const entries = data.legend.map(([label, colour]) => {
    const entry = document.createElement("span");
    const patch = document.createElement("span");
    patch.className = "patch";
    patch.style.background = colour;
    entry.append(patch, label);
    return entry;
  });
  const title = document.createElement("strong");
  title.textContent = data.title;
  root.querySelector(".legend").replaceChildren(title, ...entries);
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

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".viewer");
  if (!shown.has(root)) shown.set(root, {});
  const state = shown.get(root);
  state.data = data;
  explain(root, data);
  library(data.library)
    .then((lib) => draw(lib, root, state))
    .catch((error) => { root.querySelector(".said").textContent = error.message; });
  return () => {
    state.observer?.disconnect();
    shown.delete(root);
  };
}
