"""The style and the script of a page of runs, in Python so that they go wherever the code goes."""

# ruff: noqa: E501

STYLE = """\
.wt{--bg:#fff;--card:#f7f8fa;--fg:#1c2330;--dim:#647084;--line:#e1e5eb;--good:#1a7f4b;--bad:#c4314b;--open:#a05e03;
--0:#2f6fde;--1:#e0662b;--2:#1f9d6b;--3:#b1429d;--4:#c79a10;--5:#1597b5;--6:#d6426b;--7:#6d5bd0;--8:#7a8b25;--9:#8a6552;
color-scheme:light;background:var(--bg);color:var(--fg);font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
padding:16px;overflow-wrap:anywhere}
@media screen and (prefers-color-scheme:dark){.wt{--bg:#11151c;--card:#191f29;--fg:#e3e8f0;--dim:#93a0b4;--line:#2b3442;--good:#4fc48a;
--bad:#ff7d92;--open:#f0b258;--0:#6ea4ff;--1:#ff9a63;--2:#55cf9e;--3:#e389d3;--4:#e9c454;--5:#57c8e2;--6:#ff86a6;
--7:#a99bff;--8:#b4c65c;--9:#c9a28e;color-scheme:dark}}
.wt *{box-sizing:border-box}
.wt h1{font-size:24px;margin:0 0 2px;letter-spacing:-.02em}
.wt h2{font-size:18px;margin:0 0 2px;letter-spacing:-.01em}
.wt h3{font-size:15px;margin:22px 0 4px}
.wt>h3{font-size:18px;margin-top:0}
.wt h4{font-size:12px;margin:0 0 6px;color:var(--dim);font-weight:600}
.wt p{margin:4px 0 8px}
.wt .dim,.wt small{color:var(--dim)}
.wt a{color:var(--0)}
.wt code{background:var(--card);border:1px solid var(--line);border-radius:4px;padding:1px 5px;font-size:12px}
.wt .badge{font-size:12px;font-weight:600;white-space:nowrap;color:var(--dim);border:1px solid;border-radius:99px;padding:1px 8px;
vertical-align:1px}
.wt .good{color:var(--good)}.wt .bad{color:var(--bad)}.wt .open{color:var(--open)}
.wt .fault{color:var(--bad);border-left:3px solid;background:var(--card);padding:8px 12px;margin:8px 0;white-space:pre-wrap;
border-radius:0 6px 6px 0;font-size:13px}
.wt div.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,360px),1fr));gap:14px;margin:12px 0}
.wt .columns{columns:300px;column-gap:28px;margin:14px 0}
.wt .columns section{break-inside:avoid;padding-bottom:14px}
.wt figure{margin:0;max-width:640px;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 12px;min-width:0;
break-inside:avoid}
.wt figcaption{display:flex;gap:6px;align-items:baseline;font-weight:600;font-size:13px;margin-bottom:8px}
.wt figcaption small{font-weight:400}
.wt output{margin-left:auto;font-weight:400;font-variant-numeric:tabular-nums;color:var(--dim);font-size:12px;text-align:right}
.wt .plot{position:relative;height:150px;margin:0 2px 0 48px}
.wt .plot.bars{height:100px;margin-left:0}
.wt .plot svg{width:100%;height:100%;display:block;overflow:visible}
.wt .plot path{fill:none;stroke-width:1.75;vector-effect:non-scaling-stroke;stroke-linejoin:round;stroke-linecap:round}
.wt .plot path.grid{stroke:var(--line);stroke-width:1}
.wt .plot rect{fill:var(--0)}
.wt .plot i{position:absolute;right:100%;margin-right:7px;transform:translateY(-50%);font:11px system-ui,sans-serif;color:var(--dim);
white-space:nowrap}
.wt .plot b{position:absolute;top:0;bottom:0;width:1px;background:var(--dim);opacity:.5;pointer-events:none}
.wt .steps{display:flex;justify-content:space-between;margin:5px 0 0 48px;font-size:11px;color:var(--dim)}
.wt .bars+.steps{margin-left:0}
.wt .c0{stroke:var(--0)}.wt .c1{stroke:var(--1)}.wt .c2{stroke:var(--2)}.wt .c3{stroke:var(--3)}.wt .c4{stroke:var(--4)}
.wt .c5{stroke:var(--5)}.wt .c6{stroke:var(--6)}.wt .c7{stroke:var(--7)}.wt .c8{stroke:var(--8)}.wt .c9{stroke:var(--9)}
.wt table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}
.wt .facts{width:100%}
.wt .facts th{width:36%}
.wt th,.wt td{text-align:left;vertical-align:top;padding:4px 10px 4px 0;border-bottom:1px solid var(--line);font-weight:400}
.wt th{color:var(--dim)}
.wt .wide{overflow-x:auto;margin:8px 0}
.wt .runs{overflow-wrap:normal;min-width:100%}
.wt .runs th,.wt .runs td{white-space:nowrap;padding:6px 14px 6px 0;max-width:260px;overflow:hidden;text-overflow:ellipsis}
.wt .runs thead button{all:unset;cursor:pointer;font-size:12px;font-weight:600;color:var(--dim)}
.wt .runs thead button:hover,.wt .runs thead button:focus-visible{color:var(--fg);text-decoration:underline}
.wt [aria-sort=ascending] button::after{content:" ↑"}.wt [aria-sort=descending] button::after{content:" ↓"}
.wt td.best{font-weight:700;color:var(--good)}
.wt td.best::after{content:" ★";font-size:10px}
.wt tr.picked td{background:color-mix(in srgb,var(--0) 12%,transparent)}
.wt .has-picked .plot path[data-s]:not(.picked){opacity:.18}
.wt .plot path.picked{stroke-width:3}
.wt .plot path.off{display:none}
.wt .legend{display:flex;flex-wrap:wrap;gap:4px 6px;margin:10px 0}
.wt .legend button{font:12px system-ui,sans-serif;color:var(--fg);background:none;border:1px solid var(--line);border-radius:99px;
padding:2px 9px;cursor:pointer}
.wt .legend button[aria-pressed=false]{opacity:.45;text-decoration:line-through}
.wt .legend svg{width:14px;height:8px;margin-right:5px;vertical-align:1px}
.wt .legend path{stroke-width:3;fill:none}
.wt .media{font-size:13px}
.wt .media img{max-width:100%;min-width:64px;margin:0 6px 6px 0;image-rendering:auto;background:#fff;border-radius:4px}
.wt .execution{border:1px solid var(--line);border-radius:12px;padding:20px 22px 14px;margin-top:20px}
.wt details{border-top:1px solid var(--line)}
.wt .wide+details{border-top:0}
.wt details h3{display:none}
.wt summary{cursor:pointer;padding:9px 0;font-weight:600}
.wt summary .badge{margin-left:6px}
.wt .lineage{margin:16px 0 18px}
.wt .lineage svg{display:block;width:100%;font:600 12px system-ui,sans-serif}
.wt .lineage text{fill:var(--fg)}
.wt .lineage .sub{fill:var(--dim);font-size:11px;font-weight:400}
.wt .lineage rect{fill:var(--card);stroke:var(--line);stroke-width:1.2}
.wt .lineage .good rect{stroke:var(--good)}.wt .lineage .bad rect{stroke:var(--bad)}.wt .lineage .open rect{stroke:var(--open)}
.wt .lineage .artifact rect{fill:var(--bg);stroke:color-mix(in srgb,var(--0) 45%,var(--line))}
.wt .lineage path{fill:none;stroke:var(--dim);stroke-width:1.2;opacity:.6}
body:has(>.wt){margin:0}
body>.wt.page{max-width:1320px;margin:0 auto;padding:28px 24px 60px;min-height:100vh}
html:has(>body>.wt.page){background:#fff}
@media screen and (prefers-color-scheme:dark){html:has(>body>.wt.page){background:#11151c}}
@media(max-width:600px){body>.wt.page{padding:16px 10px 40px}.wt .execution{padding:14px 12px 8px}}
@media print{body>.wt.page,.wt{padding:0;font-size:11px}.wt .execution{border:0;padding:0}.wt .wide{overflow:visible}
.wt .lineage svg{min-width:0!important}.wt .runs td,.wt .runs th{white-space:normal;padding-right:8px;font-size:10px}
.wt td:has(>input),.wt th:empty,.wt output{display:none}.wt summary,.wt h2,.wt h3,.wt h4{break-after:avoid}
.wt tr{break-inside:avoid}}
"""
SCRIPT = r"""
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
"""
