"use strict";
const all = (root, what) => [...root.querySelectorAll(what)];
for (const table of all(document, "table.runs")) {
  const heads = all(table, "thead th");
  heads.forEach((head) => { head.title = head.textContent; });
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
    const value = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      const [isX, isY] = [x, y].map((one) => !!one && one !== "nan"); // what is empty, or no number, comes last
      if (!isX || !isY) return isY - isX;
      return down * (isNaN(x) || isNaN(y) ? x.localeCompare(y, undefined, { numeric: true }) : x - y);
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  }));
}
for (const section of all(document, ".execution")) {
  const switchCurve = (button, isOn) => {
    button.setAttribute("aria-pressed", isOn);
    for (const path of all(button.closest(".siblings"), `.plot path[data-s="${button.dataset.s}"]`))
      path.classList.toggle("off", !isOn);
  };
  for (const legend of all(section, ".legend")) {
    const buttons = all(legend, "button"), isOn = (button) => button.getAttribute("aria-pressed") === "true";
    for (const button of buttons) button.addEventListener("click", () => switchCurve(button, !isOn(button)));
    const every = legend.appendChild(document.createElement("button"));
    every.textContent = "all / none";
    every.addEventListener("click", () => {
      const areAllOn = buttons.every(isOn);
      buttons.forEach((button) => switchCurve(button, !areAllOn));
    });
  }
  for (const box of all(section, ".runs input")) {
    const siblings = section.querySelector(`.siblings[data-t="${box.dataset.t}"]`);
    const button = siblings?.querySelector(`.legend button[data-s="${box.dataset.s}"]`);
    if (button) box.after(button.querySelector("svg").cloneNode(true));
    box.addEventListener("change", () => {
      box.closest("tr").classList.toggle("picked", box.checked);
      if (!siblings) return;
      for (const path of all(siblings, `.plot path[data-s="${box.dataset.s}"]`)) path.classList.toggle("picked", box.checked);
      siblings.classList.toggle("has-picked", !!siblings.querySelector("path.picked"));
    });
  }
}
const main = document.querySelector("main"), filter = document.createElement("input");
Object.assign(filter, { type: "search", placeholder: "Filter runs, such as: failed adam", className: "filter" });
filter.setAttribute("aria-label", "filter runs");
if (all(main, ".runs tbody tr").length > 1) main.insertBefore(filter, main.querySelector(".execution"));
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/);
  for (const section of all(main, ".execution")) {
    const title = section.querySelector("h2").textContent;
    for (const row of all(section, ".runs tbody tr")) {
      const text = `${title} ${[...row.cells].map((cell) => cell.title || cell.textContent).join(" ")}`.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      const { t, s } = row.querySelector("input").dataset, link = row.querySelector("a");
      for (const curve of all(section, `.siblings[data-t="${t}"] :is(button,path)[data-s="${s}"]`))
        curve.style.display = row.hidden ? "none" : "";
      if (link) document.getElementById(link.hash.slice(1)).hidden = row.hidden;
    }
    section.hidden = !section.querySelector(".runs tbody tr:not([hidden])");
  }
});
// With so many digits that neighbouring points differ.
const exact = (value, range) => String(+value.toFixed(Math.min(Math.max(5 - Math.floor(Math.log10(range || 1)), 0), 100)));
for (const figure of all(document, "figure[data-x]")) {
  const plot = figure.querySelector(".plot"), output = figure.querySelector("output");
  const [left, right] = figure.dataset.x.split(" ").map(Number);
  const [bottom, top, isLog] = figure.dataset.y.split(" ").map(Number);
  const curves = all(plot, "path[data-s]").map((path) => [path, path.getAttribute("d").match(/[\d.e+-]+,[\d.e+-]+/g)?.map((at) => at.split(",").map(Number)) ?? []]);
  const line = plot.appendChild(document.createElement("b"));
  line.hidden = true;
  let at = [0, 0]; // the curve and the point that are shown
  const isShown = ([path, points]) => points.length && path.getClientRects().length;
  const nearest = (points, x) => points.reduce((one, point, other) => (Math.abs(point[0] - x) < Math.abs(points[one][0] - x) ? other : one), 0);
  const clear = () => {
    output.textContent = "";
    line.hidden = true;
    curves.forEach(([path]) => path.classList.remove("near"));
  };
  const show = () => {
    clear();
    const [path, points] = curves[at[0]], [x, y] = points[at[1]];
    const value = top - (y / 1000) * (top - bottom);
    const text = isLog ? String(+(10 ** value).toPrecision(6)) : exact(value, top - bottom);
    const label = curves.length > 1 ? `${path.querySelector("title").textContent}: ` : "";
    output.textContent = `${label}${text} at ${exact(left + (x / 1000) * (right - left), right - left)}`;
    line.style.left = `${x / 10}%`;
    line.hidden = false;
    if (curves.length > 1) path.classList.add("near");
  };
  const point = (event) => {
    const box = plot.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 1000, y = ((event.clientY - box.top) / box.height) * 1000;
    const found = curves.flatMap((curve, number) => (isShown(curve) ? [[number, nearest(curve[1], x)]] : []));
    const far = ([curve, number]) => Math.abs(curves[curve][1][number][1] - y);
    if (!found.length) return;
    at = found.reduce((one, other) => (far(other) < far(one) ? other : one));
    show();
  };
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", point);
  plot.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") clear(); });
  plot.tabIndex = 0;
  plot.addEventListener("blur", clear);
  plot.addEventListener("keydown", (event) => {
    const [along, across] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    const shown = curves.flatMap((curve, number) => (isShown(curve) ? [number] : []));
    if (!shown.length || !(along || across)) return;
    event.preventDefault();
    const x = curves[at[0]][1][at[1]]?.[0] ?? 0, now = shown.indexOf(at[0]);
    const curve = shown[Math.min(Math.max(now + (now < 0 ? 1 : across), 0), shown.length - 1)];
    const number = curve === at[0] ? at[1] + (line.hidden ? 0 : along) : nearest(curves[curve][1], x);
    at = [curve, Math.min(Math.max(number, 0), curves[curve][1].length - 1)];
    show();
  });
}
const reveal = (hash) => document.getElementById(decodeURIComponent(hash.slice(1)))?.closest("details")?.setAttribute("open", "");
addEventListener("hashchange", () => reveal(location.hash));
addEventListener("click", (event) => reveal(event.target.closest?.("a[href^='#']")?.getAttribute("href") ?? "")); // also for the second time
addEventListener("beforeprint", () => all(document, "details").forEach((part) => part.setAttribute("open", "")));
reveal(location.hash);
