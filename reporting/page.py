"""The parts of a page: one self-contained HTML file that needs no network, reads well on a phone and opens from disk."""

import html

STYLE = """
:root { --ink: #1d2329; --faint: #66707a; --line: #dde2e7; --paper: #fff; --wash: #f5f7f9; --accent: #1f5fa8; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 16px; color: var(--ink); background: var(--wash);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 28px 0 10px; } p { margin: 6px 0; }
.faint, small { color: var(--faint); } small { font-size: 13px; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; margin: 10px 0; }
.grid-of-cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr)); gap: 12px; }
.grid-of-cards > * { margin: 0; min-width: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 12px 0; }
.tile { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px; }
.tile b { display: block; font-size: 21px; line-height: 1.3; }
.tile span { color: var(--faint); font-size: 13px; display: block; }
progress { width: 100%; height: 10px; accent-color: var(--accent); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--faint); font-weight: 600; } td.n, th.n { text-align: right; } td.n { white-space: nowrap; }
code { font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; overflow-wrap: anywhere; }
.copy { display: flex; gap: 8px; align-items: flex-start; min-width: 180px; } .copy code { flex: 1; user-select: all; }
button { font: inherit; font-size: 12px; padding: 2px 9px; border: 1px solid var(--line); border-radius: 6px;
  background: var(--wash); color: var(--ink); cursor: pointer; }
pre { overflow-x: auto; font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; margin: 6px 0; }
summary { cursor: pointer; font-weight: 600; }
.chart { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px 4px; }
.chart svg { width: 100%; height: auto; display: block; touch-action: pan-y; }
.chart output { display: block; min-height: 18px; font-size: 12px; color: var(--faint); }
.chart text { font-size: 11px; fill: var(--faint); text-anchor: middle; } .chart text.y, .chart text.axis { text-anchor: end; }
.chart .only { stroke-width: 5; stroke-linecap: round; }
.chart .grid path { stroke: var(--line); } .chart polyline { fill: none; stroke-width: 1.7; stroke-linejoin: round; }
.chart .dots { stroke: #8aa0b8; stroke-width: 4; stroke-linecap: round; opacity: .55; }
.chart .mark circle { fill: none; stroke: #c2271a; stroke-width: 2; }
.chart .mark text { fill: #c2271a; font-weight: 600; paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
.legend { font-size: 12px; color: var(--faint); } .legend span { margin-left: 10px; display: inline-block; }
.legend i { display: inline-block; width: 12px; height: 3px; margin-right: 4px; vertical-align: middle; }
.drawing { display: flex; flex-wrap: wrap; justify-content: center; gap: 8px 24px; margin: 10px 0; }
.drawing > div { flex: 1 1 420px; min-width: 0; } .drawing svg { width: 100%; height: auto; display: block; margin: 0 auto; }
@media (max-width: 700px) {
  body { padding: 10px; } .stacked thead { display: none; }
  .stacked tr { display: flex; flex-wrap: wrap; border-bottom: 1px solid var(--line); }
  .stacked td { border: 0; } .stacked td:last-child { flex: 1 0 100%; }
  .stacked td[title]::after { content: " " attr(title); color: var(--faint); font-size: 12px; }
}
.confusion { width: auto; font-size: 13px; }
.confusion td, .confusion th { padding: 3px 6px; text-align: center; border: 1px solid var(--paper); }
.confusion th[scope=row] { text-align: right; }
.confusion th[scope=col] { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; }
@media (max-width: 700px) { .confusion { font-size: 10px; } .confusion td, .confusion th { padding: 2px; } }
"""

SCRIPT = """
for (const button of document.querySelectorAll(".copy button")) button.onclick = () => {
  const code = button.parentNode.querySelector("code"), range = document.createRange();
  range.selectNodeContents(code);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  document.execCommand("copy");
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 1500);
};
const running = document.getElementById("running");
if (running) {
  const { written, patience, reload } = running.dataset;
  document.getElementById("silent").hidden = Date.now() / 1000 - written < patience;
  setInterval(() => {
    if (!String(getSelection()) && !document.querySelector("details[open]")) location.reload();  // nobody is at work in it
  }, 1000 * reload);
}
for (const svg of document.querySelectorAll(".chart svg")) {
  const [x0, x1, left, right, y0, y1, bottom, top] = svg.dataset.frame.split(" ").map(Number);
  const number = (value) => String(Number(value.toPrecision(4)));
  svg.onpointermove = (event) => {
    const box = svg.getBoundingClientRect(), place = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    const found = [...svg.querySelectorAll("polyline")].map((line) => {
      const nearest = [...line.points].reduce((a, b) => Math.abs(b.x - place) < Math.abs(a.x - place) ? b : a);
      const height = y0 + (nearest.y - bottom) / (top - bottom) * (y1 - y0);
      const x = x0 + (nearest.x - left) / (right - left) * (x1 - x0);
      return { x: Math.round(x), text: `${line.dataset.name} ${number(svg.dataset.log === "1" ? 10 ** height : height)}` };
    });
    if (found.length) svg.nextElementSibling.textContent = `${found[0].x}: ${found.map((item) => item.text).join(", ")}`;
  };
  svg.onpointerleave = () => { svg.nextElementSibling.textContent = ""; };
}
"""


def page(title, *parts):
    """The whole file."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def escape(value):
    """Text that stands for itself in HTML."""
    return html.escape(str(value))


def heading(text, content):
    """A section, or nothing if its content is empty."""
    return f"<h2>{escape(text)}</h2>\n{content}" if content else ""


def card(*parts):
    """A white box."""
    return f'<div class="card">{"".join(parts)}</div>'


def charts(*figures):
    """Figures beside each other as far as the width allows."""
    shown = "".join(figures)
    return f'<div class="grid-of-cards">{shown}</div>' if shown else ""


def tiles(items):
    """Figures to see first: (name, value, note)."""
    shown = (
        f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b><span>{escape(note)}</span></div>'
        for name, value, note in items
    )
    return f'<div class="tiles">{"".join(shown)}</div>'


def table(header, rows, numbers=(), name=""):
    """A table; cells are HTML. `numbers`: which columns are aligned as numbers. Rows of a "stacked" one break on a phone."""
    kind = [' class="n"' if column in numbers else "" for column in range(len(header))]
    title = [f' title="{escape(text)}"' if column in numbers and text else "" for column, text in enumerate(header)]
    head = "".join(f"<th{kind[column]}>{escape(name)}</th>" for column, name in enumerate(header))
    body = "".join(
        "<tr>" + "".join(f"<td{kind[column]}{title[column]}>{cell}</td>" for column, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table class="{name}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def copyable(text):
    """Code with a button that copies it."""
    return f'<div class="copy"><code>{escape(text)}</code><button type="button">copy</button></div>'


def folded(summary, content):
    """Content that a click shows."""
    return f'<details class="card"><summary>{escape(summary)}</summary>{content}</details>'


def options_table(options, title="options of this run"):
    """Options by name, folded."""
    rows = [(f"<code>--{escape(name.replace('_', '-'))}</code>", escape(value)) for name, value in sorted(options.items())]
    return folded(title, table(("option", "value"), rows))
