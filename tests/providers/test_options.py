"""Options as merchants enter them: where an API may be, what a secret looks like."""

import pytest

from invite_service.domain.errors import ProviderSettingsError
from invite_service.providers.options import OptionReader


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("https://api.example.com", "https://api.example.com"),
        (" https://api.example.com:8443/v3/ ", "https://api.example.com:8443/v3"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://203.0.113.7", "https://203.0.113.7"),
    ],
)
def test_api_may_be_anywhere_behind_tls_or_on_this_machine(url: str, read: str) -> None:
    reader = OptionReader("post", {"api_url": url})

    assert reader.api_url("https://post.example.com") == read
    reader.finish()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "http://api.example.com",
        "http://127.0.0.1.example.com",
        "ftp://api.example.com",
        "https://",
        "https://user:hunter2@api.example.com",
        "https://api.example.com?key=hunter2",
        "https://api.example.com/?",
        "https://api.example.com/#hunter2",
        "https://api.example.com:0",
        "https://api.example.com:hunter2",
        "https://api.example.com/a b",
        "https://äpi.example.com",
        "https://[hunter2",
        "https://-api.example.com",
    ],
)
def test_api_may_not_be_elsewhere(url: str) -> None:
    reader = OptionReader("post", {"api_url": url})
    reader.api_url("https://post.example.com")
    with pytest.raises(ProviderSettingsError) as caught:
        reader.finish()

    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/api_url", "api_url_invalid")]
    assert "hunter" not in caught.value.faults[0].detail


def test_api_is_at_the_companys_unless_said_otherwise() -> None:
    assert OptionReader("post", {}).api_url("https://post.example.com") == "https://post.example.com"


@pytest.mark.parametrize("secret", ["", " ", "two words", "ключ", "tab\there", "x" * 1001, "nul\0"])
def test_secret_that_cannot_be_one_is_a_fault(secret: str) -> None:
    reader = OptionReader("post", {"key": secret})
    reader.secret("key")
    with pytest.raises(ProviderSettingsError):
        reader.finish()


def test_word_that_is_not_among_the_choices_is_a_fault_that_names_them() -> None:
    reader = OptionReader("post", {"region": "moon"})
    assert reader.choice("region", {"us", "eu"}, default="us") == "us"
    with pytest.raises(ProviderSettingsError) as caught:
        reader.finish()

    assert caught.value.faults[0].detail == "region must be one of eu, us"
