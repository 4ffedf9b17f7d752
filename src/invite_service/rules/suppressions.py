"""Who must not be written to: how far reasons reach, what may be entered, and what a merchant may take back.

RULES.md section 3, "Channel". A wildcard stands for the addresses of a domain: it is kept, and looked for, as a pattern
of its own, so that an address is matched by asking for the few patterns that can cover it and never by comparing it
with all of them.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple, Self

from invite_service.domain.invitation import Channel
from invite_service.domain.suppression import (
    ADDRESS_REASONS,
    CHANNEL_OF,
    OF_THE_MERCHANT,
    Subject,
    SubjectKind,
    Suppression,
    SuppressionReason,
    SuppressionSource,
)
from invite_service.rules.contacts import read_email, read_phone

_OF_PHONES: Final = frozenset({SuppressionReason.SMS_UNDELIVERABLE})

_CORRECTABLE: Final = ADDRESS_REASONS
"""Reasons that a merchant may take back whoever brought them: an address can be corrected, a mailbox emptied."""

_REFUSALS: Final = {
    SuppressionReason.UNSUBSCRIBED: "customer_unsubscribed",
    SuppressionReason.COMPLAINED: "customer_complained",
    SuppressionReason.ERASED: "customer_erased",
}
"""Why the customer's own word stays."""


class SuppressedContacts:
    """The suppressed ones among some contacts; where a contact carries several reasons the widest counts."""

    __slots__ = ("_closes_customer",)

    def __init__(self, suppressions: Iterable[Suppression] = ()) -> None:
        self._closes_customer: dict[str, bool] = {}
        for suppression in suppressions:
            self.add(suppression)

    @classmethod
    def closing(cls, contacts: Iterable[tuple[str, bool]]) -> Self:
        """Make those of contacts that carry a reason, each with whether it closes every channel to the customer."""
        suppressed = cls()
        for contact, closes_customer in contacts:
            suppressed._close(contact, closes_customer=closes_customer)
        return suppressed

    def add(self, suppression: Suppression) -> None:
        """Take in one more reason."""
        self._close(suppression.contact, closes_customer=suppression.closes_customer)

    def joined(self, suppressions: Iterable[Suppression]) -> "SuppressedContacts":
        """Give these and further ones together."""
        return SuppressedContacts.closing(
            [*self._closes_customer.items(), *((more.contact, more.closes_customer) for more in suppressions)]
        )

    def _close(self, contact: str, *, closes_customer: bool) -> None:
        self._closes_customer[contact] = closes_customer or self._closes_customer.get(contact, False)

    def closes_address(self, contact: str) -> bool:
        """Say whether nothing may go to this address, for any reason."""
        return contact in self._closes_customer

    def closes_customer(self, contacts: Iterable[str]) -> bool:
        """Say whether one of the contacts carries a reason that closes every channel to the customer."""
        return bool(self._closes_customer) and any(self._closes_customer.get(contact, False) for contact in contacts)

    def closes(self, address: str, contacts: Iterable[str]) -> bool:
        """Say whether nothing may go to the address, on its own account or on that of its customer's contacts."""
        return bool(self._closes_customer) and (self.closes_address(address) or self.closes_customer(contacts))


NOTHING_SUPPRESSED = SuppressedContacts()
"""For those without any."""


class ReadSubject(NamedTuple):
    """What a posted text was read as: what it stands for, or why it cannot be read."""

    subject: Subject | None
    fault: str | None


def read_subject(text: str) -> ReadSubject:
    """Read an e-mail address, a number with its country code, `*@example.com` or `*.example.com`.

    `*@example.com` stands for the addresses of that domain, `*.example.com` for those of every domain below it.
    """
    given = text.strip()
    if given.startswith(("*@", "*.")):
        domain = _read_domain(given[2:])
        if domain is None:
            return ReadSubject(None, "domain_unreadable")
        mark = "@" if given[1] == "@" else "@."
        return ReadSubject(Subject(SubjectKind.DOMAIN, f"{mark}{domain}"), None)
    is_email = "@" in given
    read = read_email(given) if is_email else read_phone(given, None)
    if read.contact is None:
        return ReadSubject(None, read.fault or "contact_missing")
    return ReadSubject(Subject(SubjectKind.EMAIL if is_email else SubjectKind.PHONE, read.contact), None)


def _read_domain(text: str) -> str | None:
    """Read a domain of at least two labels as addresses carry it: lower-cased, IDNA."""
    contact = read_email(f"a@{text}").contact
    return contact.partition("@")[2] if contact is not None else None


def patterns_covering(contact: str) -> tuple[str, ...]:
    """Name the patterns that cover a normalised contact: none a phone number, those of its domain an address."""
    domain = contact.rpartition("@")[2]
    return _patterns_of(domain) if len(domain) < len(contact) else ()


@lru_cache(maxsize=4096)
def _patterns_of(domain: str) -> tuple[str, ...]:
    labels = domain.split(".")
    # Nobody can enter a pattern of a single label: it would stand for a whole top-level domain.
    return (f"@{domain}", *(f"@.{'.'.join(labels[start:])}" for start in range(1, len(labels) - 1)))


def decide_reach(kind: SubjectKind, reason: SuppressionReason, channel: Channel | None) -> Channel | None:
    """Give the one channel that a suppression closes, None for every channel to the customer."""
    return CHANNEL_OF[kind] if reason in ADDRESS_REASONS else channel


def find_misfit(kind: SubjectKind, reason: SuppressionReason, channel: Channel | None) -> str | None:
    """Name the field that does not go with the others: `reason` or `channel`.

    An address that bounces is one of e-mail, a number that takes no SMS is a number; and the one channel that an
    entry can close is that on which its contact is written to. What is erased is not entered by hand.
    """
    if reason is SuppressionReason.ERASED or (
        reason in ADDRESS_REASONS and (kind is SubjectKind.PHONE) is not (reason in _OF_PHONES)
    ):
        return "reason"
    if channel is not None and channel is not CHANNEL_OF[kind]:
        return "channel"
    return None


def why_not_lifted(reason: SuppressionReason, source: SuppressionSource) -> str | None:
    """Say why a merchant cannot take a suppression back; None when it can.

    It can what is its own word, and what was said of an address. What a customer said stays.
    """
    if source in OF_THE_MERCHANT or reason in _CORRECTABLE:
        return None
    return _REFUSALS.get(reason, "not_the_merchants")
