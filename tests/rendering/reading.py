"""Reading a rendered mail as mail readers do."""

import html as html_module
import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr
from html.parser import HTMLParser

from invite_service.domain.message import Message

GMAIL_CLIPS_AT = 102_000


def parse(message: Message) -> EmailMessage:
    assert message.raw is not None
    parsed = message_from_bytes(message.raw, policy=default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def contents_of(parsed: EmailMessage) -> list[tuple[str, str]]:
    return [(part.get_content_type(), part.get_content().replace("\r\n", "\n")) for part in parsed.iter_parts()]


def headers_of(parsed: EmailMessage) -> dict[str, str]:
    """Read the headers; the parts' separator is the one thing that two mails may have of their own."""
    return {name: value for name, value in parsed.items() if name != "Content-Type"}


class Elements(HTMLParser):
    """Collects start tags with their attributes, and text outside of style sheets."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._is_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._is_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._is_style = False

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self.words.append(data.strip())

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag in tags]


def elements_of(message: Message) -> Elements:
    assert message.html is not None
    return Elements(message.html)


def links_of(message: Message) -> list[str]:
    return [attributes["href"] or "" for attributes in elements_of(message).of("a")]


def preheader_of(message: Message) -> str:
    assert message.html is not None
    found = re.search(r'<div class="preheader"[^>]*>([^<]*)<', message.html)
    assert found is not None
    return html_module.unescape(found[1])


def check_mail(message: Message) -> None:
    """Check that the bytes hold one mail of two parts, with the headers that every mail has and no other."""
    assert message.raw is not None
    assert message.raw.count(b"\n") == message.raw.count(b"\r\n") == message.raw.count(b"\r")
    assert max(map(len, message.raw.split(b"\r\n"))) <= 998
    assert message.raw.isascii()
    parsed = parse(message)
    assert sorted(parsed.keys()) == sorted(
        [
            *("Message-ID", "Date", "To", "From", "Subject", "MIME-Version", "Content-Type"),
            *message.headers,
        ]
    )
    assert parsed["Subject"] == message.subject
    for header, name, address in (
        ("To", message.to_name, message.to_address),
        ("From", message.from_name, message.from_address),
    ):
        read_name, read_address = parseaddr(raw_header(message.raw, header))
        assert (str(make_header(decode_header(read_name))), read_address) == (name or "", address)
    assert contents_of(parsed) == [("text/plain", message.text), ("text/html", message.html)]


def raw_header(raw: bytes, name: str) -> str:
    found = re.search(rf"^{name}: ((?:.|\r\n )*)\r\n(?! )".encode(), raw, re.MULTILINE)
    assert found is not None
    return found[1].decode().replace("\r\n", "")
