"""The run directory that a command gets when it names none: one of its own for each set of options that decides the result."""

import hashlib
import re

from file_names import FREE

# What does not make another run, or is no option of a run at all.
ALIKE = (*FREE, "preset", "context", "cpu_kernels", "monitor_save_path", "model_save_interval", "sampling_only", "num_sampling")
MOST = 3  # options that are spelt out


def run_place(space, preset, changed):
    """Name of the folder, such as "tmp.macro_quick_seed-1". `changed`: dict of the options that the preset has otherwise."""
    parts = [f"{name.replace('_', '-')}-{_short(value)}" for name, value in changed.items() if name not in ALIKE]
    if len(parts) > MOST:
        parts = [*parts[: MOST - 1], _digest("_".join(parts))]
    return "_".join([f"tmp.{space}_{preset}", *parts])


def _short(value):
    text = str(value)
    return text if re.fullmatch(r"[\w.-]{1,20}", text) else _digest(text)


def _digest(text):
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
