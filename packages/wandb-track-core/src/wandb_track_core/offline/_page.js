"use strict";
const all = (root, what) => [...root.querySelectorAll(what)];
for (const table of all(document, "table.runs")) {
  const heads = all(table, "thead th");
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
    const value = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (!x || !y) return (x ? 0 : 1) - (y ? 0 : 1); // what is empty comes last
      return down * (isNaN(x) || isNaN(y) ? x.localeCompare(y, undefined, { numeric: true }) : x - y);
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  }));
}
for (const section of all(document, ".execution")) {
  for (const button of all(section, ".legend button"))
    button.addEventListener("click", () => {
      const isOn = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", isOn);
      for (const path of all(button.closest(".siblings"), `.plot path[data-s="${button.dataset.s}"]`))
        path.classList.toggle("off", !isOn);
    });
  for (const box of all(section, ".runs input"))
    box.addEventListener("change", () => {
      box.closest("tr").classList.toggle("picked", box.checked);
      const siblings = section.querySelector(`.siblings[data-t="${box.dataset.t}"]`);
      if (!siblings) return;
      for (const path of all(siblings, `.plot path[data-s="${box.dataset.s}"]`)) path.classList.toggle("picked", box.checked);
      siblings.classList.toggle("has-picked", !!siblings.querySelector("path.picked"));
    });
}
const round = (value) => String(+value.toPrecision(4));
for (const figure of all(document, "figure[data-x]")) {
  const plot = figure.querySelector(".plot"), output = figure.querySelector("output");
  const [left, right] = figure.dataset.x.split(" ").map(Number);
  const [bottom, top, isLog] = figure.dataset.y.split(" ").map(Number);
  const curves = all(plot, "path[data-s]").map((path) => [path, path.getAttribute("d").match(/[\d.e+-]+,[\d.e+-]+/g).map((at) => at.split(",").map(Number))]);
  const line = plot.appendChild(document.createElement("b"));
  line.hidden = true;
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 1000, y = ((event.clientY - box.top) / box.height) * 1000;
    let best, step = 0;
    for (const [path, points] of curves) {
      if (path.classList.contains("off")) continue;
      const near = points.reduce((one, other) => (Math.abs(other[0] - x) < Math.abs(one[0] - x) ? other : one));
      if (!best || Math.abs(near[1] - y) < Math.abs(best[1] - y)) best = [path, near[1], near[0]];
    }
    if (!best) return;
    const value = top - (best[1] / 1000) * (top - bottom);
    step = left + (best[2] / 1000) * (right - left);
    const label = curves.length > 1 ? best[0].querySelector("title").textContent + ": " : "";
    output.textContent = `${label}${round(isLog ? 10 ** value : value)} at ${round(step)}`;
    line.style.left = `${best[2] / 10}%`;
    line.hidden = false;
  });
  plot.addEventListener("pointerleave", () => { output.textContent = ""; line.hidden = true; });
}
const reveal = () => document.getElementById(decodeURIComponent(location.hash.slice(1)))?.closest("details")?.setAttribute("open", "");
addEventListener("hashchange", reveal);
addEventListener("beforeprint", () => all(document, "details").forEach((part) => part.setAttribute("open", "")));
reveal();
