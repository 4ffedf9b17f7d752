"""Who must not be written to: how far the reasons on a customer's contacts reach (RULES.md section 3, "Channel")."""

from collections.abc import Iterable

from invite_service.domain.suppression import ADDRESS_REASONS, Suppression


class SuppressedContacts:
    """The suppressed ones among some contacts; where a contact carries several reasons the widest counts."""

    __slots__ = ("_closes_customer",)

    def __init__(self, suppressions: Iterable[Suppression] = ()) -> None:
        self._closes_customer: dict[str, bool] = {}
        for suppression in suppressions:
            self.add(suppression)

    def add(self, suppression: Suppression) -> None:
        """Take in one more reason."""
        is_wide = suppression.reason not in ADDRESS_REASONS
        self._closes_customer[suppression.contact] = is_wide or self._closes_customer.get(suppression.contact, False)

    def closes_address(self, contact: str) -> bool:
        """Say whether nothing may go to this address, for any reason."""
        return contact in self._closes_customer

    def closes_customer(self, contacts: Iterable[str]) -> bool:
        """Say whether one of the contacts carries a reason that closes every channel to the customer."""
        return any(self._closes_customer.get(contact, False) for contact in contacts)


NOTHING_SUPPRESSED = SuppressedContacts()
"""For those without any."""
