import os
import struct
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps, PngImagePlugin

from datasets.pictures import look_at, read_picture
from errors import UserError

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def halves(width, height, left=RED, right=BLUE):
    image = Image.new("RGB", (width, height), right)
    image.paste(left, (0, 0, width // 2, height))
    return image


def colors(picture):
    """Of the middle of the left and of the right half."""
    _, height, width = picture.shape
    return [tuple(picture[:, height // 2, x].round()) for x in (width // 4, 3 * width // 4)]


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (300, 200), (20, 500), (1, 1)])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_any_size_becomes_that_of_the_network(tmp_path, size, suffix):
    halves(*size).save(tmp_path / f"a.{suffix}")
    picture = read_picture(tmp_path / f"a.{suffix}", (3, 32, 24))
    assert picture.shape == (3, 32, 24) and picture.dtype == np.float32
    assert picture.min() >= 0 and picture.max() <= 255


def test_a_picture_of_the_right_size_is_taken_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png", (3, 16, 16)), pixels.transpose(2, 0, 1))
    Image.fromarray(pixels[:, :, 0]).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png", (1, 16, 16)), pixels[None, :, :, 0])


def test_the_middle_of_a_wide_picture_is_left(tmp_path):
    wide = Image.new("RGB", (400, 100), WHITE)
    wide.paste(halves(100, 100), (150, 0))
    wide.save(tmp_path / "a.png")
    assert colors(read_picture(tmp_path / "a.png", (3, 32, 32))) == [RED, BLUE]


def test_a_camera_that_was_turned_is_turned_back(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    halves(64, 64).save(tmp_path / "a.jpg", exif=exif, quality=95)
    left, right = colors(read_picture(tmp_path / "a.jpg", (3, 32, 32)))
    assert left[2] > 200 > 50 > left[0] and right[0] > 200 > 50 > right[2]


def test_what_is_transparent_is_white_whatever_the_mode(tmp_path):
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 16, 32))
    image.save(tmp_path / "a.png")
    image.convert("P").save(tmp_path / "b.png", transparency=image.convert("P").getpixel((31, 31)))
    for name in ("a.png", "b.png"):
        assert colors(read_picture(tmp_path / name, (3, 32, 32))) == [RED, WHITE]


@pytest.mark.parametrize("mode, suffix", [("1", "png"), ("L", "png"), ("P", "png"), ("CMYK", "jpg"), ("I;16", "png")])
def test_all_modes_are_read_for_color_and_for_gray(tmp_path, mode, suffix):
    halves(32, 32, (0, 0, 0), WHITE).convert("I;16" if mode == "I;16" else mode).save(tmp_path / f"a.{suffix}")
    for channels in (1, 3):
        left, right = colors(read_picture(tmp_path / f"a.{suffix}", (channels, 32, 32)))
        assert max(left) < 5 and (mode == "I;16" or min(right) > 250)


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\nnothing more", "folder"])
def test_what_is_no_picture_is_refused_by_name(tmp_path, content):
    path = tmp_path / "a.png"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="cannot read the image .*a.png"):
        read_picture(path, (3, 32, 32))


def test_a_cut_and_a_huge_picture_are_refused(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:5000])
    Image.new("1", (8000, 7000)).save(tmp_path / "huge.png")
    for name in ("a.png", "huge.png"):
        with pytest.raises(UserError, match="cannot read the image"):
            read_picture(tmp_path / name, (3, 32, 32))


RAMP = np.arange(256, dtype=np.uint8)[None].repeat(16, axis=0)  # from black to white


@pytest.mark.parametrize(
    "pixels, name",
    [
        (RAMP, "a.png"),
        (RAMP.astype(np.uint16) * 257, "a.png"),
        (RAMP.astype(">u2") * 257, "a.tif"),
        (RAMP.astype(np.uint16) * 257, "a.tif"),
        (RAMP.astype(np.float32) / 255, "a.tif"),
        (RAMP.astype(np.float32), "a.tif"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_gray_pixels_of_every_kind_read_alike(tmp_path, pixels, name, channels):
    Image.fromarray(pixels).save(tmp_path / name)
    picture = read_picture(tmp_path / name, (channels, 16, 256))
    np.testing.assert_array_equal(picture, np.repeat(RAMP[None], channels, axis=0))


def test_the_clear_color_of_16_bits_is_white(tmp_path):
    pixels = np.full((16, 16), 300, np.uint16)
    pixels[:, 8:] = 25700
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=300)
    assert [row[[0, 15]].tolist() for row in read_picture(tmp_path / "a.png", (1, 16, 16))[0]] == [[255, 100]] * 16


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_every_color_mode_reads_as_its_rgb(tmp_path, mode, monkeypatch):
    image = halves(32, 32, WHITE, (0, 0, 0)).convert("RGB").convert("L" if mode in ("LA", "PA") else "RGB").convert(mode)
    monkeypatch.setattr(Image, "open", lambda path: image)
    assert colors(read_picture("a", (3, 32, 32))) == [WHITE, (0, 0, 0)]


@pytest.mark.parametrize(
    "pixels, words",
    [
        (np.array([[0.0, np.nan]], np.float32), "floating-point pixels"),
        (np.array([[-1.0, 3.0]], np.float32), "floating-point pixels from -1 to 3"),
        (np.array([[0.0, 900.0]], np.float32), "floating-point pixels from 0 to 900"),
        (np.array([[0, 200]], np.int32), "32-bit pixels from 0 to 200"),
    ],
)
def test_pixels_of_unknown_range_are_refused(tmp_path, pixels, words):
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=f"a.tif: it has {words}.*whose range is not known; save it with 8 bits per channel"):
        read_picture(tmp_path / "a.tif", (1, 16, 16))


def write_tiff(path, data, bits, white_is_zero=False, kind=1):
    """A TIFF file of a gray ramp of 256 x 16 pixels: `data` holds unsigned (`kind` 1) or floating-point (3) samples."""
    entries = {
        256: 256, 257: 16, 258: bits, 259: 1, 262: 0 if white_is_zero else 1, 273: 8, 277: 1, 278: 16, 279: len(data), 339: kind,
    }  # fmt: skip
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(entries)) + table + bytes(4))


def packed_12_bits(values):
    first, second = values.ravel()[::2], values.ravel()[1::2]
    return np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=1).astype(np.uint8).tobytes()


@pytest.mark.parametrize(
    "data, tags",
    [
        ((255 - RAMP).tobytes(), {"bits": 8, "white_is_zero": True}),
        (((255 - RAMP).astype("<u2") * 257).tobytes(), {"bits": 16, "white_is_zero": True}),
        ((1 - RAMP.astype("<f4") / 255).tobytes(), {"bits": 32, "white_is_zero": True, "kind": 3}),
        (packed_12_bits(np.rint(RAMP * (4095 / 255)).astype(int)), {"bits": 12}),
    ],
)
def test_a_tiff_says_how_many_bits_there_are_and_which_end_is_white(tmp_path, data, tags):
    write_tiff(tmp_path / "a.tif", data, **tags)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif", (1, 16, 256))[0], RAMP)


@pytest.mark.parametrize("largest", [255, 4095, 65535])
def test_a_pgm_of_any_depth(tmp_path, largest):
    pixels = np.rint(RAMP * (largest / 255)).astype(">u2" if largest > 255 else "u1")
    (tmp_path / "a.pgm").write_bytes(f"P5 256 16 {largest}\n".encode() + pixels.tobytes())
    np.testing.assert_array_equal(read_picture(tmp_path / "a.pgm", (1, 16, 256))[0], RAMP)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_turned_as_8_are(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for name, image in (("a", Image.fromarray(pixels)), ("b", Image.fromarray(pixels.astype(np.uint16) * 257))):
        image.save(tmp_path / f"{name}.{suffix}", exif=exif)
    one, other = (read_picture(tmp_path / f"{name}.{suffix}", (1, 16, 16)) for name in "ab")
    np.testing.assert_array_equal(one, other)


def test_lab_becomes_gray_too(tmp_path):
    image = Image.merge("LAB", [Image.new("L", (16, 16), value) for value in (255, 128, 128)])  # white
    image.save(tmp_path / "a.tif")
    assert read_picture(tmp_path / "a.tif", (1, 16, 16)).min() > 250


@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG", "GIF", "BMP", "WEBP", "PPM", "TGA", "QOI", "AVIF"])
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path, form):
    rng = np.random.default_rng(1)
    try:
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(tmp_path / "a", form)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {form}")
    whole = np.frombuffer((tmp_path / "a").read_bytes(), np.uint8)
    for trial in range(60):
        data = whole.copy()
        data[rng.integers(0, min(len(data), 400), 4)] = rng.integers(0, 256, 4)
        (tmp_path / "b").write_bytes(data[: rng.integers(0, len(data)) if trial % 4 == 0 else None].tobytes())
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning would be further lines
            try:
                assert read_picture(tmp_path / "b", (3, 8, 8)).shape == (3, 8, 8)
            except UserError as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize("size", [(10_000, 9500), (20_000, 10_000)])  # Pillow warns of the first and refuses the second
def test_what_is_too_large_is_said_to_be(tmp_path, size):
    Image.new("1", size).save(tmp_path / "a.png")
    for read in (look_at, lambda path: read_picture(path, (1, 16, 16))):
        with pytest.raises(UserError, match="more than 50,000,000 pixels; scale it down"):
            read(tmp_path / "a.png")


@pytest.fixture
def undecoded(monkeypatch):
    """No picture may be decoded."""
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("a picture is decoded"))


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tif", "gif"])
def test_a_look_at_a_picture_does_not_decode_it(tmp_path, suffix, undecoded):
    Image.new("L", (9, 7)).save(tmp_path / f"a.{suffix}")
    assert look_at(tmp_path / f"a.{suffix}")[:2] == (7, 9)


def test_the_limit_comes_before_the_camera(tmp_path, undecoded):
    Image.new("1", (8000, 7000)).save(tmp_path / "a.png", pnginfo=xmp(6))
    behind_the_pixels(tmp_path / "a.png", b"iTXt")
    with pytest.raises(UserError, match="more than 50,000,000 pixels; scale it down"):
        look_at(tmp_path / "a.png")


def xmp(orientation):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", f'<x tiff:Orientation="{orientation}"/>')
    return info


def behind_the_pixels(path, kind):
    """Move the chunks of that kind to the end of a PNG file."""
    data, chunks = path.read_bytes(), []
    place = 8
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        chunks.append(data[place:end])
        place = end
    moved = [chunk for chunk in chunks if chunk[4:8] == kind]
    assert moved
    path.write_bytes(data[:8] + b"".join([chunk for chunk in chunks[:-1] if chunk not in moved] + moved + chunks[-1:]))


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("kind", [b"eXIf", b"iTXt"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_png_is_looked_at_as_it_is_read(tmp_path, dtype, orientation, kind, behind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    told = {"exif": exif} if kind == b"eXIf" else {"pnginfo": xmp(orientation)}
    Image.fromarray(np.arange(9 * 16, dtype=dtype).reshape(9, 16)).save(tmp_path / "a.png", **told)
    if behind:
        behind_the_pixels(tmp_path / "a.png", kind)
    with Image.open(tmp_path / "a.png") as image:
        width, height = ImageOps.exif_transpose(image).size
    assert look_at(tmp_path / "a.png") == (height, width, True)
    assert (height, width) == ((16, 9) if orientation in (6, 8) else (9, 16))


@pytest.mark.parametrize("length", range(0, 90, 7))
def test_a_cut_png_is_looked_at_or_refused(tmp_path, length):
    Image.new("L", (9, 7)).save(tmp_path / "a.png")
    os.truncate(tmp_path / "a.png", min(length, (tmp_path / "a.png").stat().st_size))
    try:
        assert look_at(tmp_path / "a.png") == (7, 9, True)
    except UserError as error:
        assert "\n" not in str(error)
