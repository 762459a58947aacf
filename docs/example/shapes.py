"""Draws the pictures of docs/example.md: circles, squares and triangles in a folder for each class, and a new one of each."""

import argparse
import pathlib

import numpy as np
from PIL import Image, ImageDraw

CORNERS = {"circle": 60, "square": 4, "triangle": 3}


def main():
    """Writes the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="gets a folder for each class; new pictures come beside it, in new/")
    parser.add_argument("--per-class", type=int, default=300, metavar="N", help="pictures of each class; default: 300")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers; default: 0")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    for name in CORNERS:
        for number in range(given.per_class):
            save(draw(name, rng), given.folder / name / f"{number:03}.png")
        save(draw(name, rng), given.folder.parent / "new" / f"{name}.png")


def draw(name, rng):
    """A shape of a random color, place, size and angle on a background of another color, with noise; 40 to 56 pixels a side."""
    width, height = rng.integers(40, 57, 2)
    radius = rng.uniform(0.2, 0.35) * min(width, height)
    center = rng.uniform(radius, [width - radius, height - radius])
    angles = rng.uniform(0, 2 * np.pi) + np.arange(CORNERS[name]) * 2 * np.pi / CORNERS[name]
    outline = center + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    background = rng.integers(0, 256, 3)
    color = (background + rng.integers(80, 177, 3)) % 256
    image = Image.new("RGB", (int(width), int(height)), tuple(background.tolist()))
    ImageDraw.Draw(image).polygon([tuple(point) for point in outline.tolist()], tuple(color.tolist()))
    noisy = np.asarray(image) + rng.normal(0, 20, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def save(image, path):
    """Write a picture; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


if __name__ == "__main__":
    main()
