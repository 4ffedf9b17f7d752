"""What becomes of a picture that was drawn again, named without the package that draws."""

from dataclasses import dataclass, field


class PictureUnreadableError(Exception):
    """The file is of a kind that is taken, and cannot be drawn."""


class PictureWrongKindError(Exception):
    """The file is no JPEG, PNG or WebP."""


@dataclass(frozen=True, slots=True)
class DrawnPicture:
    """A picture as it is kept: JPEG in sRGB, upright, without metadata."""

    content: bytes = field(repr=False)
    width: int
    height: int
