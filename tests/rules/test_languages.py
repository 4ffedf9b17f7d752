import pytest

from invite_service.domain.policy import SUPPORTED_LANGUAGES
from invite_service.rules.languages import decide_language, read_language
from tests.rules.builders import make_policy

TAGS = {
    "no": "nb",
    "NO": "nb",
    "no-NO": "nb",
    "nn": "nb",
    "nn_NO": "nb",
    "nb-NO": "nb",
    "pt": "pt-BR",
    "pt-PT": "pt-BR",
    "PT_br": "pt-BR",
    "pt-Latn-PT": "pt-BR",
    "cz": "cs",
    "cz-CZ": "cs",
    "dk": "da",
    "DK_dk": "da",
    "br": "pt-BR",
    "BR": "pt-BR",
    "br-FR": None,
    "br_BR": None,
    "se": "sv",
    "se-NO": None,
    "SE_se": None,
    "sv-FI": "sv",
    "en-GB": "en",
    "de_AT": "de",
    "fr-CA-x-private": "fr",
    " nb ": "nb",
    "xx": None,
    "zh-Hans-CN": None,
    "english": None,
    "e": None,
    "en!": None,
    "": None,
    "-": None,
    None: None,
}


@pytest.mark.parametrize(("tag", "language"), TAGS.items(), ids=repr)
def test_tag_is_read_as_a_supported_language_or_none(tag: str | None, language: str | None) -> None:
    assert read_language(tag) == language


@pytest.mark.parametrize("language", SUPPORTED_LANGUAGES)
def test_supported_language_is_read_in_any_case_and_with_any_separator(language: str) -> None:
    primary = language.split("-", maxsplit=1)[0]
    spellings = (
        language,
        language.upper(),
        language.lower(),
        language.replace("-", "_"),
        f"{primary}-XX",
        f"{primary}_xx",
    )
    assert {spelling: read_language(spelling) for spelling in spellings} == dict.fromkeys(spellings, language)


@pytest.mark.parametrize(
    ("fixed", "of_order", "language"),
    [
        ("automatic", "sv-SE", "sv"),
        ("automatic", "br-FR", "nb"),
        ("automatic", None, "nb"),
        ("de", "sv-SE", "de"),
        ("pt-BR", None, "pt-BR"),
    ],
)
def test_fixed_language_goes_before_the_orders_and_that_before_the_fallback(
    fixed: str, of_order: str | None, language: str
) -> None:
    assert decide_language(make_policy(language=fixed, fallback_language="nb"), of_order) == language
