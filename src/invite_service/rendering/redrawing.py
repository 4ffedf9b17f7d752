"""Pictures that customers upload, drawn again: what is kept is pixels of ours, and nothing else of the file."""

import io
import warnings
from typing import Final

from PIL import Image, ImageCms, ImageOps

from invite_service.rendering.drawn_pictures import DrawnPicture, PictureUnreadableError, PictureWrongKindError

FORMATS: Final = ("JPEG", "PNG", "WEBP")
"""The only decoders that a file gets to."""

MAX_PIXELS: Final = 50_000_000
"""Of a picture as uploaded, by its header and before anything is decoded: a 48-megapixel photograph still fits."""

MAX_WEBP_PIXELS: Final = 20_000_000
"""Its decoder takes three times the memory of the others."""

LONGEST_SIDE: Final = 2048
"""Pixels of a picture as kept."""

QUALITY: Final = 85
"""Of JPEG."""

# Pillow warns above this and refuses above twice as much; to us both are refusals.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

_SIGNATURES: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


def redraw(content: bytes) -> DrawnPicture:
    """Decode a picture and draw it again; takes up to some 200 MB and a second, so it belongs in a thread.

    Raises:
        PictureWrongKindError: it is of another kind, by its first bytes.
        PictureUnreadableError: it is broken, or has more than MAX_PIXELS or MAX_WEBP_PIXELS.
    """
    if not _is_known(content):
        raise PictureWrongKindError
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            _check_size(opened)
            drawn = _flat(_upright(opened))
    except (MemoryError, PictureUnreadableError):
        raise
    except Exception as error:
        # Decoders raise whatever a broken file leads them to.
        raise PictureUnreadableError from error
    written = io.BytesIO()
    drawn.save(written, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return DrawnPicture(written.getvalue(), drawn.width, drawn.height)


def _is_known(content: bytes) -> bool:
    return content.startswith(_SIGNATURES) or (content.startswith(b"RIFF") and content[8:12] == b"WEBP")


def _check_size(opened: Image.Image) -> None:
    if opened.format == "WEBP" and opened.width * opened.height > MAX_WEBP_PIXELS:
        raise PictureUnreadableError


def _upright(opened: Image.Image) -> Image.Image:
    """Make it small enough and turn it the way its camera was held."""
    profile = opened.info.get("icc_profile")
    # In place, so that it is never there twice; of a JPEG no more is decoded than that needs.
    opened.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    turned = ImageOps.exif_transpose(opened)
    return _in_srgb(turned, profile) if profile else turned


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Convert colours that a profile describes, which is dropped; an unusable profile is dropped alone."""
    if picture.mode not in {"RGB", "CMYK"}:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    return converted or picture


def _flat(picture: Image.Image) -> Image.Image:
    """Lay it on white, with nothing in it but pixels."""
    if picture.mode.startswith("I"):
        # Sixteen bits of grey.
        picture = picture.convert("I").point(lambda level: level / 256).convert("L")
    if picture.mode in {"P", "LA", "PA", "La", "RGBa"} or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    flat = Image.new("RGB", picture.size, "white")
    if picture.mode == "RGBA":
        flat.paste(picture, mask=picture.getchannel("A"))
    else:
        flat.paste(picture.convert("RGB"))
    return flat
