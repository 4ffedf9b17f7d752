import pytest

from invite_service.domain.policy import SUPPORTED_LANGUAGES
from invite_service.rules.stop_words import STOP_WORDS, means_stop


def test_every_supported_language_has_its_words() -> None:
    assert set(STOP_WORDS) == set(SUPPORTED_LANGUAGES)


@pytest.mark.parametrize("word", sorted({word for words in STOP_WORDS.values() for word in words}))
def test_word_that_stands_alone_means_stop_however_it_is_written(word: str) -> None:
    assert means_stop(word)
    assert means_stop(f"  {word.upper()}!!\n")
    assert not means_stop(f"Hello, {word} and hello")


@pytest.mark.parametrize("text", ["ARRÊT", "désabonner", "rezygnuję", "ZRUŠIT", "Стоп.", "stop_all", "\u202eSTOP"])
def test_marks_and_case_do_not_count(text: str) -> None:
    assert means_stop(text)


@pytest.mark.parametrize("text", ["", "  ", "!!!", "Please stop by the shop", "don't stop", "stop " * 20, "nonstop"])
def test_anything_else_stops_nothing(text: str) -> None:
    assert not means_stop(text)
