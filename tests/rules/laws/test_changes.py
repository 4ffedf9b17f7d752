"""Laws of what is done to one invitation: twice is once, and times only grow."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Invitation
from invite_service.domain.policy import WEEKDAYS, Policy
from invite_service.rules import actions
from invite_service.rules.contacts import normalise_contact, read_email, read_phone
from invite_service.rules.languages import read_language
from invite_service.rules.sending import MAX_TRIES, GiveUp, decide_rate_limit, decide_retry
from invite_service.rules.states import record_retry, report_not_received
from tests.rules.builders import FIRST_SLOT, make_half_sent, make_invitation, make_merchant, make_policy
from tests.rules.laws.strategies import MERCHANT_ZONES, law

MERCHANT = make_merchant()

invitations = st.builds(
    lambda make, zone, held: make(time_zone=zone, held_at=held),
    st.sampled_from((make_invitation, make_half_sent)),
    st.sampled_from(MERCHANT_ZONES),
    st.sampled_from((None, FIRST_SLOT)),
)
times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
policies = st.builds(
    lambda window, days, wait: make_policy(
        send_window_start=window[0], send_window_end=window[1], send_days=tuple(days), not_received_wait_days=wait
    ),
    st.tuples(times, times).filter(lambda pair: pair[0] != pair[1]).map(sorted),
    st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    st.integers(1, 90),
)
instants = st.datetimes(datetime(2026, 3, 16, 12), datetime(2026, 6, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone
days = st.dates(date(2026, 3, 1), date(2026, 7, 1))


def reschedule(invitation: Invitation, day: date, policy: Policy, now: datetime) -> Invitation | None:
    try:
        return actions.reschedule(invitation, day, policy=policy, merchant=MERCHANT, now=now)
    except ActionRefusedError:
        return None


@law(max_examples=200)
@given(invitations, policies, days, instants, st.integers(0, 24 * 60))
def test_rescheduling_twice_equals_once(
    invitation: Invitation, policy: Policy, day: date, now: datetime, minutes: int
) -> None:
    once = reschedule(invitation, day, policy, now)
    if once is not None:
        assert once.send_at >= now
        assert reschedule(once, day, policy, now) == once
        later = now + timedelta(minutes=minutes)
        if once.send_at == now or later < once.send_at:
            assert reschedule(once, day, policy, later) in {once, None}


@law(max_examples=100)
@given(invitations, policies, days, days, instants)
def test_last_reschedule_decides(
    invitation: Invitation, policy: Policy, first: date, last: date, now: datetime
) -> None:
    moved = reschedule(invitation, first, policy, now)
    again = reschedule(moved, last, policy, now) if moved is not None else None
    if again is not None:
        assert again == reschedule(invitation, last, policy, now)


@law(max_examples=200)
@given(invitations, policies, instants, st.lists(st.integers(0, 60), max_size=4))
def test_not_received_twice_on_a_day_is_once_and_later_only(
    invitation: Invitation, policy: Policy, now: datetime, waits: list[int]
) -> None:
    reported = invitation
    for hours in (0, *waits):
        now += timedelta(hours=hours)
        before = reported
        reported = _report(before, policy, now)
        assert _report(reported, policy, now) == reported
        assert reported.send_at >= before.send_at


def _report(invitation: Invitation, policy: Policy, now: datetime) -> Invitation:
    return report_not_received(invitation, policy=policy, plan=policy, merchant=MERCHANT, now=now)


@law(max_examples=100)
@given(invitations, policies, instants, st.lists(st.booleans(), max_size=30))
def test_retry_times_only_grow_and_tries_end(
    invitation: Invitation, policy: Policy, now: datetime, limited: list[bool]
) -> None:
    running = replace(invitation, held_at=None)
    instants_of_tries, tries = [now], 1
    for is_limited in (*limited, *[False] * MAX_TRIES):
        latest = instants_of_tries[-1]
        if is_limited:
            decided: Any = decide_rate_limit(running, plan=policy, retry_after=None, now=latest)
        else:
            decided = decide_retry(running, plan=policy, now=latest)
            if isinstance(decided, GiveUp):
                break
            tries += 1
        instants_of_tries.append(decided.at)
        running = record_retry(running, at=decided.at, tries=decided.tries)
    assert tries == MAX_TRIES
    assert all(earlier < later for earlier, later in pairwise(instants_of_tries))


@law(max_examples=300)
@given(st.one_of(st.emails(), st.text(max_size=30), st.from_regex(r"[\w.+]{1,8}@[\w-]{1,8}\.[a-zæøå]{2,3}")))
def test_reading_an_address_that_was_read_changes_nothing(text: str) -> None:
    read = read_email(text)
    assert read.contact is None or read_email(read.contact) == read
    assert (read.contact is None) or (read.fault is None)


@law(max_examples=150)
@given(st.from_regex(r"\+?[0-9 ()-]{3,16}"), st.sampled_from(("NO", "GB", "US", "BR", None)))
def test_reading_a_number_that_was_read_changes_nothing(text: str, country: str | None) -> None:
    read = read_phone(text, country)
    assert read.contact is None or read_phone(read.contact, None) == read
    assert read.contact is None or normalise_contact(read.contact) == read.contact


@law(max_examples=150)
@given(st.text(max_size=12))
def test_any_text_is_a_supported_language_or_none(tag: str) -> None:
    language = read_language(tag)
    assert language is None or read_language(language) == language
