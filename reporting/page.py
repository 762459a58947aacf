"""The parts of a page: one self-contained HTML file that needs no network, reads well on a phone and opens from disk."""

import html
import pathlib

from files import as_utf8

_HERE = pathlib.Path(__file__).parent
STYLE, SCRIPT = ((_HERE / name).read_text() for name in ("page.css", "page.js"))


def page(title, *parts):
    """The whole file, which UTF-8 can hold."""
    text = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
    return as_utf8(text)


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
    """A table; cells are HTML. `numbers`: which columns are aligned as numbers.

    name: "stacked": rows break on a phone; "sortable": a click on the head of a column sorts by it.
    """
    kind = [' class="n"' if column in numbers else "" for column in range(len(header))]
    named = name == "stacked"  # where the head is not shown
    title = [f' title="{escape(text)}"' if named and column in numbers and text else "" for column, text in enumerate(header)]
    heads = [f'<button type="button">{escape(text)}</button>' if "sortable" in name else escape(text) for text in header]
    head = "".join(f"<th{kind[column]}>{text}</th>" for column, text in enumerate(heads))
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
