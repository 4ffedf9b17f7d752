"""Every catalogue is complete, its placeholders are the same everywhere, and SMS texts are cheap to send."""

import unicodedata
from collections import Counter
from datetime import date
from functools import cache
from gettext import c2py
from importlib.resources import files
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po

from invite_service.domain.policy import SUPPORTED_LANGUAGES
from invite_service.rendering.texts import LANGUAGES, available_language, locale_of, texts_of
from invite_service.rules.sms_segments import SmsEncoding, count_segments
from tests.rendering.messages import LINKS

SMS_TEXTS = ("product_sms", "service_sms", "reply_notice_sms", "voucher_sms")

SMS_VALUES = {
    "merchant": "The Gift Shop",
    "page": LINKS.page,
    "unsubscribe": LINKS.unsubscribe,
    "code": "THANKS-7K2P9",
}

OTHER_ALPHABETS = {"ja", "ru"}
"""Languages whose letters are not in the GSM alphabet, so that a segment holds less than half as many."""

EXPLAINED_ABOVE = {"merchant", "product", "name", "date", "count"}
"""Placeholders that the head of en.po explains."""

CATALOGUES = files("invite_service.rendering") / "catalogues"


@cache
def read_catalogue(language: str) -> Catalog:
    with (CATALOGUES / f"{language}.po").open("rb") as source:
        return read_po(source, abort_invalid=True)


def messages_of(language: str) -> dict[str, Message]:
    return {key_of(message): message for message in read_catalogue(language) if message.id}


def key_of(message: Message) -> str:
    return str(message.id[0] if isinstance(message.id, list | tuple) else message.id)


def is_plural(message: Message) -> bool:
    return isinstance(message.id, list | tuple)


def forms_of(message: Message) -> tuple[str, ...]:
    strings = message.string if isinstance(message.string, list | tuple) else [message.string]
    return tuple(str(string) for string in strings)


def texts_in(language: str) -> list[tuple[str, str]]:
    """List every text of a language, each plural form by itself, with its id."""
    return [(key, form) for key, message in messages_of(language).items() for form in forms_of(message)]


def placeholders_of(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def placeholders_of_all(message: Message) -> set[str]:
    return set().union(*map(placeholders_of, forms_of(message)))


# Every language


def test_every_catalogue_has_its_tag_among_the_languages() -> None:
    stems = {path.name.removesuffix(".po") for path in CATALOGUES.iterdir() if not path.name.startswith("story_")}
    assert stems == set(LANGUAGES) <= set(SUPPORTED_LANGUAGES)
    assert len(LANGUAGES) == len(set(LANGUAGES))


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_has_the_texts_of_the_english_one_in_its_order(language: str) -> None:
    catalogue = read_catalogue(language)
    assert list(messages_of(language)) == list(messages_of("en"))
    assert str(catalogue.locale) == str(locale_of(language)).removesuffix("_GB")
    assert list(catalogue.obsolete) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_uncertain(language: str) -> None:
    assert [key for key, text in texts_in(language) if not text or text.strip() != text] == []
    assert [key for key, message in messages_of(language).items() if message.fuzzy] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_one_line_of_plain_text(language: str) -> None:
    unseen = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
    texts = texts_in(language)
    assert [key for key, text in texts if unseen & {unicodedata.category(character) for character in text}] == []
    assert [key for key, text in texts if "<" in text or ">" in text or "&" in text or "  " in text] == []
    assert [key for key, text in texts if unicodedata.normalize("NFC", text) != text] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_those_of_the_english_text_in_every_form(language: str) -> None:
    expected = messages_of("en")
    numbers = Counter(map(c2py(read_catalogue(language).plural_expr), range(1001)))
    found = {}
    for key, message in messages_of(language).items():
        for place, form in enumerate(forms_of(message)):
            missing = placeholders_of_all(expected[key]) ^ placeholders_of(form)
            is_of_one_number = is_plural(message) and numbers[place] == 1
            if missing and not (is_of_one_number and missing == {"count"}):
                found[key, place] = missing
    assert found == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_bare_names(language: str) -> None:
    parsed = [(key, part) for key, text in texts_in(language) for part in Formatter().parse(text)]
    assert [
        key for key, (_, name, spec, how) in parsed if name is not None and (not name.isidentifier() or spec or how)
    ] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_plural_forms_are_those_that_babel_knows(language: str) -> None:
    catalogue, known = read_catalogue(language), get_plural(locale_of(language))
    assert catalogue.num_plurals == known.num_plurals
    form, known_form = c2py(catalogue.plural_expr), c2py(known.plural_expr)
    assert [number for number in range(1001) if form(number) != known_form(number)] == []
    expected = {key: known.num_plurals if is_plural(message) else 1 for key, message in messages_of("en").items()}
    assert {key: len(forms_of(message)) for key, message in messages_of(language).items()} == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_subjects_and_preheaders_are_read_whole(language: str) -> None:
    texts = texts_of(language)
    keys = [
        key for key in messages_of(language) if key.endswith(("_subject", "_preheader")) and not key.startswith("rate_")
    ]
    lengths = {key: len(texts(key, merchant="The Gift Shop")) for key in keys}
    assert {key: length for key, length in lengths.items() if length > 80} == {}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", SMS_TEXTS)
def test_sms_costs_as_little_as_it_can(language: str, key: str) -> None:
    texts = texts_of(language)
    lines = [texts(key, **SMS_VALUES), texts("sms_opt_out", **SMS_VALUES)]
    whole = count_segments("\n".join(lines))
    if language in OTHER_ALPHABETS:
        # Two links of 78 characters are more than two segments of 67 letters: each line may take two.
        assert max(count_segments(line).count for line in lines) <= 2
        assert whole.count <= 4
    else:
        assert (whole.encoding, whole.count <= 2) == (SmsEncoding.GSM_7, True), whole


# What translators need


def test_every_text_is_explained_to_those_who_translate_it() -> None:
    messages = messages_of("en")
    assert [key for key, message in messages.items() if not message.auto_comments] == []
    unexplained = {
        key: missing
        for key, message in messages.items()
        if (
            missing := {
                name
                for name in placeholders_of_all(message) - EXPLAINED_ABOVE
                if f"{{{name}}}" not in " ".join(message.auto_comments)
            }
        )
    }
    assert unexplained == {}


# Using them


@pytest.mark.parametrize(("wanted", "found"), [("nb", "nb"), ("en", "en"), ("is", "en"), ("nn", "en")])
def test_language_without_texts_falls_back_to_english(wanted: str, found: str) -> None:
    assert available_language(wanted) == found


def test_count_chooses_the_plural_form() -> None:
    texts = texts_of("nb")
    assert [texts("star_count", count=count) for count in (1, 2)] == ["1 stjerne", "2 stjerner"]


def test_large_counts_are_written_as_the_language_does() -> None:
    assert texts_of("en")("rating_count", count=1234567) == "1,234,567 ratings"
    assert texts_of("nb")("rating_count", count=1234567) == "1\xa0234\xa0567 vurderinger"


def test_figures_are_written_as_the_language_does() -> None:
    assert [texts_of(language).number(4.6) for language in ("en", "nb")] == ["4.6", "4,6"]
    days = [texts_of(language).day(date(2026, 3, 9)) for language in ("en", "nb")]
    assert days == ["9 March 2026", "9. mars 2026"]


@pytest.mark.parametrize("language", SUPPORTED_LANGUAGES)
def test_every_supported_language_has_a_locale(language: str) -> None:
    assert str(locale_of(language)).startswith(language.partition("-")[0])


@pytest.mark.parametrize(
    ("language", "days"),
    [
        ("fr", ["1er mars 2026", "10 mars 2026", "11 mars 2026", "21 mars 2026"]),
        ("pt-BR", ["1º de março de 2026", "10 de março de 2026", "11 de março de 2026", "21 de março de 2026"]),
        ("it", ["1 marzo 2026", "10 marzo 2026", "11 marzo 2026", "21 marzo 2026"]),
    ],
)
def test_first_of_a_month_is_an_ordinal_where_people_write_it_so(language: str, days: list[str]) -> None:
    assert [texts_of(language).day(date(2026, 3, day)) for day in (1, 10, 11, 21)] == days


def test_value_with_braces_stays_as_it_is() -> None:
    assert texts_of("en")("greeting", name="{merchant} {0}") == "Hi {merchant} {0},"


def test_unknown_text_is_an_error() -> None:
    with pytest.raises(KeyError, match="no text nonsense"):
        texts_of("en")("nonsense")
