"""The texts of messages and pages: one gettext catalogue (catalogues/<language>.po) per language.

What merchants read stands apart, in catalogues/story_<language>.po: it is written in fewer languages.

Message ids are symbols, not English sentences, so that English can be mended without touching the other languages.
Placeholders are named, `{merchant}`; catalogues hold no HTML. The head of en.po tells how a catalogue is written.
"""

from datetime import date
from functools import cache
from gettext import GNUTranslations
from importlib.resources import files
from io import BytesIO

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.units import format_unit

LANGUAGES = (
    "cs", "da", "de", "en", "es", "et", "fi", "fr", "it", "ja", "lv", "nb", "nl", "pl", "pt-BR", "ru", "sk", "sv",
)  # fmt: skip
"""Languages that have a catalogue. A further one is a file under catalogues/ and its tag here, and nothing else."""

STORY_LANGUAGES = ("en", "nb")
"""Languages in which merchants are told why something was decided."""

FALLBACK_LANGUAGE = "en"

FIRSTS = {"fr": "1er", "pt-BR": "1º"}
"""The first of a month where it is an ordinal; Unicode's formats of dates (CLDR) know no such day apart from others."""


class Texts:
    """The catalogue of one language."""

    def __init__(self, language: str, translations: GNUTranslations) -> None:
        self.language = language
        self.locale = locale_of(language)
        self._translations = translations

    def __call__(self, key: str, **values: str | int) -> str:
        """Write a text with its placeholders filled in; `count` chooses the plural form."""
        count = values.get("count")
        if isinstance(count, int):
            text = self._translations.ngettext(key, key, count)
            values["count"] = self.number(count)
        else:
            text = self._translations.gettext(key)
        if text == key:
            raise KeyError(f"{self.language} has no text {key}")
        return text.format_map(values)

    def day(self, day: date) -> str:
        """Write a day of the calendar."""
        written = format_date(day, "long", locale=self.locale)
        first = FIRSTS.get(self.language)
        return written if first is None or day.day > 1 else written.replace("1", first, 1)

    def megabytes(self, octets: int) -> str:
        """Write a size in whole megabytes."""
        return format_unit(octets // 1024 // 1024, "digital-megabyte", length="short", locale=self.locale)

    def number(self, number: float) -> str:
        """Write a number with the signs that the language sets in it; small whole ones, most of all, have none."""
        return (
            str(number)
            if isinstance(number, int) and 0 <= number < 1000
            else format_decimal(number, locale=self.locale)
        )


def locale_of(language: str) -> Locale:
    """Find the locale of a language's dates and numbers; in English days stand before months, as in Europe's shops."""
    return Locale.parse("en-GB" if language == "en" else language, sep="-")


def available_language(language: str) -> str:
    """Tell the language a message or page is really written in: the wanted one where it has texts, else English.

    An invitation keeps the language that was decided (RULES.md section 3), and a catalogue that comes later is used
    from then on. Until it comes the lang attribute, unlike the invitation, says English.
    """
    return language if language in LANGUAGES else FALLBACK_LANGUAGE


@cache
def texts_of(language: str) -> Texts:
    """Load the catalogue of an available language, once per process."""
    return _load(language, f"{language}.po")


@cache
def story_texts_of(language: str) -> Texts:
    """Load the catalogue of a story language, once per process."""
    return _load(language, f"story_{language}.po")


def _load(language: str, name: str) -> Texts:
    with (files("invite_service.rendering") / "catalogues" / name).open("rb") as source:
        catalogue = read_po(source, locale=locale_of(language))
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Texts(language, GNUTranslations(compiled))
