"""What the values of the domain tell about themselves."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from invite_service.domain.branding import Branding
from invite_service.domain.channel import ChannelSettings, signed_by
from invite_service.domain.errors import DomainError, Fault, InvalidInputError
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct, Step
from invite_service.domain.message import Message
from invite_service.domain.order import OrderOutcome
from tests.rules.builders import (
    ACCEPTED_AT,
    EMAIL,
    PHONE,
    make_half_sent,
    make_invitation,
    make_merchant,
    make_order,
    make_products,
    make_sent,
)


def test_sandbox_has_its_own_time() -> None:
    ahead = make_merchant(sandbox=True, clock_offset=timedelta(days=15))
    assert (ahead.now(ACCEPTED_AT), make_merchant().now(ACCEPTED_AT)) == (ACCEPTED_AT + timedelta(days=15), ACCEPTED_AT)


@pytest.mark.parametrize(
    ("invitation", "has_messages_to_come", "is_open"),
    [
        (make_invitation(), True, True),
        (make_invitation(status=InvitationStatus.SENDING), True, False),
        (make_invitation(status=InvitationStatus.IN_DOUBT), True, False),
        (make_half_sent(), True, False),
        (make_sent(), False, False),
        (make_invitation(status=InvitationStatus.CANCELLED), False, False),
    ],
)
def test_invitation_is_open_while_nothing_has_left(
    invitation: Invitation, *, has_messages_to_come: bool, is_open: bool
) -> None:
    assert (invitation.has_messages_to_come, invitation.is_open) == (has_messages_to_come, is_open)


def test_products_are_those_it_asks_about_now_or_ever_did() -> None:
    products = (
        *make_products("t1"),
        InvitedProduct("taken out", ()),
        InvitedProduct("asked and taken out", (), asked=True),
    )
    invitation = make_invitation(products=products)
    assert invitation.product_ids == ("t1",)
    assert invitation.ever_asked_ids == ("t1", "asked and taken out")


@pytest.mark.parametrize(
    ("email", "phone", "contacts"),
    [(EMAIL, PHONE, (EMAIL, PHONE)), (EMAIL, None, (EMAIL,)), (None, PHONE, (PHONE,)), (None, None, ())],
)
def test_contacts_of_an_order_are_those_it_has(email: str | None, phone: str | None, contacts: tuple[str, ...]) -> None:
    assert make_order(email=email, phone=phone).contacts == contacts


@pytest.mark.parametrize("outcome", OrderOutcome)
def test_order_is_live_unless_cancelled(outcome: OrderOutcome) -> None:
    assert make_order(outcome=outcome).is_live is (outcome is not OrderOutcome.CANCELLED)


def test_error_carries_its_detail_and_every_fault() -> None:
    fault = Fault("/email", "missing", "It is missing.")
    error = InvalidInputError("The order has faults.", faults=[fault])
    assert (str(error), error.detail, error.faults) == ("The order has faults.", "The order has faults.", (fault,))
    assert error.code == "invalid_input"
    assert DomainError("Something.").faults == ()


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in DomainError.__subclasses__()]
    assert len(codes) == len(set(codes))
    assert DomainError.code not in codes


def make_message(*, raw: bytes | None) -> Message:
    return Message(
        attempt_id=UUID(int=1),
        merchant_id="nordic-gear",
        invitation_id=UUID(int=2),
        step=Step.PRODUCT_1,
        channel=Channel.EMAIL if raw else Channel.SMS,
        to_address=EMAIL,
        from_address="reviews@shop.example",
        subject="",
        text="How was it?",
        headers={"X-Name": "Kari"},
        message_id="<1@shop.example>",
        idempotency_key="1",
        raw=raw,
    )


def test_message_is_known_by_the_hash_of_what_leaves() -> None:
    digest = "a0058cbb1682a472758b6f92915ce2a307950451f72e9cf852440caebb676b0f"
    assert make_message(raw=None).content_hash() == digest
    assert make_message(raw=b"How was it?").content_hash() == digest
    assert make_message(raw=b"other").content_hash() != digest


def test_message_does_not_show_the_customer_in_its_repr() -> None:
    assert EMAIL not in repr(make_message(raw=b"kari@example.no"))
    assert "How was it?" not in repr(make_message(raw=None))


def test_senders_of_channels_come_before_the_brandings() -> None:
    branding = Branding(sender_name="Brand", sender_email="brand@x.example", reply_to="r@x.example", sms_sender="Brand")
    nothing = ChannelSettings(version=1, provider="smtp")
    assert signed_by(branding, email=nothing, sms=nothing) is branding
    email = ChannelSettings(from_address="own@x.example", reply_to="answers@x.example")
    assert signed_by(branding, email=email, sms=ChannelSettings(from_address="Own")) == replace(
        branding, sender_email="own@x.example", reply_to="answers@x.example", sms_sender="Own"
    )
    named = ChannelSettings(from_address="own@x.example", from_name="Own")
    assert signed_by(branding, email=named, sms=nothing) == replace(
        branding, sender_email="own@x.example", sender_name="Own"
    )
