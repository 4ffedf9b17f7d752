"""Builders of what rendering takes, and the slow way to the same mail."""

from collections.abc import Sequence
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any
from uuid import UUID

from invite_service.domain.invitation import Channel, Invitation, Kind, Step
from invite_service.domain.message import Message
from invite_service.rendering.links import Links
from invite_service.rendering.message import SenderDefaults, render
from invite_service.rendering.preparing import EmailSender
from invite_service.storage.sending import ProductCard
from tests.support.builders import NOON, make_branding, make_invitation, make_merchant

ATTEMPT_ID = UUID("01956f00-0000-7000-8000-00000000a77e")

LINKS = Links(
    page="https://reviews.example.com/i/" + "A" * 48,
    unsubscribe="https://reviews.example.com/u/" + "B" * 48,
)

SENDER = SenderDefaults(email=EmailSender("invitations@reviews.example.com"), sms_sender="Reviews")

MUG = ProductCard("mug", "Blue mug", "https://gifts.example/p/mug", "https://gifts.example/i/mug.jpg")
TENT = ProductCard("tents/2#a", "Telt «Fjell»", None, None)


def make_service_invitation(**changes: Any) -> Invitation:
    return make_invitation(products=(), kind=Kind.SERVICE, steps=(Step.SERVICE,), next_step=Step.SERVICE, **changes)


def render_message(
    invitation: Invitation | None = None,
    *,
    step: Step = Step.PRODUCT_1,
    products: Sequence[ProductCard] = (MUG,),
    **changes: Any,
) -> Message:
    arguments: dict[str, Any] = {
        "merchant": make_merchant(),
        "branding": make_branding(),
        "links": LINKS,
        "attempt_id": ATTEMPT_ID,
        "sender": SENDER,
        "at": NOON,
    }
    if invitation is None:
        invitation = make_service_invitation() if step is Step.SERVICE else make_invitation()
    shown = () if step is Step.SERVICE else products
    return render(invitation, step=step, products=shown, **{**arguments, **changes})


def make_sms(**changes: Any) -> Invitation:
    return make_invitation(channel=Channel.SMS, contact="+4791234567", steps=(Step.PRODUCT_1,), **changes)


def build_slowly(message: Message) -> EmailMessage:
    """Build the mail with the standard library, from what the message says of itself."""
    built = EmailMessage(policy=SMTP.clone(max_line_length=900))
    built["Message-ID"] = message.message_id
    built["Date"] = format_datetime(NOON.astimezone(UTC))
    built["To"] = _mailbox(message.to_name, message.to_address)
    built["From"] = _mailbox(message.from_name, message.from_address)
    if message.reply_to is not None:
        built["Reply-To"] = message.reply_to
    built["Subject"] = message.subject
    assert message.html is not None
    built.set_content(message.text, cte="quoted-printable")
    built.add_alternative(message.html, subtype="html", cte="quoted-printable")
    # Last, because add_alternative moves Content- headers that stand there into the part.
    for name, value in message.headers.items():
        built[name] = value
    return built


def _mailbox(name: str | None, address: str) -> Address:
    return Address(display_name=name or "", addr_spec=address)
