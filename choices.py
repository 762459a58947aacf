"""Wrong values in words: what was given, what there is, what looks most like it."""

import difflib


def shown(text):
    """A given text for an error message, cut when long."""
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."


def wrong_choice(text, choices, advice=""):
    """Says that `text` is none of `choices`, which is nearest, and the `advice`."""
    return f"{shown(text)} is not one of {', '.join(choices)}{did_you_mean(text, choices)}{advice and '; '}{advice}"


def did_you_mean(text, names):
    """` (did you mean NAME?)` with the one of `names` that looks most like `text`, or nothing when none does."""
    by_form = {_form(name): name for name in names}
    close = difflib.get_close_matches(_form(text), by_form, 1)
    return f" (did you mean {by_form[close[0]]}?)" if close else ""


def _form(name):
    """Capitals, and underscores for dashes, are no other word."""
    return name.lower().replace("_", "-")
