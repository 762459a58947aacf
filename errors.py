"""Errors that a user can mend, and the one place that prints them."""

import logging
import os
import sys

# NNabla reports its start and every file it writes; a user wants to read about the run. Set before NNabla is imported.
logging.getLogger("nnabla").setLevel(logging.WARNING)


class UserError(Exception):
    """One line: what was wrong, what was found, what to do. Scripts print it and exit with status 2."""


def report_and_exit(main):
    """Run a script's `main()`; a `UserError` becomes one line on standard error and exit status 2."""
    try:
        status = main()
    except UserError as error:
        name = os.path.basename(sys.argv[0])
        print(f"{name}: error: {' '.join(str(error).split())}", file=sys.stderr)
        status = 2
    sys.exit(status)
