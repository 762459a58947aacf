"""Pictures from files as a network takes them."""

import os

import numpy as np

from errors import UserError

LARGEST = 50_000_000  # pixels of a picture that is read


def read_picture(path, image_shape):
    """float32 (channels, height, width) of 0 to 255 from a PNG, JPEG or other file that Pillow reads.

    Pixels of 16 bits and floating-point ones (0 to 1, or 0 to 255) are brought to 8 bits. The picture is turned as its camera
    says, laid on white where transparent, scaled and cut at the longer sides so that the middle is left, and made gray for one
    channel. Raises UserError naming the file, also where the range of its pixels is not known.
    """
    from PIL import Image, ImageOps  # slow to import

    channels, height, width = image_shape
    try:
        with Image.open(path) as image:
            if image.width * image.height > LARGEST:
                raise UserError(f"cannot read the picture {path}: it has more than {LARGEST:,} pixels; make it smaller")
            image = _eight_bits(ImageOps.exif_transpose(image))
            if image.has_transparency_data:
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            image = _with_channels(image, channels)
            image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    except _UnknownPixelsError as error:
        raise UserError(f"cannot read the picture {os.fspath(path)}: {error}; save it with 8 bits per channel") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "it is no picture, or damaged"
        raise UserError(f"cannot read the picture {os.fspath(path)}: {reason}; give a PNG or JPEG file") from error
    return np.asarray(image, np.float32).reshape(height, width, channels).transpose(2, 0, 1)


class _UnknownPixelsError(Exception):
    """What the pixels of a picture stand for is not known."""


def _eight_bits(image):
    """`image` with 8 bits per channel. Pillow's own conversion clips 16 bits and floating point at 255."""
    from PIL import Image

    mode = image.mode
    if mode not in ("I", "F") and not mode.startswith("I;16"):
        return image
    pixels = np.asarray(image).astype(np.float64)
    clear = image.info.get("transparency") if mode.startswith("I;16") else None
    if isinstance(clear, int):
        pixels[pixels == clear] = 65535  # white
    scaled = pixels * _scale(mode, pixels, image.format)
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _scale(mode, pixels, form):
    """The factor that brings the pixels of a gray picture to 0 to 255."""
    lowest, highest = float(pixels.min()), float(pixels.max())
    if mode == "F" and lowest >= 0 and highest <= 255:  # false for NaN
        return 255 if highest <= 1 else 1
    if mode.startswith("I;16") or mode == "I" and form in ("PNG", "PPM") and lowest >= 0 and highest <= 65535:
        return 255 / 65535
    kind = "floating-point" if mode == "F" else "32-bit"
    raise _UnknownPixelsError(f"it has {kind} pixels from {lowest:g} to {highest:g}, whose range is not known")


def _with_channels(image, channels):
    try:
        return image.convert("RGB" if channels == 3 else "L")
    except ValueError as error:
        raise _UnknownPixelsError(f"pixels of Pillow's mode {image.mode} cannot be converted") from error
