"""What a run writes down of its data: sizes, classes, how they were divided, a fingerprint."""

import csv
import functools
import hashlib

import numpy as np

from datasets.splits import Picked
from datasets.stored import digest
from files import as_utf8, atomic_write


class ImageRecord:
    """Of an `ImageDataset` and its parts in use, dict: name ("training", "validation", "test") -> `Split`."""

    def __init__(self, dataset, parts):
        self._dataset, self._parts = dataset, parts

    @functools.cached_property
    def facts(self):
        """Dict for JSON; equal for equal data, divided equally."""
        dataset, parts = self._dataset, self._parts
        facts = {
            "dataset": dataset.name,
            "image_shape": list(map(int, dataset.image_shape)),
            "classes": list(dataset.classes),
            "images": {name: len(part) for name, part in parts.items()},
            "division": self._division(),
            "sha256": dataset.sha256 or _sha256(dataset),
        }
        drawn = {name: part.images.rows.tolist() for name, part in self._drawn().items()}
        return facts | ({"division_sha256": digest(drawn)} if drawn else {})

    def _drawn(self):
        return {name: part for name, part in self._parts.items() if isinstance(part.images, Picked)}

    def _division(self):
        """In words."""
        dataset = self._dataset
        test = f"test images drawn, stratified, seed {dataset.split_seed}" if dataset.test_drawn else "test images of the source"
        if "validation" not in self._parts:
            return test
        if dataset.valid_images is not None:
            return f"{test}; validation images of the source"
        if dataset.split_seed is None:
            return f"{test}; the last training images validate"
        return f"{test}; validation images drawn, stratified, seed {dataset.split_seed}"

    def write_split(self, path):
        """Write which image is in which part, as a table: part, class, image; nothing where all is as published.

        Returns whether there is something to write.
        """
        drawn, classes = self._drawn(), self._dataset.classes
        if not drawn:
            return False
        with atomic_write(path, "w") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("part", "class", "image"))
            for name, part in drawn.items():
                labels = (classes[label] for label in part.labels)
                rows = ((name, label, image) for label, image in zip(labels, part.images.names(), strict=True))
                table.writerows(map(as_utf8, row) for row in rows)
        return True


def _sha256(dataset):
    found = hashlib.sha256()
    for array in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels):
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


class TextRecord:
    """Of a `TextDataset`."""

    def __init__(self, text):
        self._text = text

    @functools.cached_property
    def facts(self):
        """Dict for JSON; equal for equal texts."""
        text, parts = self._text, {"training": self._text.train, "validation": self._text.valid, "test": self._text.test}
        return {
            "dataset": text.name,
            "vocabulary": len(text.vocabulary),
            "words": {name: len(part) for name, part in parts.items()},
            "sha256": digest(text.vocabulary, [hashlib.sha256(part.tobytes()).hexdigest() for part in parts.values()]),
        }

    def write_split(self, path):
        """False: the parts are files of their own, there is nothing to write."""
        return False


def difference(before, now):
    """In words how the facts of a run's data differ from those now; empty if they do not, or if none were written down."""
    if not before or before == now:
        return ""
    names = {"images": "images", "words": "words", "image_shape": "image shape", "classes": "classes", "vocabulary": "vocabulary"}
    for key, name in names.items():
        if before.get(key) != now.get(key):
            return f"{name} {_shown(before.get(key))} then, {_shown(now.get(key))} now"
    if before.get("sha256") != now.get("sha256"):
        return "as many images and classes, but different content" if "images" in now else "as many words, but different content"
    return f"split differently: {before.get('division')} then, {now.get('division')} now"


def _shown(value):
    if isinstance(value, dict):
        return ", ".join(f"{count:,} {name}" for name, count in value.items())
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
