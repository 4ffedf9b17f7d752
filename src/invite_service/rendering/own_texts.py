"""Merchants' own texts: read once per version, written out per message, and never a reason not to send one.

What a template writes is text of others like any name: it is cleaned here, and escaped where it is put into HTML or a
header.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import structlog
from markupsafe import Markup

from invite_service.domain.texts import AsksFor, FieldValue, MerchantText, TextName
from invite_service.rendering.cleaning import one_line
from invite_service.rendering.template_faults import TemplateFault, TemplateFaultsError
from invite_service.rendering.text_fields import FIELDS, TextField, words_of
from invite_service.rendering.text_variables import MERCHANT_NAMES, names_for
from invite_service.rendering.texts import Texts

if TYPE_CHECKING:
    from invite_service.rendering.liquid import LiquidTemplate

log = structlog.get_logger()

MAX_LINE: Final = 4_000
"""Characters of one line of a block before its own limit is looked at."""


def read_own(source: str, *, names: Collection[str]) -> "LiquidTemplate":
    """Read a template, as `read_template` does."""
    # Only here: the language takes 3 MiB, and most processes never see a merchant's own text.
    from invite_service.rendering.liquid import read_template  # noqa: PLC0415

    return read_template(source, names=names)


class OwnTextFailedError(Exception):
    """A text cannot be written for these values; the catalogue's takes its place."""

    def __init__(self, field: str, fault: TemplateFault, *, paragraph: int | None = None) -> None:
        super().__init__(f"{field}: {fault.code}")
        self.field = field
        self.fault = fault
        self.paragraph = paragraph
        """Which of several templates failed, from 0; None where it was not one alone."""


class OwnField:
    """One field as the merchant wrote it."""

    def __init__(self, field: TextField, value: FieldValue, names: frozenset[str]) -> None:
        """Read the templates; raises TemplateFaultsError."""
        self.field = field
        self.templates = [read_own(source, names=names) for source in as_sources(value)]
        self.is_fixed = all(template.names <= MERCHANT_NAMES for template in self.templates)
        """Whether it is the same for all customers."""

    def write(self, variables: Mapping[str, object]) -> list[str]:
        """Write the paragraphs, or the one text of any other field; those that come out blank are left out.

        Lines of a paragraph are kept apart by line feeds.

        Raises:
            OwnTextFailedError: it fails, or is too long, or blank where something must be shown.
        """
        written = []
        for place, template in enumerate(self.templates):
            text = self._clean(self._render(template, variables, place))
            if text:
                written.append(text)
        if not written and not self.field.may_be_blank:
            raise self._failed("blank", "it comes out blank for some customers.")
        if sum(map(len, written)) > self.field.shown_limit:
            sentence = f"it comes out longer than {self.field.shown_limit} characters for some customers."
            raise self._failed("too_long", sentence)
        return written

    def _render(self, template: "LiquidTemplate", variables: Mapping[str, object], place: int) -> str:
        try:
            return template.render(variables)
        except TemplateFaultsError as error:
            raise OwnTextFailedError(self.field.name, error.faults[0], paragraph=place) from error

    def _clean(self, text: str) -> str:
        if not self.field.is_block:
            return one_line(text, limit=self.field.shown_limit)
        lines = [one_line(line, limit=MAX_LINE) for line in text.splitlines()]
        return "\n".join(lines).strip("\n")

    def _failed(self, code: str, sentence: str) -> OwnTextFailedError:
        return OwnTextFailedError(self.field.name, TemplateFault(code, sentence, 0, 0))


def as_sources(value: FieldValue) -> tuple[str, ...]:
    """Give the templates of a field: one of each paragraph, or the one there is."""
    return (value,) if isinstance(value, str) else value


class OwnText:
    """One of a merchant's own texts, its templates read."""

    def __init__(self, text: MerchantText) -> None:
        """Read the templates; raises TemplateFaultsError, which saving a text has ruled out."""
        self.name = text.name
        self.language = text.language
        self.version = text.version
        self.asks_for_stars = text.asks_for is AsksFor.STARS
        self.words = words_of(text.name, text.asks_for)
        names = names_for(text.name)
        self.fields = {
            field.name: OwnField(field, text.fields[field.name], names)
            for field in FIELDS[text.name]
            if field.name in text.fields
        }
        self._by_key = {own.field.key.format(text=self.words): own for own in self.fields.values()}

    def find(self, key: str) -> OwnField | None:
        """Find the field that stands for words of the catalogue."""
        return self._by_key.get(key)

    def is_fixed(self, name: str) -> bool:
        """Say whether a field is the same for all customers; the catalogue's words are, where the merchant has none."""
        return name not in self.fields or self.fields[name].is_fixed


class OwnTexts:
    """All of a merchant's own texts at one version, each read when it is first wanted."""

    def __init__(self, texts: Iterable[MerchantText]) -> None:
        self._texts = {(text.name, text.language): text for text in texts if text.is_set}
        self._read: dict[tuple[TextName, str], OwnText | None] = {}

    def find(self, name: TextName, language: str) -> OwnText | None:
        """Find a text; None where the merchant has none of its own in that language."""
        if not self._texts:
            return None
        place = (name, language)
        if place not in self._read:
            self._read[place] = self._try_to_read(place)
        return self._read[place]

    def _try_to_read(self, place: tuple[TextName, str]) -> OwnText | None:
        """Read a text; one that cannot be read any more, after an upgrade say, is as if it were not there."""
        text = self._texts.get(place)
        if text is None:
            return None
        try:
            return OwnText(text)
        except TemplateFaultsError:
            log.exception("Failed to read a merchant's text", text=text.name, language=text.language)
            return None


NO_OWN_TEXTS: Final = OwnTexts(())
"""Of merchants that write as the catalogue does."""


class OwnWords(Texts):
    """The catalogue of one language, with a merchant's own words in the place of some."""

    def __init__(self, texts: Texts, own: Callable[[str], str | None]) -> None:
        """Take words from `own`, and where it has none for a key, which it says with None, from `texts`."""
        vars(self).update(vars(texts))
        self._own = own

    def __call__(self, key: str, **values: str | int) -> str:
        """Write a text."""
        own = self._own(key)
        return own if own is not None else super().__call__(key, **values)


def page_words(
    texts: Texts, own: Sequence[OwnText], variables: Callable[[], Mapping[str, object]], *, is_html: bool
) -> Texts:
    """Give the words of a page; `variables` is asked when an own word is written.

    One that fails is logged, and written as the catalogue does.
    """

    def write(key: str) -> str | None:
        for each in own:
            field = each.find(key)
            if field is not None:
                try:
                    text = "\n".join(field.write(variables()))
                    return with_breaks(text) if is_html else text
                except OwnTextFailedError as error:
                    log.warning("Failed to write a merchant's text", text=each.name, field=error.field)
        return None

    return OwnWords(texts, write) if own else texts


def with_breaks(text: str) -> Markup:
    """Escape a text of several lines for HTML, which would run them together."""
    return Markup("<br>").join(text.split("\n"))
