"""Text of others made safe to stand in a header, a sentence or a link."""

import re
import unicodedata
from urllib.parse import quote, urlsplit, urlunsplit

_SPACES = re.compile(r"[\s\x1c-\x1f\x85\u2028\u2029]+")

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff"
    "\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff"
    "\U000e0001\U000f0000-\U0010ffff"
    "]"
)
"""Controls; marks that steer writing direction or are invisible; surrogates; private use and noncharacters.

U+200C and U+200D stay: Persian words and family emoji need them. Private use must go: `rendering.skeleton` marks its
gaps with it.
"""

_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?")

_PLAIN_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?:[/?#][A-Za-z0-9!#$%&'()*+,/:;=?@_~.-]*)?")

_JOINERS = "\u200c\u200d"


def one_line(text: str | None, *, limit: int) -> str:
    """Make a text one clean line of at most `limit` characters, ended by an ellipsis where it was cut."""
    if text is None:
        return ""
    if not (text.isascii() and text.isprintable()):
        text = _UNSAFE.sub("", _SPACES.sub(" ", unicodedata.normalize("NFC", text)))
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    return text[: limit - 1].rstrip(" " + _JOINERS) + "…"


def some_lines(text: str | None, *, limit: int) -> str:
    """Make a text clean lines of at most `limit` characters together; of empty ones in a row, one is kept."""
    lines: list[str] = []
    for line in (one_line(line, limit=limit) for line in (text or "").splitlines()):
        if line or (lines and lines[-1]):
            lines.append(line)
    cleaned = "\n".join(lines).rstrip("\n")
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1].rstrip(" \n" + _JOINERS) + "…"


def web_address(url: str | None) -> str | None:
    """Give back an http or https address as ASCII that can stand in a link, or None for anything else."""
    if url is None:
        return None
    if _PLAIN_ADDRESS.fullmatch(url):
        return url
    try:
        parts = urlsplit(_UNSAFE.sub("", url.strip()))
        host = parts.netloc.encode("idna").decode("ascii")
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(host):
        return None
    return quote(urlunsplit(parts._replace(netloc=host)), safe="!#$%&'()*+,/:;=?@[]~")


def picture_address(url: str | None) -> str | None:
    """Give back an https address of a picture, or None: pages and mail readers refuse pictures over plain http."""
    address = web_address(url)
    return address if address is not None and address.startswith("https://") else None
