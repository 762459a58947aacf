"""Pictures from files as a network takes them."""

import os

import numpy as np

from errors import UserError

LARGEST = 50_000_000  # pixels of a picture that is read


def read_picture(path, image_shape):
    """float32 (channels, height, width) of 0 to 255 from a PNG, JPEG or other file that Pillow reads.

    It is turned as its camera says, laid on white where transparent, scaled and cut at the longer sides so that the middle is
    left, and made gray for one channel. Raises UserError naming the file.
    """
    from PIL import Image, ImageOps  # slow to import

    channels, height, width = image_shape
    try:
        with Image.open(path) as image:
            if image.width * image.height > LARGEST:
                raise UserError(f"cannot read the picture {path}: it has more than {LARGEST:,} pixels; make it smaller")
            image = ImageOps.exif_transpose(image)
            if image.has_transparency_data:
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            image = image.convert("RGB" if channels == 3 else "L")
            image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "it is no picture, or damaged"
        raise UserError(f"cannot read the picture {os.fspath(path)}: {reason}; give a PNG or JPEG file") from error
    return np.asarray(image, np.float32).reshape(height, width, channels).transpose(2, 0, 1)
