"""Reading a page the way a browser without scripts does."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self

import httpx


@dataclass
class Form:
    """A form of a page, with what is filled in."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    """Hidden, chosen and typed values by field name."""
    choices: dict[str, list[str]] = field(default_factory=dict)
    """Values of radio buttons by field name."""
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Document(HTMLParser):
    """A page's words, links, forms and structure."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.language: str | None = None
        self.title = ""
        self.headings: list[str] = []
        self.links: dict[str, str] = {}
        self.forms: list[Form] = []
        self.pictures: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self._href: str | None = None
        self._textarea: str | None = None
        self.feed(html)

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        return cls(response.text)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def form(self) -> Form:
        [form] = self.forms
        return form

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append(tag)
        if tag not in {"img", "input", "meta", "use", "path", "br"}:
            self._inside.append(tag)
        match tag:
            case "html":
                self.language = attributes.get("lang")
            case "img":
                self.pictures.append(attributes)
            case "a":
                self._href = attributes.get("href")
            case "form":
                self.forms.append(Form(attributes.get("action") or "", attributes.get("method") or "get"))
            case "input" | "textarea" | "button":
                self._add_field(tag, attributes)

    def _add_field(self, tag: str, attributes: dict[str, str | None]) -> None:
        if attributes.get("type") == "file":
            return
        form, name = self.forms[-1], attributes.get("name") or ""
        value = attributes.get("value") or ""
        if tag == "button":
            form.buttons.append((name, value))
        elif tag == "textarea":
            form.fields[name] = ""
            self._textarea = name
        elif attributes.get("type") == "radio":
            form.choices.setdefault(name, []).append(value)
            if "checked" in attributes:
                form.fields[name] = value
        else:
            form.fields[name] = value

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass
        if tag == "textarea" and self._textarea is not None:
            # A line end right after the start tag is not part of the text.
            fields = self.forms[-1].fields
            fields[self._textarea] = fields[self._textarea].removeprefix("\n")
            self._textarea = None
        if tag == "a":
            self._href = None

    def handle_data(self, data: str) -> None:
        if "style" in self._inside:
            return
        if self._textarea is not None:
            self.forms[-1].fields[self._textarea] += data
            return
        if "title" in self._inside:
            self.title += data
            return
        self.words.append(data)
        if "h1" in self._inside:
            self.headings.append(data.strip())
        if self._href is not None and data.strip():
            self.links[data.strip()] = self._href
