"""The numbers of an architecture in the texts that people hold: lists, rows of a search's log, shell scripts.

What is taken: whole numbers separated by blanks, commas, semicolons, bars and line breaks, in nested brackets and in quotes;
comments from # on; lines such as `val_acc=0.8125` after the numbers; `fixed_arc="..."`, `fixed_arc="$fixed_arc 3 0"` and what
stands around them in a script. A text that could mean two things is refused.
"""

import re

from errors import UserError
from search_spaces.parsing import found, read_integers

_PLAIN = re.compile(r"[0-9\s|]+")
_RULE = re.compile(r"[-=*_]{3,}")
_RESULT = re.compile(r"[A-Za-z][\w ]*[=:]\s*\d*\.\d+\s*%?")
_ONLY_NUMBERS = re.compile(r"[\[(\"'\s]*\d[\d\s\[\](),;|\"']*")
_ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:export[ \t]+|--)?(?P<name>(?:[a-z]+_)*arc(?:h|hitecture)?)[ \t]*(?P<append>\+?)=[ \t]*
    (?P<value>"[^"]*"|'[^']*'|\[[\s\d,;\[\]()]*\]|[^\n]*)""",
    re.MULTILINE | re.IGNORECASE | re.VERBOSE,
)
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def read_rows(text):
    """List of rows (lists of integers) as brackets divide them; a text without brackets is one row. Raises UserError."""
    if _PLAIN.fullmatch(text):
        return [read_integers(text)]
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    text = "\n".join(line for line in lines if line and not _RULE.fullmatch(line))
    return _split(_assigned(text) if _ASSIGNMENT.search(text) else _without_results(text))


def rows_fit(space, rows):
    """May these rows, by their lengths, be macro layers, micro cells or nodes, recurrent nodes?"""
    lengths = [len(row) for row in rows]
    if len(lengths) == 1:
        return True
    if space == "macro":
        return lengths == list(range(1, len(lengths) + 1))
    if space == "micro":
        return len(set(lengths)) == 1 and (len(lengths) == 2 or lengths[0] in (2, 4))
    return set(lengths[lengths[0] == 1 :]) == {2}  # the old form begins with the function of node 0


def _without_results(text):
    """`text` without the lines that tell an accuracy; between two of them stands an architecture."""
    blocks = [[]]
    for line in text.splitlines():
        if _RESULT.fullmatch(line):
            blocks.append([])
        else:
            blocks[-1].append(line)
    blocks = [block for block in blocks if block]
    if len(blocks) > 1:
        raise UserError(f"it contains {len(blocks)} architectures, separated by lines with an accuracy; keep one")
    return "\n".join(blocks[0]) if blocks else ""


def _assigned(text):
    """What the lines of a script put into the variable that holds the architecture."""
    variables = {}
    for match in _ASSIGNMENT.finditer(text):
        name = match["name"]
        value = _substituted(match["value"], variables)
        variables[name] = variables.get(name, "") + value if match["append"] else value
    values = {tuple(re.findall("[0-9]+", value)): value for value in variables.values()}
    values.pop((), None)
    if len(values) > 1:
        raise UserError(f"it sets {', '.join(variables)} to different architectures; keep one")
    outside = [line for line in _ASSIGNMENT.sub("", text).splitlines() if _ONLY_NUMBERS.fullmatch(line)]
    if outside:
        raise UserError(f"it holds numbers beside those of {', '.join(variables)} ({found(outside[0])}); keep one architecture")
    return next(iter(values.values()), "")


def _substituted(value, variables):
    """As a shell does: $name and ${name} are replaced, but not inside single quotes."""
    if value[:1] == "'":
        return value[1:-1] if len(value) > 1 and value[-1] == "'" else value
    if value[:1] == '"' and len(value) > 1 and value[-1] == '"':
        value = value[1:-1]

    def replace(match):
        name = match[1] or match[2]
        if name not in variables:
            raise UserError(f"it uses ${found(name)[1:-1]}, which is not set before; expected fixed_arc=... and then $fixed_arc")
        return variables[name]

    return _REFERENCE.sub(replace, value)


def _split(text):
    for quote in "\"'":
        if text.count(quote) % 2:
            raise UserError(f"a {quote} is not closed; expected whole numbers")
    text = text.replace('"', " ").replace("'", " ").replace(";", " ")
    _check_brackets(text)
    if re.search(r"(^|[,\[(|])\s*,", text):
        raise UserError("a number is missing at a comma; expected whole numbers")
    read_integers(re.sub(r"[\[\](),]", " ", text))  # complains of the first word that is none, by its position
    rows = re.split(r"[\[\]()]", text.replace(",", " "))
    return [read_integers(row) for row in rows if row.replace("|", " ").strip()]


def _check_brackets(text):
    waiting, closing = [], {"[": "]", "(": ")"}
    for character in text:
        if character in closing:
            waiting.append(closing[character])
        elif character in "])" and (not waiting or waiting.pop() != character):
            raise UserError(f"a {character} closes no bracket; expected whole numbers, perhaps in brackets")
    if waiting:
        raise UserError(f"a bracket is not closed, a {waiting[-1]} is missing; it may be cut off")
