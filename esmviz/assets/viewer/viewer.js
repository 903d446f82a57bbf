// The structure that Python sends; drawing.js stands before this.
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
