"""How large a network's input and output are: as a run wrote it down, as published, or as the data say."""

import os

from datasets import IMAGE_SOURCES, ImageOptions, load_images
from datasets.penn_treebank import load_text
from datasets.sources import WORDS
from file_names import CONFIG
from reporting.run_files import read_run
from runs.found_architecture import OWN

SIZING = ("data_dir", "image_size", "coarse")  # options besides the data set's name that decide on sizes and classes


def data_sizes(options, facts, log):
    """(image shape, number of classes) of the images that `options` name, or for a text the number of its different words.

    `facts`: what a run's config.json says of its data, {} where it says nothing or one of `SIZING` is asked for; the data are
    read only where neither it nor their publication tells.
    """
    known = facts if facts.get("dataset") == options.dataset else {}
    if options.space == "recurrent":
        published = WORDS.get(options.dataset) if options.data_dir is None else None
        return known.get("vocabulary") or published or len(load_text(options.dataset, options.data_dir, log).vocabulary)
    if known:
        return tuple(known["image_shape"]), len(known["classes"])
    asked = ImageOptions.of(options)
    return IMAGE_SOURCES[asked.dataset].sizes(asked) or _sizes(load_images(asked, log))


def data_of(path):
    """What the run wrote down of its data whose own copy of an architecture the file is; {} for another file."""
    folder, name = os.path.split(os.path.abspath(path))
    return read_run(folder).data if name == OWN and os.path.exists(os.path.join(folder, CONFIG)) else {}


def _sizes(dataset):
    return dataset.image_shape, len(dataset.classes)
