"""Pictures from files as a network takes them."""

import contextlib
import os
import warnings

import numpy as np

from errors import UserError

LARGEST = 50_000_000  # pixels of a picture that is read
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # of a TIFF file (TIFF 6.0, section 8)
ORIENTATION, SIDEWAYS = 274, (5, 6, 7, 8)  # of a camera (Exif 2.3, section 4.6.4)
TELLING = (b"eXIf", b"iTXt", b"tEXt", b"zTXt")  # chunks of a PNG that may hold it
GRAY = ("1", "L", "LA", "I", "F")  # modes of Pillow


def read_picture(path, image_shape):
    """float32 (channels, height, width) of 0 to 255 from a PNG, JPEG or other file that Pillow reads.

    Pixels of 9 to 16 bits and floating-point ones (0 to 1, or 0 to 255) are brought to 8 bits. The picture is turned as its
    camera says, laid on white where transparent, scaled and cut at the longer sides so that the middle is left, and made gray
    for one channel. Raises UserError naming the file, also where the range of its pixels is not known.
    """
    from PIL import Image, ImageOps  # slow to import

    channels, height, width = image_shape
    with _opened(path) as image:
        image = ImageOps.exif_transpose(_eight_bits(image))
        if image.has_transparency_data:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
        image = ImageOps.fit(_with_channels(image, channels), (width, height), Image.Resampling.BICUBIC)
        return np.asarray(image, np.float32).reshape(height, width, channels).transpose(2, 0, 1)


def look_at(path):
    """(height, width, is it gray?) of a picture file, by its head. Raises UserError naming the file."""
    with _opened(path) as image:
        turned = _orientation(path, image) in SIDEWAYS
        height, width = (image.width, image.height) if turned else (image.height, image.width)
        return height, width, image.mode in GRAY or image.mode.startswith("I;16")


@contextlib.contextmanager
def _opened(path):
    """The picture of a file, not decoded yet; what its damages make Pillow raise becomes a UserError that names it."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of broken camera data and large pictures: read, or refused
            with Image.open(path) as image:
                if image.width * image.height > LARGEST:
                    raise Image.DecompressionBombError
                yield image
    except (UserError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise UserError(f"cannot read the image {path}: it has more than {LARGEST:,} pixels; scale it down") from error
    except _UnknownPixelsError as error:
        raise UserError(f"cannot read the image {path}: {error}; save it with 8 bits per channel") from error
    except Exception as error:  # whatever a damaged file makes Pillow's decoders raise
        reason = getattr(error, "strerror", None) or "it is not an image, or is damaged"
        raise UserError(f"cannot read the image {path}: {reason}; give a PNG or JPEG file") from error


def _orientation(path, image):
    """What the camera says, None if nothing; only a PNG that says it behind its pixels is decoded for that."""
    from PIL import Image

    if image.format == "PNG" and _has_text_behind(path):
        image.load()
    return Image.Image.getexif(image).get(ORIENTATION)  # the method of a PNG decodes each that has no Exif


def _has_text_behind(path):
    """Does a PNG file have chunks behind its pixels that may tell the orientation? (PNG, third edition, sections 5 and 11.3)"""
    pixels = False
    with open(path, "rb") as file:
        file.seek(8)  # signature
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if pixels and kind in TELLING:
                return True
            pixels = pixels or kind == b"IDAT"
            file.seek(length + 4, os.SEEK_CUR)  # content and checksum
    return False


class _UnknownPixelsError(Exception):
    """What the pixels of a picture stand for is not known."""


def _eight_bits(image):
    """`image` with 8 bits per channel. Pillow's own conversion clips 16 bits and floating point at 255."""
    from PIL import Image

    mode = image.mode
    if mode not in ("I", "F") and not mode.startswith("I;16"):
        return image
    tags = getattr(image, "tag_v2", {})  # of a TIFF file
    pixels = np.asarray(image).astype(np.float64)
    clear = image.info.get("transparency") if mode.startswith("I;16") else None
    white = pixels == clear if isinstance(clear, int) else None
    pixels = np.rint(pixels * (255 / _largest(mode, pixels, image.format, tags)))
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:  # Pillow turns pixels of 8 bits itself
        pixels = 255 - pixels
    if white is not None:
        pixels[white] = 255
    scaled = Image.fromarray(pixels.astype(np.uint8))
    scaled.getexif().update(image.getexif())
    return scaled


def _largest(mode, pixels, form, tags):
    """The value that stands for white in a gray picture."""
    lowest, highest = float(pixels.min()), float(pixels.max())
    if mode == "F" and lowest >= 0 and highest <= 255:  # false for NaN
        return 1 if highest <= 1 else 255
    if mode.startswith("I;16"):
        bits = tags.get(BITS_PER_SAMPLE, (16,))[0]
        return 2**bits - 1
    if mode == "I" and form in ("PNG", "PPM") and lowest >= 0 and highest <= 65535:  # what Pillow makes of their 16 bits
        return 65535
    kind = "floating-point" if mode == "F" else "32-bit"
    raise _UnknownPixelsError(f"it has {kind} pixels from {lowest:g} to {highest:g}, whose range is not known")


def _with_channels(image, channels):
    color = image.convert("RGB") if image.mode not in ("1", "L") else image  # Pillow has no way from LAB to gray
    return color.convert("RGB" if channels == 3 else "L")
