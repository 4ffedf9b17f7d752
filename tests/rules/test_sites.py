"""Which pages may ask by a customer's token."""

import pytest

from invite_service.rules.sites import is_allowed_site, origin_of
from tests.support.builders import make_branding


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Gifts.Example/shop?x=1#y", "https://gifts.example"),
        ("https://gifts.example:443", "https://gifts.example"),
        ("https://gifts.example:8443/", "https://gifts.example:8443"),
        ("http://127.0.0.1:8000/a", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://kari:secret@gifts.example", "https://gifts.example"),
        ("https://b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example", "https://xn--bcher-kva.example"),
        ("ftp://gifts.example", None),
        ("javascript:alert(1)", None),
        ("https://", None),
        ("https://[gifts", None),
        ("https://gifts.example:port", None),
        ("gifts.example", None),
        ("", None),
    ],
)
def test_origin_is_told_as_browsers_send_it(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("sites", "branded", "allowed"),
    [
        (None, None, {"https://gifts.example"}),
        (None, "https://www.gifts.example/nb", {"https://www.gifts.example"}),
        (("https://a.example", "https://b.example"), None, {"https://a.example", "https://b.example"}),
        ((), None, set()),
    ],
)
def test_merchants_sites_may_ask_and_no_others(
    sites: tuple[str, ...] | None, branded: str | None, allowed: set[str]
) -> None:
    branding = make_branding(sites=sites, homepage_url=branded)
    origins = (
        "https://gifts.example",
        "https://www.gifts.example",
        "https://a.example",
        "https://b.example",
        "null",
        "",
    )
    found = {one for one in origins if is_allowed_site(one, branding, homepage_url="https://gifts.example/shop")}
    assert found == allowed
