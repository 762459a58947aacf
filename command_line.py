"""What a command line is made of: an option with its limits, reading its value, complaints that name the nearest word."""

import argparse
import dataclasses

from choices import did_you_mean, shown, wrong_choice
from errors import UserError

BOTH = SEARCH, RETRAIN = "search", "retrain"
SCRIPTS = {"macro": "macro", "micro": "micro", "recurrent": "ptb"}  # by space: what the names of its scripts begin with
SPACES = tuple(SCRIPTS)


@dataclasses.dataclass(frozen=True)
class Option:
    """One option. `default` is a value, or a dict by preset, space, job or tuples of them, the first match winning."""

    name: str
    help: str
    type: type = str
    default: object = None
    short: str | None = None
    aliases: tuple = ()
    choices: tuple | None = None
    advice: str = ""  # what to say of the choices when another was given
    jobs: tuple = BOTH
    spaces: tuple = SPACES
    or_none: bool = False  # None is a value although it is no default
    least: float | None = None  # the smallest value allowed
    above: float | None = None  # the value must exceed it
    most: float | None = None
    even: bool = False
    several: bool = False  # a retraining takes more than one
    metavar: str | None = None

    @property
    def key(self):
        """Its name as an attribute of the options."""
        return self.name.lstrip("-").replace("-", "_")

    @property
    def flags(self):
        """All its names on the command line."""
        return [flag for flag in (self.name, *self.aliases, self.short) if flag]

    def default_for(self, preset, space, job):
        """The default under a preset, for a space and a job."""
        if not isinstance(self.default, dict):
            return self.default
        for wanted, value in self.default.items():
            wanted = wanted if isinstance(wanted, tuple) else (wanted,)
            if set(wanted) <= {preset, space, job, "otherwise"}:
                return value
        raise KeyError(f"{self.name} has no default for {preset}, {space}, {job}")


def boolean(text):
    """True, true, yes, 1 and False, false, no, 0 mean what they say."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"expected True or False, found {shown(text)}")
    return known[text.lower()]


_KINDS = {int: "a whole number", float: "a number"}


def reader(option, may_be_none):
    """The function that turns the text given for an option into its value, or raises argparse.ArgumentTypeError."""

    def read(text):
        if may_be_none and text == "None":
            return None
        if option.choices and text not in option.choices:
            raise argparse.ArgumentTypeError(wrong_choice(text, option.choices, option.advice))
        try:
            return option.type(text)
        except ValueError as error:
            kind = _KINDS[option.type] + (" or None" if may_be_none else "")
            raise argparse.ArgumentTypeError(f"expected {kind}, found {shown(text)}") from error

    return read


def check_limits(option, value):
    """Raises UserError if a number is not finite or outside of the limits of its option."""
    if value is None or option.type in (str, boolean):
        return
    wrong = None
    if value != value or value in (float("inf"), float("-inf")):
        wrong = "be a finite number"
    elif option.least is not None and value < option.least:
        wrong = f"be at least {option.least}"
    elif option.above is not None and value <= option.above:
        wrong = f"be greater than {option.above}"
    elif option.most is not None and value > option.most:
        wrong = f"be at most {option.most}"
    elif option.even and value % 2:
        wrong = "be even"
    if wrong:
        raise UserError(f"{option.name} must {wrong}, found {value}")


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are UserErrors. `lenient`: its `parse_known_args` may leave arguments over, as argparse's does.

    elsewhere: dict of flags that it does not have -> what has them, in words. listing: the option that lists the options.
    """

    def __init__(self, *args, lenient=False, elsewhere=None, listing="--help", **kwargs):
        super().__init__(*args, **kwargs)
        self._lenient, self._elsewhere, self._listing = lenient, elsewhere or {}, listing

    def error(self, message):
        """Raises UserError, where argparse prints the usage and exits."""
        raise UserError(f"{message}; {self._listing} lists the options")

    def parse_known_args(self, args=None, namespace=None):
        """As argparse's; raises UserError about unknown arguments unless `lenient`."""
        given, unknown = super().parse_known_args(args, namespace)
        if unknown and not self._lenient:
            self.refuse(unknown)
        return given, unknown

    def refuse(self, unknown):
        """Raises the UserError about arguments that nobody knows."""
        flag = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
        if flag is None:
            self.error(f"unexpected argument {shown(unknown[0])}; quote values that contain blanks")
        if flag in self._elsewhere:
            self.error(f"unknown option {flag}; it belongs to {self._elsewhere[flag]}")
        self.error(f"unknown option {flag}{did_you_mean(flag, self._option_string_actions)}")

    def _check_value(self, action, value):
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, wrong_choice(value, action.choices))


class ShowText(argparse.Action):
    """An option that prints what `text()` gives and ends the program."""

    def __init__(self, option_strings, dest, text, default=None):
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0)
        self._text = text

    def __call__(self, parser, *_):
        print(self._text(), end="")
        parser.exit()
