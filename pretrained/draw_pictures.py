"""Draws the twelve pictures of this folder: two airplanes, two ships and one of every other class of CIFAR-10.

    python pretrained/draw_pictures.py FOLDER

Flat shapes with a little light, shade and texture, 96 pixels a side. Nothing in them comes from a photograph.
"""

import argparse
import pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE, FINER = 96, 4  # drawn finer by this factor, then averaged, so that edges are smooth
SKY, HAZE, SEA, FOAM = (96, 150, 214), (202, 222, 240), (30, 70, 110), (90, 130, 160)
GRASS, MEADOW, ROAD, WALL = (70, 110, 40), (120, 150, 70), (110, 110, 112), (160, 150, 140)
GLASS, TIRE = (50, 65, 80), (25, 25, 28)


class Scene:
    """A background from top to bottom, and shapes on it; coordinates go from 0 to 100 in both directions."""

    def __init__(self, *levels, seed=0):
        """Levels are (height, color from, color to, strength of the texture); each reaches down to the next."""
        self._rng = np.random.default_rng(seed)
        self._side = SIDE * FINER
        pixels = np.zeros((self._side, self._side, 3))
        rows = np.linspace(0, 100, self._side)
        for (top, upper, lower, rough), bottom in zip(levels, [level[0] for level in levels[1:]] + [100], strict=True):
            inside = (rows >= top) & (rows <= bottom)
            share = ((rows[inside] - top) / (bottom - top))[:, None, None]
            pixels[inside] = np.array(upper) * (1 - share) + np.array(lower) * share
            pixels[inside] += rough * self._texture()[inside]
        self._image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))

    def _texture(self):
        """Array (side, side, 1) of noise at three scales, mean 0 and standard deviation near 1."""
        total = np.zeros((self._side, self._side))
        for cells in (12, 32, 96):
            noise = Image.fromarray(self._rng.normal(0, 1, (cells, cells)).astype(np.float32))
            total += np.asarray(noise.resize((self._side, self._side), Image.Resampling.BICUBIC))
        return (total / np.sqrt(3))[:, :, None]

    def _paint(self, draw_mask, color, rough, light):
        """Color where the mask is; `light` brightens the top of the shape and darkens its bottom."""
        mask = Image.new("L", self._image.size)
        draw_mask(ImageDraw.Draw(mask), self._side / 100)
        box = mask.getbbox()
        rows = np.arange(self._side)[:, None, None]
        height = np.clip((rows - box[1]) / max(box[3] - box[1], 1), 0, 1)
        shaded = np.array(color) + light * (0.5 - height) * 2 + rough * self._texture()
        shaded = np.broadcast_to(shaded, (self._side, self._side, 3)).clip(0, 255).astype(np.uint8)
        self._image.paste(Image.fromarray(shaded), mask=mask)
        return self

    def polygon(self, color, *points, rough=6, light=14):
        """Fill a polygon; `rough` is the strength of its texture."""
        return self._paint(lambda on, unit: on.polygon([(x * unit, y * unit) for x, y in points], fill=255), color, rough, light)

    def ellipse(self, color, x, y, across, down, rough=6, light=18):
        """Fill an ellipse of these half axes around (x, y)."""
        box = (x - across, y - down, x + across, y + down)
        return self._paint(lambda on, unit: on.ellipse([at * unit for at in box], fill=255), color, rough, light)

    def line(self, color, width, *points, rough=4):
        """Draw a line with round corners."""

        def stroke(on, unit):
            scaled = [(x * unit, y * unit) for x, y in points]
            on.line(scaled, fill=255, width=int(width * unit), joint="curve")
            half = width * unit / 2
            for x, y in scaled:
                on.ellipse([x - half, y - half, x + half, y + half], fill=255)

        return self._paint(stroke, color, rough, 6)

    def wheel(self, x, y, radius):
        """A wheel with its hub."""
        return self.ellipse(TIRE, x, y, radius, radius, light=4).ellipse((150, 150, 155), x, y, radius * 0.5, radius * 0.5)

    def finish(self):
        """The picture, a little soft as from a camera."""
        small = self._image.filter(ImageFilter.GaussianBlur(FINER * 0.7)).resize((SIDE, SIDE), Image.Resampling.BOX)
        noisy = np.asarray(small) + self._rng.normal(0, 3, (SIDE, SIDE, 1))
        return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def airplane_high():
    """From the side, in flight."""
    scene = Scene((0, SKY, HAZE, 4), seed=1)
    scene.polygon((150, 155, 165), (40, 52), (54, 50), (40, 76), (32, 78))
    body = (4, 50), (12, 44), (30, 42), (72, 42), (84, 44), (96, 40), (86, 52), (30, 57), (10, 55)
    scene.polygon((225, 228, 232), *body, light=30)
    scene.polygon((200, 60, 50), (80, 43), (92, 22), (98, 22), (93, 42))
    scene.polygon((190, 195, 202), (44, 48), (58, 47), (66, 66), (60, 67))
    scene.polygon((170, 175, 182), (84, 44), (98, 47), (99, 49), (84, 48))
    for x in range(22, 76, 5):
        scene.ellipse(GLASS, x, 47, 1.1, 1.1)
    return scene.polygon(GLASS, (9, 46), (15, 44), (16, 47), (8, 49)).ellipse((110, 115, 122), 49, 60, 6, 3)


def airplane_low():
    """On a runway."""
    scene = Scene((0, HAZE, (225, 232, 240), 4), (62, (90, 120, 70), GRASS, 8), (72, ROAD, (140, 140, 140), 5), seed=2)
    scene.polygon((70, 72, 74), (14, 84), (90, 84), (84, 88), (20, 88), light=0)
    scene.polygon((235, 236, 238), (6, 60), (14, 52), (28, 50), (78, 50), (95, 46), (88, 60), (30, 68), (12, 67), light=34)
    scene.polygon((40, 80, 160), (78, 51), (90, 26), (97, 26), (94, 48))
    scene.polygon((165, 170, 178), (38, 60), (56, 59), (74, 76), (66, 77))
    scene.ellipse((60, 90, 160), 48, 71, 8, 4).polygon(GLASS, (11, 56), (17, 53), (19, 56), (10, 58))
    for x in range(26, 80, 5):
        scene.ellipse(GLASS, x, 56, 1.1, 1.3)
    for x in (22, 56, 62):
        scene.line((90, 90, 95), 2, (x, 68), (x, 80)).ellipse(TIRE, x, 82, 3.4, 3.4)
    return scene


def automobile():
    """A red sedan from the side."""
    scene = Scene((0, (196, 204, 210), WALL, 7), (58, (150, 148, 146), ROAD, 6), seed=3)
    scene.polygon((60, 60, 62), (6, 80), (94, 80), (90, 86), (10, 86), light=0)
    scene.polygon((150, 24, 28), (26, 48), (36, 31), (66, 31), (80, 48), light=20)
    scene.polygon(GLASS, (31, 47), (38, 34), (50, 34), (50, 47)).polygon(GLASS, (53, 47), (53, 34), (64, 34), (74, 47))
    scene.polygon((186, 30, 34), (4, 58), (8, 50), (26, 46), (80, 46), (94, 51), (97, 62), (96, 74), (5, 74), light=34)
    scene.polygon((110, 16, 20), (5, 68), (96, 68), (96, 75), (5, 75)).line((120, 20, 22), 0.8, (51, 48), (52, 70))
    scene.polygon((250, 240, 200), (4, 55), (10, 54), (11, 60), (4, 60))
    scene.polygon((250, 120, 60), (92, 54), (97, 56), (97, 62), (92, 60))
    return scene.wheel(24, 74, 10).wheel(77, 74, 10)


def bird():
    """A small bird on a branch."""
    scene = Scene((0, (120, 150, 90), (150, 170, 110), 9), seed=4)
    scene.line((90, 66, 44), 5, (0, 84), (45, 80), (100, 86))
    scene.polygon((92, 70, 50), (60, 60), (96, 76), (92, 82), (56, 72))
    scene.ellipse((150, 110, 70), 47, 57, 21, 17).ellipse((214, 150, 90), 42, 62, 15, 13).ellipse((120, 90, 66), 34, 36, 13, 12)
    scene.polygon((96, 72, 52), (44, 46), (66, 56), (78, 70), (54, 66))
    scene.polygon((226, 160, 50), (22, 34), (11, 39), (23, 41)).ellipse((15, 15, 15), 30, 34, 2.4, 2.4, light=0)
    scene.ellipse((240, 240, 240), 29.3, 33.3, 0.8, 0.8, light=0)
    return scene.line((110, 80, 40), 1.6, (42, 72), (41, 81)).line((110, 80, 40), 1.6, (50, 72), (50, 81))


def cat():
    """The face of a tabby cat."""
    scene = Scene((0, (96, 116, 136), (70, 90, 104), 8), seed=5)
    fur, dark, light = (150, 130, 106), (84, 68, 54), (224, 214, 200)
    scene.ellipse(fur, 50, 98, 40, 28, rough=14)
    scene.polygon(fur, (16, 10), (44, 30), (20, 50), rough=12).polygon(fur, (84, 10), (56, 30), (80, 50), rough=12)
    scene.polygon((206, 150, 140), (21, 19), (36, 30), (24, 42)).polygon((206, 150, 140), (79, 19), (64, 30), (76, 42))
    scene.ellipse(fur, 50, 54, 35, 31, rough=14)
    for x in (38, 46, 54, 62):
        scene.line(dark, 2.6, (x, 27), (50 + (x - 50) * 0.7, 40))
    for side in (-1, 1):
        scene.line(dark, 2.2, (50 + side * 34, 56), (50 + side * 22, 60))
        scene.line(dark, 2.2, (50 + side * 32, 66), (50 + side * 22, 66))
        scene.ellipse((176, 190, 90), 50 + side * 15, 51, 7, 6).ellipse((12, 12, 12), 50 + side * 15, 51, 2.2, 5.6, light=0)
        scene.ellipse(light, 50 + side * 7, 71, 9, 8)
    scene.polygon((200, 120, 116), (45, 62), (55, 62), (50, 68)).line(dark, 1.2, (50, 68), (50, 73))
    for side in (-1, 1):
        for slope in (-4, 0, 4):
            scene.line((240, 238, 230), 0.8, (50 + side * 12, 71), (50 + side * 44, 70 + slope))
    return scene


def deer():
    """A stag in a meadow."""
    scene = Scene((0, (70, 96, 60), (90, 120, 70), 12), (56, MEADOW, GRASS, 10), seed=6)
    coat, shade = (150, 104, 62), (112, 76, 46)
    for x, far in ((36, True), (68, True), (42, False), (74, False)):
        scene.line(shade if far else coat, 3.4, (x, 60), (x - 1, 76), (x + 1, 92))
    scene.ellipse(coat, 56, 54, 25, 13, rough=9).ellipse((170, 124, 80), 50, 60, 16, 6)
    scene.polygon(coat, (30, 56), (22, 30), (33, 28), (48, 46), (44, 60), rough=9)
    scene.ellipse(coat, 23, 30, 9, 6.4).polygon(coat, (8, 35), (18, 26), (24, 34), (12, 39))
    scene.ellipse((40, 30, 26), 9, 36, 2.4, 2, light=0)
    scene.polygon(shade, (28, 26), (38, 20), (35, 28)).ellipse((15, 12, 10), 20, 29, 1.5, 1.5, light=0)
    for start, side in ((24, -1), (29, 1)):
        scene.line((196, 170, 130), 2, (start, 24), (start + side * 7, 14), (start + side * 5, 2))
        scene.line((196, 170, 130), 1.6, (start + side * 6, 14), (start + side * 15, 6))
        scene.line((196, 170, 130), 1.6, (start + side * 3, 19), (start - side * 2, 10))
    return scene.polygon((236, 224, 206), (79, 46), (84, 52), (80, 60), (77, 52))


def dog():
    """The face of a brown and white dog."""
    scene = Scene((0, (96, 130, 70), GRASS, 10), seed=7)
    fur, ear, white = (168, 112, 62), (110, 68, 38), (236, 230, 222)
    scene.ellipse(fur, 50, 100, 36, 26, rough=10).ellipse(white, 50, 100, 18, 24)
    scene.ellipse(fur, 50, 44, 29, 30, rough=9)
    scene.polygon(white, (46, 14), (54, 14), (57, 50), (43, 50))
    scene.ellipse(ear, 20, 46, 10, 25, rough=10).ellipse(ear, 80, 46, 10, 25, rough=10)
    scene.ellipse(white, 50, 64, 19, 17).ellipse((24, 20, 20), 50, 56, 7.4, 5.4, light=10)
    scene.line((60, 40, 34), 1.4, (50, 61), (50, 70), (41, 74)).line((60, 40, 34), 1.4, (50, 70), (59, 74))
    scene.ellipse((214, 110, 116), 50, 79, 6, 7)
    for x in (37, 63):
        scene.ellipse((40, 24, 14), x, 40, 4.8, 4.8, light=4).ellipse((245, 245, 245), x - 1.4, 38.4, 1.2, 1.2, light=0)
    return scene


def frog():
    """A green frog on a leaf."""
    scene = Scene((0, (60, 74, 44), (84, 92, 56), 14), seed=8)
    skin, back, belly = (104, 150, 52), (70, 112, 36), (206, 212, 150)
    scene.ellipse((54, 88, 40), 50, 84, 48, 15, rough=10)
    scene.ellipse(back, 22, 68, 17, 13, rough=10).ellipse(back, 78, 68, 17, 13, rough=10)
    scene.ellipse(skin, 50, 58, 28, 25, rough=12).ellipse(belly, 50, 70, 18, 13)
    scene.ellipse(skin, 50, 44, 27, 17, rough=12)
    for side in (-1, 1):
        scene.ellipse(skin, 50 + side * 17, 30, 9.4, 9).ellipse((206, 170, 50), 50 + side * 18, 29, 6, 6)
        scene.ellipse((10, 10, 10), 50 + side * 18, 29, 3.8, 2.6, light=0)
        scene.line(skin, 6, (50 + side * 20, 70), (50 + side * 24, 84), (50 + side * 32, 88))
        scene.line(back, 6, (50 + side * 30, 76), (50 + side * 40, 86))
    return scene.line((60, 84, 34), 1.4, (27, 48), (38, 53), (50, 54), (62, 53), (73, 48))


def horse():
    """A brown horse on grass."""
    scene = Scene((0, (150, 190, 226), HAZE, 4), (52, MEADOW, GRASS, 10), seed=9)
    coat, shade, mane = (122, 70, 38), (88, 50, 28), (36, 24, 20)
    for x, far in ((36, True), (70, True), (42, False), (77, False)):
        scene.line(shade if far else coat, 4.6, (x, 58), (x, 74), (x - 1, 91)).line(mane, 4.6, (x - 2, 92), (x, 92))
    scene.line(mane, 5, (82, 48), (91, 60), (89, 78))
    scene.ellipse(coat, 58, 52, 26, 14.6, rough=8, light=24)
    scene.polygon(coat, (32, 58), (20, 26), (32, 18), (50, 42), (46, 62), rough=8)
    scene.polygon(coat, (32, 17), (21, 19), (5, 38), (9, 44), (16, 43), (30, 33), rough=8)
    scene.polygon(mane, (28, 13), (34, 16), (54, 42), (46, 42), (30, 24)).polygon(coat, (25, 19), (27, 9), (31, 18))
    return scene.ellipse((12, 8, 8), 20, 25, 1.6, 1.6, light=0).ellipse((50, 30, 24), 9, 40, 3.4, 3, light=0)


def ship_large():
    """A freighter at sea."""
    scene = Scene((0, (170, 200, 226), HAZE, 4), (60, FOAM, SEA, 9), seed=10)
    scene.polygon((40, 44, 60), (3, 54), (97, 50), (90, 70), (12, 70), light=16)
    scene.polygon((150, 40, 36), (10, 65), (92, 64), (90, 71), (13, 71))
    scene.polygon((236, 236, 232), (66, 52), (66, 30), (86, 30), (86, 51), light=20)
    scene.polygon((60, 90, 140), (72, 30), (72, 18), (80, 18), (80, 30))
    for x, color in ((12, (180, 90, 50)), (25, (70, 110, 140)), (38, (190, 170, 80)), (51, (120, 60, 60))):
        scene.polygon(color, (x, 54), (x, 43), (x + 12, 42), (x + 12, 53))
    for y in (35, 41):
        scene.line(GLASS, 1.6, (68, y), (84, y))
    return scene.line((210, 222, 230), 1.6, (0, 72), (30, 71), (60, 73), (100, 71))


def ship_small():
    """A sailing boat."""
    scene = Scene((0, (120, 170, 222), (206, 224, 240), 4), (66, (70, 120, 160), SEA, 9), seed=11)
    scene.line((120, 90, 60), 1.8, (50, 6), (50, 74))
    scene.polygon((246, 246, 240), (52, 8), (86, 62), (52, 66), light=16)
    scene.polygon((226, 228, 226), (48, 14), (18, 62), (48, 66), light=16)
    scene.polygon((244, 244, 244), (12, 70), (92, 68), (80, 84), (24, 84), light=24)
    scene.polygon((40, 60, 130), (16, 74), (89, 73), (86, 77), (19, 78))
    return scene.line((200, 216, 226), 1.6, (4, 85), (36, 86), (70, 84), (98, 86))


def truck():
    """A truck with a box from the side."""
    scene = Scene((0, (186, 208, 228), HAZE, 4), (56, (130, 140, 110), GRASS, 7), (70, (130, 130, 130), ROAD, 5), seed=12)
    scene.polygon((60, 60, 62), (4, 84), (97, 84), (94, 89), (8, 89), light=0)
    scene.polygon((232, 232, 228), (32, 20), (97, 20), (97, 70), (32, 70), light=20)
    scene.polygon((60, 62, 66), (5, 70), (97, 70), (97, 76), (5, 76))
    scene.line((180, 180, 178), 0.8, (54, 21), (54, 69)).line((180, 180, 178), 0.8, (76, 21), (76, 69))
    scene.polygon((36, 84, 160), (4, 74), (5, 54), (12, 34), (29, 32), (29, 74), light=26)
    scene.polygon(GLASS, (9, 52), (15, 37), (26, 36), (26, 52)).polygon((250, 240, 200), (4, 62), (9, 62), (9, 67), (4, 67))
    return scene.wheel(17, 78, 8.4).wheel(68, 78, 8.4).wheel(86, 78, 8.4)


PICTURES = {
    "airplane-1": airplane_high, "airplane-2": airplane_low, "automobile": automobile, "bird": bird, "cat": cat, "deer": deer,
    "dog": dog, "frog": frog, "horse": horse, "ship-1": ship_large, "ship-2": ship_small, "truck": truck,
}  # fmt: skip


def main():
    """Write the pictures to the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        draw().finish().save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
