"""Every catalogue is complete, its placeholders are the same everywhere, and SMS texts are cheap to send."""

from importlib.resources import files
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from invite_service.domain.policy import SUPPORTED_LANGUAGES
from invite_service.rendering.texts import LANGUAGES, available_language, texts_of
from invite_service.rules.sms_segments import SmsEncoding, count_segments

SMS_TEXTS = ("product_sms", "service_sms", "sms_opt_out")


def read_catalogue(language: str) -> Catalog:
    with (files("invite_service.rendering") / "catalogues" / f"{language}.po").open("rb") as source:
        return read_po(source, locale=language.replace("-", "_"), abort_invalid=True)


def messages_of(language: str) -> dict[str, Message]:
    return {key_of(message): message for message in read_catalogue(language) if message.id}


def key_of(message: Message) -> str:
    return str(message.id[0] if isinstance(message.id, list | tuple) else message.id)


def forms_of(message: Message) -> tuple[str, ...]:
    strings = message.string if isinstance(message.string, list | tuple) else [message.string]
    return tuple(str(string) for string in strings)


def placeholders_of(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_has_every_text_with_the_same_placeholders(language: str) -> None:
    expected = {
        key: set().union(*(placeholders_of(form) for form in forms_of(message)))
        for key, message in messages_of("en").items()
    }
    found = {
        key: set().union(*(placeholders_of(form) for form in forms_of(message)))
        for key, message in messages_of(language).items()
    }
    assert found == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_has_a_form_for_every_plural_and_no_empty_text(language: str) -> None:
    catalogue = read_catalogue(language)
    for message in catalogue:
        if message.id:
            assert all(form.strip() == form != "" for form in forms_of(message)), key_of(message)
            assert len(forms_of(message)) == (catalogue.num_plurals if isinstance(message.id, list | tuple) else 1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_holds_no_html(language: str) -> None:
    texts = [form for message in messages_of(language).values() for form in forms_of(message)]
    assert [text for text in texts if "<" in text or "&" in text] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", SMS_TEXTS)
def test_sms_texts_stay_within_the_gsm_alphabet(language: str, key: str) -> None:
    text = texts_of(language)(key, merchant="X", page="X", unsubscribe="X")
    assert count_segments(text).encoding is SmsEncoding.GSM_7


def test_languages_are_supported_ones() -> None:
    assert set(LANGUAGES) <= set(SUPPORTED_LANGUAGES)


@pytest.mark.parametrize(("wanted", "found"), [("nb", "nb"), ("en", "en"), ("ja", "en"), ("pt-BR", "en")])
def test_language_without_texts_falls_back_to_english(wanted: str, found: str) -> None:
    assert available_language(wanted) == found


def test_count_chooses_the_plural_form() -> None:
    texts = texts_of("nb")
    assert [texts("star_count", count=count) for count in (1, 2)] == ["1 stjerne", "2 stjerner"]


def test_value_with_braces_stays_as_it_is() -> None:
    assert texts_of("en")("greeting", name="{merchant} {0}") == "Hi {merchant} {0},"


def test_unknown_text_is_an_error() -> None:
    with pytest.raises(KeyError, match="no text nonsense"):
        texts_of("en")("nonsense")
