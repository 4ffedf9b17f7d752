"""A merchant's own addresses and numbers, the only ones that test messages are sent to."""

from invite_service.domain.branding import Branding
from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.domain.merchant import MerchantId
from invite_service.rules.contacts import read_email, read_phone
from invite_service.services.suppressing import is_suppressed
from invite_service.storage.stores import Stores


async def read_own_contact(
    stores: Stores, merchant_id: MerchantId, branding: Branding, to: str, *, is_sms: bool
) -> str:
    """Read an address that must be one of the merchant's own, and one that may be written to.

    Anybody else's would make this a way to send what one likes to whom one likes.

    Raises:
        InvalidInputError: it is neither, and `/to` says which.
    """
    own = _own_numbers(branding) if is_sms else _own_addresses(branding)
    contact = (read_phone(to, None) if is_sms else read_email(to)).contact
    if contact is None or contact not in own:
        detail = "Must be an address of the branding: of SMS the support's phone, else reply-to, support or sender."
        raise InvalidInputError("The address cannot be used.", faults=[Fault("/to", "not_own_address", detail)])
    if await is_suppressed(stores, merchant_id, contact):
        detail = "Nothing is sent to this address; its suppression would have to be lifted first."
        raise InvalidInputError("The address cannot be used.", faults=[Fault("/to", "suppressed", detail)])
    return contact


def _own_addresses(branding: Branding) -> set[str | None]:
    given = (branding.reply_to, branding.support_email, branding.sender_email)
    return {read_email(address).contact for address in given if address is not None}


def _own_numbers(branding: Branding) -> set[str | None]:
    return {read_phone(branding.support_phone, None).contact} if branding.support_phone is not None else set()
