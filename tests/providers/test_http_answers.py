"""What a status, a pause and a text mean, whichever company they come from."""

from datetime import timedelta

import pytest

from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.http_answers import Receipts, clean, read_json, read_object, read_retry_after

RECEIPTS = Receipts("post")
DATE = "Tue, 10 Nov 2026 08:00:00 GMT"


def answer(
    status: int, body: bytes = b"", *, headers: dict[str, str] | None = None, trouble: Trouble | None = None
) -> ApiAnswer:
    return ApiAnswer(status=status, headers=headers or {}, body=body, trouble=trouble)


@pytest.mark.parametrize(
    ("status", "headers", "outcome", "reason"),
    [
        (200, {}, OutcomeWord.UNKNOWN, "answer_unreadable"),
        (204, {}, OutcomeWord.UNKNOWN, "answer_unreadable"),
        (301, {}, OutcomeWord.UNKNOWN, "redirected"),
        (400, {}, OutcomeWord.REJECTED, "message_refused"),
        (401, {}, OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (402, {}, OutcomeWord.MISCONFIGURED, "payment_required"),
        (403, {}, OutcomeWord.MISCONFIGURED, "access_denied"),
        (404, {}, OutcomeWord.MISCONFIGURED, "api_not_found"),
        (405, {}, OutcomeWord.MISCONFIGURED, "api_not_found"),
        (408, {}, OutcomeWord.UNKNOWN, "status_unexpected"),
        (409, {}, OutcomeWord.UNKNOWN, "status_unexpected"),
        (413, {}, OutcomeWord.REJECTED, "message_too_large"),
        (418, {}, OutcomeWord.UNKNOWN, "status_unexpected"),
        (422, {}, OutcomeWord.REJECTED, "message_refused"),
        (429, {}, OutcomeWord.RATE_LIMITED, "rate_limited"),
        (500, {}, OutcomeWord.UNKNOWN, "server_error"),
        (502, {"retry-after": "5"}, OutcomeWord.UNKNOWN, "server_error"),
        (503, {}, OutcomeWord.UNKNOWN, "server_error"),
        (503, {"retry-after": "5"}, OutcomeWord.NOT_SENT, "service_unavailable"),
        (504, {}, OutcomeWord.UNKNOWN, "server_error"),
        (599, {}, OutcomeWord.UNKNOWN, "server_error"),
    ],
)
def test_status_that_the_company_explains(
    status: int, headers: dict[str, str], outcome: OutcomeWord, reason: str
) -> None:
    receipt = RECEIPTS.of_status(answer(status, headers=headers), said="because")

    assert receipt == Receipt(
        outcome=outcome,
        reason=reason,
        provider="post",
        raw_answer=f"{status} because",
        retry_after=timedelta(minutes=1) if outcome is OutcomeWord.RATE_LIMITED else None,
    )


@pytest.mark.parametrize("status", [400, 422])
def test_refusal_that_is_not_in_the_companys_form_leaves_the_outcome_open(status: int) -> None:
    receipt = RECEIPTS.of_status(answer(status, b"<html>secret of the network</html>"), said=None)

    assert receipt == Receipt(
        outcome=OutcomeWord.UNKNOWN, reason="answer_unreadable", provider="post", raw_answer=str(status)
    )


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (200, OutcomeWord.UNKNOWN, "dropped_after_request"),
        (400, OutcomeWord.UNKNOWN, "dropped_after_request"),
        (401, OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (429, OutcomeWord.RATE_LIMITED, "rate_limited"),
        (500, OutcomeWord.UNKNOWN, "dropped_after_request"),
    ],
)
def test_status_counts_without_its_body_only_where_it_says_all(status: int, outcome: OutcomeWord, reason: str) -> None:
    receipt = RECEIPTS.of_status(answer(status, trouble=Trouble.DROPPED_AFTER_REQUEST), said=None)

    assert (receipt.outcome, receipt.reason) == (outcome, reason)


@pytest.mark.parametrize("trouble", Trouble)
def test_trouble_after_the_first_octet_is_unknown(trouble: Trouble) -> None:
    receipt = RECEIPTS.of_trouble(trouble)

    may_have_left = {"timeout_after_request", "dropped_after_request", "answer_too_large", "answer_encoded"}
    expected = OutcomeWord.UNKNOWN if trouble.value in may_have_left else OutcomeWord.NOT_SENT
    if trouble.value in {"certificate_invalid", "address_not_allowed"}:
        expected = OutcomeWord.MISCONFIGURED
    assert receipt == Receipt(outcome=expected, reason=trouble.value, provider="post")


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"retry-after": "30"}, timedelta(seconds=30)),
        ({"retry-after": " 2.5 "}, timedelta(seconds=2.5)),
        ({"retry-after": "0"}, timedelta(seconds=1)),
        ({"retry-after": "999999999"}, timedelta(hours=1)),
        ({"retry-after": "9" * 400}, timedelta(minutes=1)),
        ({"retry-after": "-5"}, timedelta(minutes=1)),
        ({"retry-after": "soon"}, timedelta(minutes=1)),
        ({"retry-after": "Tue, 10 Nov 2026 08:05:00 GMT", "date": DATE}, timedelta(minutes=5)),
        ({"retry-after": "Tue, 10 Nov 2026 07:00:00 GMT", "date": DATE}, timedelta(seconds=1)),
        ({"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT", "date": DATE}, timedelta(hours=1)),
        ({"retry-after": "Tue, 10 Nov 2026 08:05:00 GMT"}, timedelta(minutes=1)),
        ({}, timedelta(minutes=1)),
    ],
)
def test_pause_is_what_the_company_says_within_bounds(headers: dict[str, str], pause: timedelta) -> None:
    receipt = RECEIPTS.of_status(answer(429, headers=headers), said=None)

    assert receipt.retry_after == pause


@pytest.mark.parametrize(
    "text",
    ["Tue, 99 Nov 2026 08:05:00 GMT", "\0", "Tue, 10 Nov 99999 08:05:00 GMT", "1e9", "\N{ARABIC-INDIC DIGIT ONE}"],
)
def test_pause_that_makes_no_sense_is_none(text: str) -> None:
    assert read_retry_after({"retry-after": text, "date": DATE}) is None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":NaN}'])
def test_body_that_is_not_json_is_nothing(body: bytes) -> None:
    assert read_json(answer(200, body)) is None


def test_body_that_is_no_object_is_no_object() -> None:
    assert read_object(answer(200, b"[1]")) is None
    assert read_object(answer(200, b'{"a":1}')) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("406 no kari.nordmann@example.net here", "406 no [address] here"),
        ('{"to":"Kari <kari@example.net>"}', '{"to":"Kari <[address]>"}'),
        ("to +47 900 00 000 and (0047)90000000", "to [number] and ([number]"),
        ("21211 The 'To' number +4790000000 is not valid.", "21211 The 'To' number [number] is not valid."),
        (
            "error 30007, id b7bc2f4a-e38e-4336-af7d-e6c392c2f817",
            "error 30007, id b7bc2f4a-e38e-4336-af7d-e6c392c2f817",
        ),
        ("two\r\nlines\x1b[31m", "two  lines [31m"),
    ],
)
def test_text_is_kept_without_what_is_personal(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize("text", ["x" * 10_000, "@" * 10_000, "1" * 100_000, "a@" * 5_000, " " * 3_000, "1 " * 9_000])
def test_text_of_any_length_is_cut(text: str) -> None:
    assert len(clean(text)) <= 500
