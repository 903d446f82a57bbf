// Structures that turn; drawing.js stands before this. Where there is no WebGL the still picture stays, and that is said.
const dark = matchMedia("(prefers-color-scheme: dark)");
const paper = () => getComputedStyle(document.documentElement).getPropertyValue("--paper").trim();

for (const root of document.querySelectorAll(".viewer")) {
  const data = JSON.parse(document.getElementById(`${root.id}-data`).textContent);
  const state = { data: { ...data, paper: paper() } };
  try {
    draw(globalThis.$3Dmol, root, state);
    dark.addEventListener("change", () => {
      state.viewer.setBackgroundColor(paper());
      state.viewer.render();
    });
  } catch {
    root.querySelector(".said").textContent = state.viewer
      ? "The structure could not be drawn: a still picture of its backbone stands here."
      : "This browser has no WebGL, so the structure does not turn: a still picture of its backbone stands here.";
  }
}
