import pytest

from invite_service.domain.invitation import Channel
from invite_service.domain.suppression import Subject, SubjectKind, Suppression, SuppressionReason, SuppressionSource
from invite_service.rules.suppressions import (
    SuppressedContacts,
    decide_reach,
    find_misfit,
    patterns_covering,
    read_subject,
    why_not_lifted,
)
from tests.rules.builders import EMAIL, PHONE, make_suppression

IS_WIDE = {
    SuppressionReason.HARD_BOUNCE: False,
    SuppressionReason.SOFT_BOUNCES: False,
    SuppressionReason.SMS_UNDELIVERABLE: False,
    SuppressionReason.UNSUBSCRIBED: True,
    SuppressionReason.COMPLAINED: True,
    SuppressionReason.ERASED: True,
    SuppressionReason.MANUAL: True,
}


@pytest.mark.parametrize(("reason", "is_wide"), IS_WIDE.items())
def test_reason_closes_its_address_and_a_wide_one_the_customer(reason: SuppressionReason, *, is_wide: bool) -> None:
    suppressed = SuppressedContacts([make_suppression(EMAIL, reason)])

    assert suppressed.closes_address(EMAIL)
    assert not suppressed.closes_address(PHONE)
    assert suppressed.closes_customer([PHONE, EMAIL]) is is_wide
    assert not suppressed.closes_customer([PHONE])


def test_every_reason_there_is_stands_in_the_table() -> None:
    assert IS_WIDE.keys() == set(SuppressionReason)


@pytest.mark.parametrize(
    "reasons",
    [
        (SuppressionReason.HARD_BOUNCE, SuppressionReason.UNSUBSCRIBED),
        (SuppressionReason.UNSUBSCRIBED, SuppressionReason.HARD_BOUNCE),
    ],
)
def test_of_several_reasons_the_widest_counts(reasons: tuple[SuppressionReason, ...]) -> None:
    suppressed = SuppressedContacts(make_suppression(EMAIL, reason) for reason in reasons)
    assert suppressed.closes_customer([EMAIL])


def test_wish_for_one_channel_closes_that_address_alone() -> None:
    suppressed = SuppressedContacts([Suppression(PHONE, SuppressionReason.MANUAL, channel=Channel.SMS)])
    assert suppressed.closes_address(PHONE)
    assert not suppressed.closes_customer([PHONE, EMAIL])


def test_reasons_that_come_later_join_those_there_are() -> None:
    bounced = SuppressedContacts([make_suppression(EMAIL, SuppressionReason.HARD_BOUNCE)])
    joined = bounced.joined([make_suppression(PHONE, SuppressionReason.MANUAL)])
    assert (joined.closes_address(EMAIL), joined.closes_customer([EMAIL])) == (True, False)
    assert joined.closes_customer([PHONE])
    assert not bounced.closes_address(PHONE)


@pytest.mark.parametrize(
    ("contact", "patterns"),
    [
        ("kari@example.com", ("@example.com",)),
        ("kari@mail.shop.example.com", ("@mail.shop.example.com", "@.shop.example.com", "@.example.com")),
        ("+4791234567", ()),
    ],
)
def test_contact_is_covered_by_its_domain_and_those_above_it(contact: str, patterns: tuple[str, ...]) -> None:
    assert patterns_covering(contact) == patterns


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        (" Kari@Example.COM ", Subject(SubjectKind.EMAIL, "kari@example.com")),
        ("+47 912 34 567", Subject(SubjectKind.PHONE, "+4791234567")),
        ("*@Example.com", Subject(SubjectKind.DOMAIN, "@example.com")),
        ("*.example.com", Subject(SubjectKind.DOMAIN, "@.example.com")),
        ("*@bücher.example", Subject(SubjectKind.DOMAIN, "@xn--bcher-kva.example")),
    ],
)
def test_subject_is_read_as_contacts_are(text: str, subject: Subject) -> None:
    assert read_subject(text) == (subject, None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("kari@", "email_unreadable"),
        ("912 34 567", "phone_needs_country"),
        ("+47 22 22 55 55", "phone_not_mobile"),
        ("hello", "phone_unreadable"),
        ("*.com", "domain_unreadable"),
        ("*@com", "domain_unreadable"),
        ("*@a@example.com", "domain_unreadable"),
        ("*.*.example.com", "domain_unreadable"),
        ("  ", "contact_missing"),
    ],
)
def test_what_is_no_subject_says_why(text: str, fault: str) -> None:
    assert read_subject(text) == (None, fault)


@pytest.mark.parametrize(
    ("kind", "reason", "channel", "misfit"),
    [
        (SubjectKind.EMAIL, SuppressionReason.HARD_BOUNCE, None, None),
        (SubjectKind.DOMAIN, SuppressionReason.MANUAL, Channel.EMAIL, None),
        (SubjectKind.PHONE, SuppressionReason.SMS_UNDELIVERABLE, Channel.SMS, None),
        (SubjectKind.PHONE, SuppressionReason.HARD_BOUNCE, None, "reason"),
        (SubjectKind.EMAIL, SuppressionReason.SMS_UNDELIVERABLE, None, "reason"),
        (SubjectKind.EMAIL, SuppressionReason.ERASED, None, "reason"),
        (SubjectKind.EMAIL, SuppressionReason.MANUAL, Channel.SMS, "channel"),
        (SubjectKind.PHONE, SuppressionReason.UNSUBSCRIBED, Channel.EMAIL, "channel"),
    ],
)
def test_what_does_not_go_together_is_named(
    kind: SubjectKind, reason: SuppressionReason, channel: Channel | None, misfit: str | None
) -> None:
    assert find_misfit(kind, reason, channel) == misfit


def test_bounces_close_their_own_channel_and_wishes_every_one_unless_they_name_one() -> None:
    assert decide_reach(SubjectKind.EMAIL, SuppressionReason.SOFT_BOUNCES, None) is Channel.EMAIL
    assert decide_reach(SubjectKind.PHONE, SuppressionReason.SMS_UNDELIVERABLE, None) is Channel.SMS
    assert decide_reach(SubjectKind.PHONE, SuppressionReason.MANUAL, None) is None
    assert decide_reach(SubjectKind.PHONE, SuppressionReason.MANUAL, Channel.SMS) is Channel.SMS


@pytest.mark.parametrize(
    ("reason", "source", "refusal"),
    [
        (SuppressionReason.MANUAL, SuppressionSource.MERCHANT, None),
        (SuppressionReason.UNSUBSCRIBED, SuppressionSource.IMPORT, None),
        (SuppressionReason.HARD_BOUNCE, SuppressionSource.PROVIDER_ANSWER, None),
        (SuppressionReason.SOFT_BOUNCES, SuppressionSource.PROVIDER_EVENT, None),
        (SuppressionReason.UNSUBSCRIBED, SuppressionSource.UNSUBSCRIBE, "customer_unsubscribed"),
        (SuppressionReason.UNSUBSCRIBED, SuppressionSource.SMS_STOP, "customer_unsubscribed"),
        (SuppressionReason.COMPLAINED, SuppressionSource.PROVIDER_EVENT, "customer_complained"),
        (SuppressionReason.ERASED, SuppressionSource.ERASURE, "customer_erased"),
    ],
)
def test_merchant_lifts_its_own_word_and_bounces(
    reason: SuppressionReason, source: SuppressionSource, refusal: str | None
) -> None:
    assert why_not_lifted(reason, source) == refusal
