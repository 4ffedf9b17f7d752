"""Who was asked about what (RULES.md section 1, "asked"); only the purchase is compared, whatever the time is."""

from datetime import timedelta
from uuid import UUID

import pytest

from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.rules.asked import Asked, find_asked_products, find_asked_service
from tests.rules.builders import (
    FIRST_SLOT,
    INVITATION_ID,
    SECOND_SLOT,
    at,
    make_half_sent,
    make_invitation,
    make_products,
    make_sent,
    make_service_invitation,
)

OTHER_ID = UUID(int=2)
PURCHASE = at("2026-04-01 12:00")
FREE_AGAIN = SECOND_SLOT + timedelta(days=90)


def find(*invitations: Invitation, purchased_at: str = "2026-04-01 12:00", days: int = 90) -> dict[str, Asked]:
    return find_asked_products(("t1", "t2"), invitations, purchased_at=at(purchased_at), repeat_days=days).by_id


TO_COME = (InvitationStatus.SCHEDULED, InvitationStatus.SENDING, InvitationStatus.IN_DOUBT)
ENDED = (InvitationStatus.CANCELLED, InvitationStatus.FAILED, InvitationStatus.MISSED)


@pytest.mark.parametrize("status", TO_COME)
def test_products_of_messages_to_come_are_asked_whenever_bought(status: InvitationStatus) -> None:
    invitation = make_invitation(status=status)
    assert find(invitation, purchased_at="2036-01-01 00:00", days=0) == {
        "t1": Asked(to_come=INVITATION_ID),
        "t2": Asked(to_come=INVITATION_ID),
    }


@pytest.mark.parametrize("status", ENDED)
def test_ended_invitation_from_which_nothing_left_never_counts(status: InvitationStatus) -> None:
    assert find(make_invitation(status=status)) == {}


@pytest.mark.parametrize("status", [InvitationStatus.SENT, InvitationStatus.RESPONDED, InvitationStatus.ERASED])
def test_message_that_left_counts_whatever_became_of_the_invitation(status: InvitationStatus) -> None:
    assert find(make_sent(status=status)) == {"t1": Asked(until=FREE_AGAIN), "t2": Asked(until=FREE_AGAIN)}


@pytest.mark.parametrize("status", ENDED)
def test_message_that_may_have_left_counts_likewise(status: InvitationStatus) -> None:
    in_doubt_once = make_invitation(status=status, products=make_products("t1", asked=True), last_message_at=FIRST_SLOT)
    assert find(in_doubt_once) == {"t1": Asked(until=FIRST_SLOT + timedelta(days=90))}


@pytest.mark.parametrize(
    ("purchased_at", "is_asked"),
    [
        ("2020-01-01 00:00", True),
        ("2026-06-19 09:34:24", True),
        ("2026-06-19 09:34:25", False),
        ("2026-06-19 09:34:26", False),
    ],
)
def test_purchase_is_asked_until_exactly_the_period_after_the_last_message(
    purchased_at: str, *, is_asked: bool
) -> None:
    assert bool(find(make_sent(), purchased_at=purchased_at)) is is_asked


def test_period_of_no_days_leaves_purchases_before_the_message_asked() -> None:
    before, after = "2026-03-21 09:34:24", "2026-03-21 09:34:25"
    assert find(make_sent(), purchased_at=before, days=0) == dict.fromkeys(("t1", "t2"), Asked(until=SECOND_SLOT))
    assert find(make_sent(), purchased_at=after, days=0) == {}


def test_product_taken_out_before_any_message_is_free() -> None:
    assert find(make_invitation(products=make_products("t1", brought_by=()))) == {}


def test_product_taken_out_after_a_message_stays_asked() -> None:
    taken_out = make_half_sent(products=make_products("t1", brought_by=(), asked=True))
    assert find(taken_out) == {"t1": Asked(until=FIRST_SLOT + timedelta(days=90))}


def test_latest_end_counts_and_messages_to_come_beside_it() -> None:
    older = make_sent(last_message_at=FIRST_SLOT, products=make_products("t1", asked=True))
    open_one = make_invitation(id=OTHER_ID, products=make_products("t1"))
    assert find(older, make_sent(), open_one) == {
        "t1": Asked(to_come=OTHER_ID, until=FREE_AGAIN),
        "t2": Asked(until=FREE_AGAIN),
    }


def test_of_several_invitations_to_come_the_lowest_id_is_named_however_they_are_read() -> None:
    pair = (make_invitation(), make_invitation(id=OTHER_ID))
    services = (make_service_invitation(), make_service_invitation(id=OTHER_ID))
    for first, second in ((0, 1), (1, 0)):
        assert find(pair[first], pair[second])["t1"] == Asked(to_come=INVITATION_ID)
        found = find_asked_service((services[first], services[second]), purchased_at=PURCHASE, repeat_days=14)
        assert found == Asked(to_come=INVITATION_ID)


def test_products_are_told_in_the_order_they_were_asked_for() -> None:
    invitations = (make_invitation(products=make_products("t2")), make_sent(products=make_products("t1", asked=True)))
    assert list(find(*invitations)) == ["t1", "t2"]


def test_service_invitations_say_nothing_about_products() -> None:
    assert find(make_service_invitation()) == {}


def test_earliest_end_is_named_where_no_message_is_to_come() -> None:
    first = make_sent(products=make_products("t1", asked=True), last_message_at=FIRST_SLOT)
    second = make_sent(products=make_products("t2", asked=True))
    found = find_asked_products(("t1", "t2"), (second, first), purchased_at=PURCHASE, repeat_days=90)
    assert found.eligible_at == FIRST_SLOT + timedelta(days=90)
    assert found.figures() == {
        "t1": "asked; purchases are asked about again from 2026-06-14T10:10:57+00:00",
        "t2": "asked; purchases are asked about again from 2026-06-19T09:34:25+00:00",
    }


def test_product_with_messages_to_come_names_no_end() -> None:
    open_one = make_invitation(products=make_products("t1"))
    sent = make_sent(id=OTHER_ID, products=make_products("t1", asked=True))
    found = find_asked_products(("t1",), (open_one, sent), purchased_at=PURCHASE, repeat_days=90)
    assert found.eligible_at is None
    assert found.figures() == {"t1": f"messages to come in invitation {INVITATION_ID}"}


SENT_SERVICE = make_service_invitation(
    status=InvitationStatus.SENT, last_message_at=SECOND_SLOT, message_count=1, next_step=None
)

SERVICE = {
    "nothing": ((), Asked()),
    "product invitations say nothing": ((make_invitation(), make_sent()), Asked()),
    "to come": ((make_service_invitation(),), Asked(to_come=INVITATION_ID)),
    "sent": ((SENT_SERVICE,), Asked(until=SECOND_SLOT + timedelta(days=14))),
    "cancelled before": ((make_service_invitation(status=InvitationStatus.CANCELLED),), Asked()),
    "both": (
        (SENT_SERVICE, make_service_invitation(id=OTHER_ID)),
        Asked(to_come=OTHER_ID, until=SECOND_SLOT + timedelta(days=14)),
    ),
}


@pytest.mark.parametrize(("invitations", "expected"), SERVICE.values(), ids=SERVICE)
def test_service_is_asked_alike(invitations: tuple[Invitation, ...], expected: Asked) -> None:
    assert find_asked_service(invitations, purchased_at=PURCHASE, repeat_days=14) == expected
    assert bool(expected) is (expected != Asked())
