"""Experiments: does the search find something? Each is one command; RESULTS.md says what was seen."""

import environment  # noqa: F401 - a wrong Python ends here
