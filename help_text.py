"""What --help and --help-all print, as wide as the terminal."""

import argparse
import shutil
import textwrap

from command_line import RETRAIN, SCRIPTS, SEARCH, boolean

# The options that --help tells; --help-all tells all.
FIRST = {
    SEARCH: (
        "preset", "context", "seed", "dataset", "data_dir", "recommended_arch", "monitor_path", "batch_size", "max_search_iter",
        "sampling_only",
    ),
    RETRAIN: (
        "preset", "context", "seed", "dataset", "data_dir", "recommended_arch", "monitor_path", "monitor_save_path", "batch_size",
        "epoch_on_retrain",
    ),
}  # fmt: skip
PUBLISHED = {"macro": "enas-macro", "micro": "enas-micro", "recurrent": "enas-rnn"}
DESCRIPTIONS = {
    SEARCH: "Search a {space} architecture with ENAS: shared weights, an LSTM controller, REINFORCE.",
    RETRAIN: "Train an architecture of the {space} space from scratch and measure it on the test set.",
}


def help_text(space, job, sections, presets, everything=False):
    """Help of a script: `sections` of options (dict: name -> list of `Option`), their defaults under `presets`, two examples."""
    script, width = f"{SCRIPTS[space]}_{job}.py", _terminal_width()

    def make_formatter(prog):
        return _Formatter(prog, max_help_position=min(34, width // 3), width=width)

    beginning = _wrapped(DESCRIPTIONS[job].format(space=space), width) + _examples(space, job, script, width)
    parser = argparse.ArgumentParser(
        script, "%(prog)s [options]", beginning,
        _wrapped(_legend(presets, everything), width), formatter_class=make_formatter, add_help=False,
    )  # fmt: skip
    for section, options in sections.items():
        group = parser.add_argument_group(section)
        for option in options:
            if everything or option.key in FIRST[job]:
                extra = {"nargs": "?"} if option.type is boolean else {}
                group.add_argument(*option.flags, help=_help(option, space, job, presets), metavar=_metavar(option), **extra)
    return parser.format_help()


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Breaks no line inside the name of an option or of a preset."""

    def _split_lines(self, text, width):
        return textwrap.wrap(text, width, break_on_hyphens=False)


def _examples(space, job, script, width):
    found = f"--recommended-arch {PUBLISHED[space]}"
    examples = {
        SEARCH: [("--preset quick", "small data, minutes on a CPU"), ("--monitor-path RUN", "the authors' search, for a GPU")],
        RETRAIN: [("--preset quick", "the search's result"), (found, "published, on a GPU")],
    }
    longest = max(len(words) for words, _ in examples[job])
    lines = [f"  python {script} {words:<{longest}}  # {what}" for words, what in examples[job]]
    if max(map(len, lines)) > width:  # beside each other they do not fit
        lines = [f"  # {what}\n  python {script} {words}" for words, what in examples[job]]
    return "\n\n" + "\n".join(lines)


def _legend(presets, everything):
    defaults = f"Brackets show the default under the preset {presets[0]}, then under {', '.join(presets[1:])} where it differs."
    if not everything:
        return f"{defaults} --help-all lists all options."
    others = "Options of the other job (search or retraining) are accepted and have no effect."
    return f"{defaults} Boolean options take True or False; alone they mean True. {others}"


def _help(option, space, job, presets):
    usual, *others = [(preset, option.default_for(preset, space, job)) for preset in presets]
    differing = [f"{preset} {value}" for preset, value in others if repr(value) != repr(usual[1])]
    return f"{option.help} [{'; '.join([str(usual[1]), *differing])}]".replace("%", "%%")


def _metavar(option):
    if option.choices:
        return f"{{{','.join(option.choices)}}}"
    return option.metavar or {int: "N", float: "X", boolean: "BOOL"}.get(option.type, "TEXT")


def _wrapped(text, width):
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False))


def _terminal_width():
    """Columns of the terminal but for two, so that no line fills it to the last; as of 80 where there is none."""
    return max(shutil.get_terminal_size().columns - 2, 40)
