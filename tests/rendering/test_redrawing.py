"""Pictures of customers: what comes out is pixels, whatever went in."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from invite_service.rendering.drawn_pictures import PictureUnreadableError, PictureWrongKindError
from invite_service.rendering.redrawing import LONGEST_SIDE, MAX_PIXELS, redraw

SECRET = b"59.9139N 10.7522E"


def write(picture: Image.Image, kind: str, **options: Any) -> bytes:
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return written.getvalue()


def read(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_picture_comes_out_as_jpeg_of_the_same_colours(kind: str) -> None:
    drawn = redraw(write(Image.new("RGB", (30, 20), (200, 40, 40)), kind))
    picture = read(drawn.content)
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (30, 20))
    assert (drawn.width, drawn.height) == (30, 20)
    pixel = picture.getpixel((15, 10))
    assert isinstance(pixel, tuple)
    assert all(abs(got - wanted) < 8 for got, wanted in zip(pixel, (200, 40, 40), strict=True))


def test_nothing_of_the_file_but_its_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = write(
        Image.new("RGB", (30, 20)), "JPEG", exif=exif, icc_profile=profile, comment=SECRET, xmp=b"<x>" + SECRET
    )
    assert content.count(SECRET) == 3
    drawn = redraw(content + SECRET)
    assert SECRET not in drawn.content
    assert sorted(read(drawn.content).info) == [
        "jfif",
        "jfif_density",
        "jfif_unit",
        "jfif_version",
        "progression",
        "progressive",
    ]


def test_picture_is_turned_the_way_the_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    drawn = redraw(write(Image.new("RGB", (30, 20)), "JPEG", exif=exif))
    assert (drawn.width, drawn.height) == (20, 30)


def test_large_picture_is_made_smaller_in_proportion() -> None:
    drawn = redraw(write(Image.new("RGB", (6000, 3000)), "JPEG"))
    assert (drawn.width, drawn.height) == (LONGEST_SIDE, LONGEST_SIDE // 2)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_png_is_drawn_on_white(mode: str) -> None:
    picture = Image.new(mode, (8, 8))
    drawn = read(redraw(write(picture, "PNG")).content)
    see_through = mode in {"LA", "RGBA"}
    assert drawn.convert("L").getpixel((4, 4)) == (255 if see_through else 0)


def test_cmyk_and_moving_pictures_are_drawn() -> None:
    assert redraw(write(Image.new("CMYK", (8, 8)), "JPEG")).width == 8
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]
    moving = write(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    pixel = read(redraw(moving).content).getpixel((4, 4))
    assert isinstance(pixel, tuple)
    assert pixel[0] > 200


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM"])
def test_other_kinds_get_to_no_decoder(kind: str) -> None:
    with pytest.raises(PictureWrongKindError):
        redraw(write(Image.new("RGB", (8, 8)), kind))


@pytest.mark.parametrize("content", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"MZ", b"GIF89a"])
def test_what_is_no_picture_of_ours_is_of_the_wrong_kind(content: bytes) -> None:
    with pytest.raises(PictureWrongKindError):
        redraw(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_picture_is_unreadable(kind: str) -> None:
    content = write(Image.effect_noise((64, 64), 50).convert("RGB"), kind)
    with pytest.raises(PictureUnreadableError):
        redraw(content[: len(content) // 2])


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_picture_of_too_many_pixels_is_refused_by_its_header(kind: str) -> None:
    side = 7100
    content = write(
        Image.new("1" if kind == "PNG" else "RGB", (side, side)), kind, **({"quality": 1} if kind != "PNG" else {})
    )
    assert side**2 > MAX_PIXELS
    assert len(content) < 1_000_000
    with pytest.raises(PictureUnreadableError):
        redraw(content)


@given(
    st.sampled_from(["JPEG", "PNG", "WEBP"]).map(lambda kind: write(Image.new("RGB", (16, 16), "red"), kind)),
    st.data(),
)
def test_damage_is_drawn_or_refused_and_nothing_else(content: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    damaged = content[:place] + data.draw(st.binary(max_size=8)) + content[place + data.draw(st.integers(0, 8)) :]
    try:
        drawn = redraw(damaged)
    except (PictureUnreadableError, PictureWrongKindError):
        return
    assert read(drawn.content).format == "JPEG"
