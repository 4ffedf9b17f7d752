import pytest

from invite_service.rules.contacts import ABSENT, ReadContact, normalise_contact, read_email, read_phone

READABLE_EMAILS = {
    "as it is": ("kari@example.no", "kari@example.no"),
    "upper case": ("Kari@Example.NO", "kari@example.no"),
    "space around": (" \tkari@example.no\n", "kari@example.no"),
    "plus tag kept": ("kari+news@example.no", "kari+news@example.no"),
    "dots kept": ("k.a.r.i@gmail.com", "k.a.r.i@gmail.com"),
    "apostrophe": ("o'brien@example.ie", "o'brien@example.ie"),
    "IDNA domain": ("kari@bücher.example", "kari@xn--bcher-kva.example"),
    "IDNA domain, upper case": ("KARI@BÜCHER.EXAMPLE", "kari@xn--bcher-kva.example"),
    "IDNA domain, in ASCII already": ("kari@xn--bcher-kva.example", "kari@xn--bcher-kva.example"),
    "sharp s is a letter of its own": ("kari@straße.de", "kari@xn--strae-oqa.de"),
    "ideographic full stop": ("kari@münchen。de", "kari@xn--mnchen-3ya.de"),
    "top level in its own script": ("kari@пример.рф", "kari@xn--e1afmkfd.xn--p1ai"),
    "local part in its own script": ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
    "composed": ("bj\N{LATIN SMALL LETTER O WITH DIAERESIS}rn@example.se", "björn@example.se"),
    "decomposed": ("bjo\N{COMBINING DIAERESIS}rn@example.se", "björn@example.se"),
    "decomposed, upper case": ("BJO\N{COMBINING DIAERESIS}RN@EXAMPLE.SE", "björn@example.se"),
    "test domain": ("kari@shop.test", "kari@shop.test"),
    "test domain, local part not ASCII": ("kåre@shop.test", "kåre@shop.test"),
    "longest local part": ("k" * 64 + "@example.no", "k" * 64 + "@example.no"),
    "longest label": ("kari@" + "e" * 63 + ".no", "kari@" + "e" * 63 + ".no"),
}

UNREADABLE_EMAILS = {
    "no at sign": "kari",
    "no local part": "@example.no",
    "no domain": "kari@",
    "one label": "kari@localhost",
    "one label, local part not ASCII": "kåre@localhost",
    "one label for tests, local part not ASCII": "kåre@test",
    "trailing dot of the domain": "kari@example.no.",
    "trailing dot of the local part": "kari.@example.no",
    "leading dot": ".kari@example.no",
    "two dots": "ka..ri@example.no",
    "empty label": "kari@example..no",
    "label begins with a hyphen": "kari@-example.no",
    "underscore in the domain": "kari@exa_mple.no",
    "quoted": '"kari"@example.no',
    "quoted with a space": '"kari n"@example.no',
    "address literal": "kari@[127.0.0.1]",
    "address literal, local part not ASCII": "kåre@[127.0.0.1]",
    "IP address": "kari@127.0.0.1",
    "with a name": "Kari <kari@example.no>",
    "two at once": "kari@example.no,ola@example.no",
    "space inside": "kari @example.no",
    "zero-width space": "\N{ZERO WIDTH SPACE}kari@example.no",
    "full-width at sign": "kari\N{FULLWIDTH COMMERCIAL AT}example.no",
    "no such A-label": "kari@xn--a.example",
    "local part too long": "k" * 65 + "@example.no",
    "label too long": "kari@" + "e" * 64 + ".no",
    "too long in all": "kari@" + ".".join(["e" * 62] * 4) + ".no",
}


@pytest.mark.parametrize(("text", "contact"), READABLE_EMAILS.values(), ids=READABLE_EMAILS)
def test_readable_email_is_normalised(text: str, contact: str) -> None:
    assert read_email(text) == ReadContact(contact, None)


@pytest.mark.parametrize("text", UNREADABLE_EMAILS.values(), ids=UNREADABLE_EMAILS)
def test_unreadable_email_counts_as_absent_and_says_so(text: str) -> None:
    assert read_email(text) == ReadContact(None, "email_unreadable")


READABLE_PHONES = {
    "international": ("+47 912 34 567", None, "+4791234567"),
    "international, another country given": ("+47 912 34 567", "SE", "+4791234567"),
    "international prefix of the country": ("0047 912 34 567", "NO", "+4791234567"),
    "as a link": ("tel:+47-912-34-567", None, "+4791234567"),
    "extension dropped": ("+4791234567 ext 5", None, "+4791234567"),
    "national, Norway": ("912 34 567", "NO", "+4791234567"),
    "national, country in lower case": ("91234567", "no", "+4791234567"),
    "national, United Kingdom": ("07400 123456", "GB", "+447400123456"),
    "national, Brazil": ("(11) 98765-4321", "BR", "+5511987654321"),
    "national, Australia": ("0412 345 678", "AU", "+61412345678"),
    "fixed or mobile cannot be told in the United States": ("(415) 555-2671", "US", "+14155552671"),
    "Inmarsat takes SMS": ("+870 773 123 456", None, "+870773123456"),
    "Iridium takes SMS": ("+8816 234 12345", None, "+881623412345"),
}

UNREADABLE_PHONES = {
    "national without a country": ("91234567", None, "phone_needs_country"),
    "international prefix without a country": ("00 47 91234567", None, "phone_needs_country"),
    "no such country": ("91234567", "ZZ", "phone_unreadable"),
    "words": ("call me", "NO", "phone_unreadable"),
    "too short": ("+47 9123456", None, "phone_unreadable"),
    "no such range": ("+4759000000", None, "phone_unreadable"),
    "very long": ("9" * 300, "NO", "phone_unreadable"),
    "fixed line, Norway": ("+47 22 22 55 55", None, "phone_not_mobile"),
    "fixed line, United Kingdom": ("020 7946 0958", "GB", "phone_not_mobile"),
    "pager": ("+44 7600 123456", None, "phone_not_mobile"),
    "internet phone": ("+44 5600 123456", None, "phone_not_mobile"),
    "toll-free": ("+1 800 555 0199", None, "phone_not_mobile"),
    "universal toll-free": ("+800 1234 5678", None, "phone_not_mobile"),
    "international network": ("+882 16 12345678", None, "phone_not_mobile"),
}


@pytest.mark.parametrize(("text", "country", "contact"), READABLE_PHONES.values(), ids=READABLE_PHONES)
def test_phone_that_takes_sms_is_read_as_e164(text: str, country: str | None, contact: str) -> None:
    assert read_phone(text, country) == ReadContact(contact, None)


@pytest.mark.parametrize(("text", "country", "fault"), UNREADABLE_PHONES.values(), ids=UNREADABLE_PHONES)
def test_other_phone_counts_as_absent_and_says_why(text: str, country: str | None, fault: str) -> None:
    assert read_phone(text, country) == ReadContact(None, fault)


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_nothing_given_is_absent_without_a_fault(text: str | None) -> None:
    assert (read_email(text), read_phone(text, "NO")) == (ABSENT, ABSENT)


def test_contact_of_either_kind_is_normalised_for_looking_up() -> None:
    assert [
        normalise_contact("Kari@Example.no"),
        normalise_contact("912 34 567", country="NO"),
        normalise_contact("+47 912 34 567"),
        normalise_contact("912 34 567"),
        normalise_contact("kari@"),
    ] == ["kari@example.no", "+4791234567", "+4791234567", None, None]
