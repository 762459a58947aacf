"""Which classes a network takes for which, on the test set."""

from reporting import page, svg
from reporting.page import escape
from wording import percent

MOST_CLASSES = 20  # of a table with a number in every cell
MOST_CONFUSIONS = 30  # that are listed where there are more classes
CELL = 4.0  # of the picture in place of the table, points
NOTE = "Rows: true class; columns: predicted class; test set, after the last epoch"


def confusion(evaluation):
    """HTML out of evaluation.json, or "" where it has no confusion matrix: rows are the right classes, columns the answers."""
    counts, classes = evaluation.get("confusion"), evaluation.get("classes")
    if not counts:
        return ""
    return (_numbers if len(classes) <= MOST_CLASSES else _picture)(counts, classes)


def _numbers(counts, classes):
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in classes)
    rows = "".join(_row(classes[number], row, number) for number, row in enumerate(counts))
    head = f"<thead><tr><td></td>{head}<th>correct</th></tr></thead>"
    table = f'<div class="scroll"><table class="confusion">{head}<tbody>{rows}</tbody></table></div>'
    return page.card(table, f"<small>{NOTE}.</small>")


def _row(name, row, right):
    """Weak colours under the page's ink, so that every number can be read; an error of 10 % is as strong as all right."""
    cells = []
    for column, count in enumerate(row):
        share = count / max(sum(row), 1)
        kind, strength = ("right", share) if column == right else ("wrong", min(10 * share, 1))
        style = f' style="background:rgb(var(--{kind}) / {0.5 * strength:.2f})"' if count else ' class="none"'
        cells.append(f"<td{style}>{count}</td>")
    cells.append(f"<td>{percent(row[right] / max(sum(row), 1))}</td>")
    return f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>'


# ---- many classes ---------------------------------------------------------------------------------------------------


def _picture(counts, classes):
    """The matrix as a picture, the classes with what they are taken for as a table, most common errors as another one."""
    cells = [(count, right, answer) for right, row in enumerate(counts) for answer, count in enumerate(row) if count]
    errors = sorted((cell for cell in cells if cell[1] != cell[2]), key=lambda cell: (-cell[0], *cell[1:]))
    listed = [
        (escape(classes[right]), escape(classes[answer]), count, percent(count / sum(counts[right])))
        for count, right, answer in errors[:MOST_CONFUSIONS]
    ]
    header = ("class", "correct", "images", "most often confused with")
    by_class = page.table(header, list(_class_rows(counts, classes)), (1, 2), "sortable")
    pairs = page.table(("true class", "predicted", "times", "share of the class"), listed, (2, 3), "sortable")
    return (
        '<div class="grid-of-cards">'
        + page.card(_heat(counts), f"<small>{NOTE}. Both in the order of the table.</small>")
        + page.card(f"<h3>most common errors</h3>{_tall(pairs)}")
        + page.card(f"<h3>class by class</h3>{_tall(by_class)}")
        + "</div>"
    )


def _tall(table):
    return table.replace('class="scroll"', 'class="scroll tall"', 1)


def _class_rows(counts, classes):
    for right, row in enumerate(counts):
        wrong = [0 if answer == right else count for answer, count in enumerate(row)]
        worst = wrong.index(max(wrong))
        taken = f"{escape(classes[worst])} ({wrong[worst]})" if wrong[worst] else ""
        yield escape(classes[right]), percent(row[right] / max(sum(row), 1)), sum(row), taken


def _heat(counts):
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    strengths = [
        [share if answer == right else min(10 * share, 1) for answer, share in enumerate(row)] for right, row in enumerate(shares)
    ]
    size = len(counts) * CELL
    figure, axes = svg.new_figure(size, size)
    svg.add_heat(axes, strengths, 0, 0, size, size)
    return f'<figure class="heat">{svg.inline(figure, "confusion matrix")}</figure>'
