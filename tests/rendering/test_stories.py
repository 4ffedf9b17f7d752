"""Every rule, outcome and reason that decide() can produce has a sentence in each language, which names its figures."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any
from uuid import UUID

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from invite_service.domain.decision import Reason, TraceEntry, TraceOutcome
from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.order import Order, OrderOutcome
from invite_service.rendering.stories import Story, tell_story
from invite_service.rendering.texts import STORY_LANGUAGES, story_texts_of
from invite_service.rendering.words import MAX_NAMED, Words
from invite_service.rules.decide import History, PastInvitation, decide
from invite_service.rules.orders import fold_event
from invite_service.rules.suppressions import SuppressedContacts
from tests.rules.builders import (
    FIRST_SLOT,
    SECOND_SLOT,
    at,
    make_event,
    make_half_sent,
    make_invitation,
    make_lines,
    make_merchant,
    make_order,
    make_policy,
    make_products,
    make_sent,
    make_service_invitation,
)
from tests.rules.cases import load_cases
from tests.rules.laws.player import Player, play
from tests.rules.laws.strategies import random_history

ZONE = "Europe/Oslo"

HISTORIES = 80
"""Random lives of shops; with the shared cases they come to every rule, outcome and reason."""

PASSING = {
    "cancel_status",
    "decided_before",
    "trigger_status",
    "order_age",
    "contact",
    "consent",
    "channel",
    "same_day",
    "repeat_customer",
    "kind",
    "service_repeat",
    "products",
    "exclusions",
    "product_repeat",
}

DECIDING = {
    ("cancel_status", "cancelled"),
    ("trigger_status", "on_hold"),
    ("trigger_status", "status_not_triggering"),
    ("order_age", "order_too_old"),
    ("contact", "no_contact"),
    ("consent", "no_consent"),
    ("channel", "suppressed"),
    ("same_day", "merged"),
    ("repeat_customer", "repeat_customer_block"),
    ("service_repeat", "service_asked_recently"),
    ("products", "no_products"),
    ("exclusions", "products_excluded"),
    ("product_repeat", "products_asked_recently"),
    ("invite", "invited"),
}

UNTOLD = {("channel", "closed")}
"""Figures that are always the same; their sentence says it in its own words."""

OTHER_FIGURES: dict[str, list[Any]] = {
    "status": ["elsewhere", None],
    "outcome": ["waiting", "cancelled", None],
    "email_fault": ["email_unreadable", "email_odd"],
    "phone_fault": ["phone_unreadable", "phone_needs_country", "phone_not_mobile"],
    "consent": [True, False, None],
    "required": ["required", "not_required"],
    "channel": ["email", "sms"],
    "kind": ["product", "service"],
    "language": ["sv", "pt-BR"],
    "time_zone": ["Asia/Tokyo"],
    "day": ["2030-01-01"],
    "steps": [["product_1", "product_2"], ["product_1"], ["product_2"], ["service"]],
    "excluded": [["p77"], ["p78", "p79"]],
    "dropped": [
        {"p77": "messages to come in invitation 77"},
        {"p77": "asked; purchases are asked about again from 2030-01-01T09:00:00+00:00"},
        {"p78": "asked; purchases are asked about again from 2030-02-01T09:00:00+00:00"},
    ],
}
"""What figures of these names are exchanged for; numbers, instants and ids need no list."""


@cache
def decided_orders() -> tuple[tuple[Order, Invitation | None], ...]:
    return (*_shared_cases(), *_written_out(), *_lived())


def _shared_cases() -> Iterator[tuple[Order, Invitation | None]]:
    for case in load_cases():
        order = fold_event(None, case.event, accepted_at=case.now)
        history = History(
            orders=case.orders,
            invitations=[
                PastInvitation(one, [datetime.fromisoformat(f"{name[-10:]}T12:00+00:00") for name in one.order_ids])
                for one in case.invitations
            ],
            suppressed=SuppressedContacts(case.suppressions),
        )
        decision = decide(order, policy=case.policy, history=history, merchant=case.merchant, now=case.now)
        yield _decided(order, decision.outcome, decision.reason, decision.trace), None


def _written_out() -> Iterator[tuple[Order, Invitation | None]]:
    """Decide what neither the shared cases nor the random lives come to."""
    events = (
        make_event(status=None),
        make_event(email="kari@", phone="22 22 22 22", country="NO"),
        make_event(email="kari@", phone="91234567"),
        make_event(lines=()),
        make_event(lines=make_lines("t1", returned=True)),
        make_event(consent=False),
    )
    for event in events:
        for policy in (make_policy(), make_policy(max_order_age_days=0), make_policy(block_days=3)):
            order = fold_event(None, event, accepted_at=at("2026-03-02 13:30"))
            decision = decide(
                order, policy=policy, history=History(), merchant=make_merchant(), now=at("2026-03-02 13:30")
            )
            yield _decided(order, decision.outcome, decision.reason, decision.trace), None


def _lived() -> Iterator[tuple[Order, Invitation | None]]:
    for seed in range(HISTORIES):
        plan = random_history(random.Random(seed), max_steps=24)
        player = Player(make_merchant(time_zone=plan.zone), plan.settings)
        states: dict[tuple[Any, ...], tuple[Order, Invitation | None]] = {}

        def note(player: Player = player, states: dict[tuple[Any, ...], Any] = states) -> None:
            for order in player.shop.orders.values():
                invitation = player.shop.invitations.get(order.invitation_id) if order.invitation_id else None
                states[order.order_id, order.version, invitation and invitation.status] = (order, invitation)

        play(plan, player, check=note)
        yield from states.values()


def _decided(order: Order, outcome: OrderOutcome, reason: Reason | None, trace: tuple[TraceEntry, ...]) -> Order:
    return replace(order, outcome=outcome, reason=reason, trace=trace)


def entries() -> dict[tuple[Any, ...], TraceEntry]:
    """One entry of every rule, outcome, reason and set of figures that came about."""
    found: dict[tuple[Any, ...], TraceEntry] = {}
    for order, _ in decided_orders():
        for entry in order.trace:
            dropped = bool(entry.data.get("dropped"))
            found[entry.rule, entry.outcome, entry.reason, tuple(sorted(entry.data)), dropped] = entry
    return found


def tell(entry: TraceEntry, language: str) -> str:
    [sentence] = tell_story(make_order(lines=(), trace=(entry,)), None, language=language, zone=ZONE).sentences
    return sentence


def others(name: str, figure: Any) -> list[Any]:
    """Other figures of that name."""
    if name in OTHER_FIGURES:
        return [other for other in OTHER_FIGURES[name] if other != figure]
    if isinstance(figure, bool):
        return [not figure]
    if isinstance(figure, int):
        return [figure + 1, figure + 7]
    if name == "invitation_id":
        return [str(UUID(int=77))]
    return [(datetime.fromisoformat(figure) + timedelta(days=40)).isoformat()]


def test_every_rule_outcome_and_reason_came_about() -> None:
    found = {(entry.rule, entry.outcome, entry.reason) for entry in entries().values()}
    assert found == {(rule, TraceOutcome.PASSED, None) for rule in PASSING} | {
        (rule, TraceOutcome.DECIDED, reason) for rule, reason in DECIDING
    }
    assert {reason for _, reason in DECIDING} == set(Reason) | {"invited", "merged", "cancelled"}


@pytest.mark.parametrize("language", STORY_LANGUAGES)
def test_every_entry_has_a_sentence_of_its_own(language: str) -> None:
    untold = {story_texts_of(language)(key, rule="", reason="")[:10] for key in ("untold_passed", "untold_decided")}
    for entry in entries().values():
        sentence = tell(entry, language)
        assert sentence[:10] not in untold, entry
        assert sentence.endswith("."), sentence
        assert "{" not in sentence, sentence
        assert "None" not in sentence, sentence


@pytest.mark.parametrize("language", STORY_LANGUAGES)
def test_every_figure_of_the_trace_is_in_its_sentence(language: str) -> None:
    unnamed = set()
    for entry in entries().values():
        for name, figure in entry.data.items():
            if (entry.rule, name) in UNTOLD:
                continue
            sentence = tell(entry, language)
            exchanged = [
                tell(entry._replace(data={**entry.data, name: other}), language) for other in others(name, figure)
            ]
            assert exchanged, (entry, name)
            if sentence in exchanged or len(set(exchanged)) < len(exchanged):
                unnamed.add((entry.rule, name))
    assert unnamed == set()


@pytest.mark.parametrize("language", STORY_LANGUAGES)
def test_every_order_is_summed_up_in_one_sentence(language: str) -> None:
    untold = story_texts_of(language)("summary_untold", reason="")
    for order, invitation in decided_orders():
        if invitation is None and order.outcome in {OrderOutcome.INVITED, OrderOutcome.MERGED}:
            continue
        summary = tell_story(order, invitation, language=language, zone=ZONE).summary
        assert summary.endswith("."), summary
        assert untold not in summary, (order, summary)
        assert "{" not in summary, summary
        assert "None" not in summary, summary


def test_the_languages_tell_every_entry_differently() -> None:
    for entry in entries().values():
        assert len({tell(entry, language) for language in STORY_LANGUAGES}) == len(STORY_LANGUAGES), entry


def story_of(order: Order, invitation: Invitation | None = None, *, language: str = "en") -> Story:
    return tell_story(order, invitation, language=language, zone=ZONE)


def asked_recently(**dropped: str) -> Order:
    """Make an order whose products were asked about, each until an instant."""
    figures = {
        product: f"asked; purchases are asked about again from {until}" if "T" in until else until
        for product, until in dropped.items()
    }
    data: dict[str, Any] = {
        "purchased_at": "2026-03-20T09:00:00+00:00",
        "product_repeat_days": 90,
        "dropped": figures,
        "eligible_at": min(dropped.values()),
    }
    reason = Reason.PRODUCTS_ASKED_RECENTLY
    entry = TraceEntry("product_repeat", TraceOutcome.DECIDED, reason, data)
    return make_order(outcome=OrderOutcome.BLOCKED, reason=reason, invitation_id=None, trace=(entry,))


def test_a_summary_names_when_the_customer_was_asked_and_from_when_on_purchases_count_again() -> None:
    until = "2026-06-01T08:05:00+00:00"
    order = asked_recently(t1=until, t2=until)
    assert story_of(order).summary == (
        "Not asked: the customer was asked about both products on 3 March 2026; "
        "purchases from 1 June 2026 at 10:05 on are asked about again."
    )
    assert story_of(order, language="nb").summary == (
        "Ikke spurt: kunden ble spurt om begge varene 3. mars 2026; "
        "det blir spurt igjen om kjøp fra og med 1. juni 2026 kl. 10:05."
    )


def test_when_purchases_count_again_is_told_once_where_it_holds_for_every_product() -> None:
    order = asked_recently(t1="2026-06-01T08:05:00+00:00", t2="2026-06-01T08:05:00+00:00")
    assert story_of(order).sentences[-1] == (
        "Everything that was bought is asked about already: “t1” and “t2”. This was bought on 20 March 2026 at 10:00, "
        "and after each message there is a pause of 90 days. Purchases from 1 June 2026 at 10:05 on are asked about "
        "again."
    )
    order = asked_recently(t1="2026-06-01T08:05:00+00:00", t2="2026-06-03T08:05:00+00:00")
    assert story_of(order).sentences[-1] == (
        "Everything that was bought is asked about already: “t1” (asked; purchases from 1 June 2026 at 10:05 on are "
        "asked about again) and “t2” (asked; purchases from 3 June 2026 at 10:05 on are asked about again). This was "
        "bought on 20 March 2026 at 10:00, and after each message there is a pause of 90 days. Purchases from 1 June "
        "2026 at 10:05 on are asked about again."
    )


def test_a_summary_names_no_day_where_products_were_asked_about_on_several() -> None:
    order = asked_recently(t1="2026-06-01T08:05:00+00:00", t2="2026-06-03T08:05:00+00:00")
    assert story_of(order).summary == (
        "Not asked: the customer is already asked about both products; "
        "purchases from 1 June 2026 at 10:05 on are asked about again."
    )


@pytest.mark.parametrize(
    ("lines", "why"), [(0, "the order has no products"), (2, "everything that was bought was returned")]
)
def test_a_summary_tells_returned_products_from_none(lines: int, why: str) -> None:
    entry = TraceEntry("products", TraceOutcome.DECIDED, Reason.NO_PRODUCTS, {"lines": lines, "products": 0})
    order = make_order(outcome=OrderOutcome.BLOCKED, reason=Reason.NO_PRODUCTS, invitation_id=None, trace=(entry,))
    assert story_of(order).summary == f"Not asked: {why}."


ASKED = "the customer was asked about both products by e-mail on 16 March 2026 at 11:10"

STATES = {
    "scheduled": (
        make_invitation(),
        "the customer will be asked about both products by e-mail on 16 March 2026 at 11:10",
    ),
    "of the shop": (
        make_service_invitation(),
        "the customer will be asked about the shop by e-mail on 16 March 2026 at 11:10",
    ),
    "held": (
        make_invitation(held_at=at("2026-03-05 12:00")),
        "the message about both products waits, as an order has been on hold since 5 March 2026 at 13:00",
    ),
    "half-sent": (
        make_half_sent(),
        f"{ASKED}, and a second message goes on 21 March 2026 at 10:34",
    ),
    "half-sent and held": (
        make_half_sent(held_at=at("2026-03-17 12:00")),
        f"{ASKED}, and the second message waits, as an order has been on hold since 17 March 2026 at 13:00",
    ),
    "sending": (
        make_invitation(status=InvitationStatus.SENDING, products=make_products("t1")),
        "a message about the product is being sent by e-mail",
    ),
    "in doubt": (
        make_invitation(status=InvitationStatus.IN_DOUBT, products=make_products("t1", "t2", "t3")),
        "nobody knows whether the message about 3 products by e-mail has left",
    ),
    "sent": (make_sent(), "the customer was asked about both products by e-mail on 21 March 2026 at 10:34"),
    "sent and ended": (
        make_sent(ended_reason="order_cancelled", last_sent_at=FIRST_SLOT),
        f"{ASKED}, and nothing more is sent: what was bought was cancelled or returned",
    ),
    "responded": (make_sent(status=InvitationStatus.RESPONDED), "the customer has answered"),
    "cancelled": (
        make_invitation(status=InvitationStatus.CANCELLED, ended_reason="cancelled_by_merchant"),
        "the invitation was cancelled before anything was sent: the shop cancelled it",
    ),
    "missed": (
        make_invitation(status=InvitationStatus.MISSED, ended_reason="missed"),
        "the message was not sent, as it could not leave in time",
    ),
    "failed": (
        make_invitation(status=InvitationStatus.FAILED, ended_reason="mailbox_unknown"),
        "the message could not be sent: the reason is “mailbox_unknown”",
    ),
    "erased": (make_invitation(status=InvitationStatus.ERASED), "the customer's data were erased"),
}


@pytest.mark.parametrize("state", STATES)
def test_a_summary_tells_how_the_invitation_stands(state: str) -> None:
    invitation, clause = STATES[state]
    assert story_of(make_order(), invitation).summary == f"Invited: {clause}."


def test_every_state_of_an_invitation_is_told() -> None:
    assert {invitation.status for invitation, _ in STATES.values()} == set(InvitationStatus)


def test_a_merged_order_names_the_order_whose_invitation_it_joined() -> None:
    order = make_order("A-1002", outcome=OrderOutcome.MERGED)
    assert story_of(order, make_invitation(), language="nb").summary == (
        "Slått sammen med invitasjonen til ordre «A-1001»: "
        "kunden blir spurt om begge varene på e-post 16. mars 2026 kl. 11:10."
    )


def test_a_cancelled_order_names_a_message_that_had_left() -> None:
    entry = TraceEntry("cancel_status", TraceOutcome.DECIDED, "cancelled", {"status": "refunded"})
    order = make_order(outcome=OrderOutcome.CANCELLED, trace=(entry,))
    assert story_of(order, make_invitation()).summary == "Cancelled: the shop reported the status “refunded”."
    assert story_of(order, make_sent(last_sent_at=SECOND_SLOT)).summary == (
        "Cancelled: the shop reported the status “refunded”; the first message left on 16 March 2026 at 11:10."
    )


def test_products_are_named_as_the_order_names_them() -> None:
    entry = TraceEntry("exclusions", TraceOutcome.PASSED, None, {"excluded": ["t1", "t2"]})
    order = make_order(lines=(*make_lines("t1", name="Tent {0}"), *make_lines("t2")), trace=(entry,))
    assert story_of(order).sentences == ("The shop excludes “Tent {0}” (t1) and “t2”.",)


def test_a_long_list_is_named_in_part_and_counted() -> None:
    entry = TraceEntry("exclusions", TraceOutcome.PASSED, None, {"excluded": [f"p{n}" for n in range(MAX_NAMED + 2)]})
    [sentence] = story_of(make_order(trace=(entry,)), language="nb").sentences
    assert sentence.endswith("«p9» og 2 til.")


def test_a_rule_or_a_figure_of_another_version_is_told_by_its_codes() -> None:
    trace = (
        TraceEntry("moon", TraceOutcome.PASSED, None, {"phase": "full"}),
        TraceEntry("order_age", TraceOutcome.DECIDED, "order_too_old", {}),
    )
    order = make_order(outcome=OrderOutcome.BLOCKED, reason=Reason.ORDER_TOO_OLD, trace=trace)
    assert story_of(order) == Story(
        language="en",
        summary="Not asked: the reason is “order_too_old”.",
        sentences=("The rule moon let the order pass.", "The rule order_age decided: order_too_old."),
    )


@pytest.mark.parametrize(("language", "written"), [("en", "3,650 days"), ("nb", "3\N{NO-BREAK SPACE}650 dager")])
def test_numbers_have_the_separators_of_the_language(language: str, written: str) -> None:
    words = Words(story_texts_of(language), zone=ZONE)
    assert words.days(3650) == written
    assert words.days(1) in {"1 day", "1 dag"}


def read_catalogue(language: str) -> Catalog:
    with (files("invite_service.rendering") / "catalogues" / f"story_{language}.po").open("rb") as source:
        return read_po(source, locale=language, abort_invalid=True)


def forms(language: str) -> dict[str, list[str]]:
    return {
        str(message.id[0] if isinstance(message.id, tuple) else message.id): [
            str(form) for form in (message.string if isinstance(message.string, tuple) else [message.string])
        ]
        for message in read_catalogue(language)
        if message.id
    }


def test_catalogues_have_the_same_texts_with_the_same_placeholders() -> None:
    english, norwegian = (
        {
            key: {name for form in texts for _, name, _, _ in Formatter().parse(form) if name}
            for key, texts in forms(language).items()
        }
        for language in STORY_LANGUAGES
    )
    assert english == norwegian
    texts = [text for language in STORY_LANGUAGES for told in forms(language).values() for text in told]
    assert all(text.strip() == text != "" for text in texts)
