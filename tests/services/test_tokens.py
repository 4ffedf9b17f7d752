"""Tokens: what goes in comes out, and nothing else is believed."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.errors import TokenNotFoundError
from invite_service.domain.invitation import Step
from invite_service.domain.merchant import MerchantId
from invite_service.services.tokens import (
    MAC_BYTES,
    MAX_TOKEN_LENGTH,
    PAGE_LIFETIME,
    TokenClaims,
    TokenPurpose,
    TokenSigner,
)
from tests.support.builders import NOON

SIGNER = TokenSigner({1: b"secret one"}, current=1)
INVITATION_ID = UUID("01956f00-0000-7000-8000-000000000001")

MERCHANT_IDS = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?", fullmatch=True).map(MerchantId)
PURPOSES = st.sampled_from(TokenPurpose)
STEPS = st.sampled_from(Step)
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def make_token(
    *, signer: TokenSigner = SIGNER, purpose: TokenPurpose = TokenPurpose.PAGE, step: Step = Step.PRODUCT_1
) -> str:
    return signer.make(MerchantId("gift-shop"), INVITATION_ID, purpose=purpose, step=step, at=NOON)


@given(merchant_id=MERCHANT_IDS, invitation_id=st.uuids(), purpose=PURPOSES, step=STEPS, at=INSTANTS)
def test_token_says_what_it_was_made_of(
    merchant_id: MerchantId, invitation_id: UUID, purpose: TokenPurpose, step: Step, at: datetime
) -> None:
    token = SIGNER.make(merchant_id, invitation_id, purpose=purpose, step=step, at=at)
    claims = SIGNER.read(token, purpose)
    assert claims == TokenClaims(
        merchant_id=merchant_id,
        invitation_id=invitation_id,
        purpose=purpose,
        step=step,
        expires_on=claims.expires_on,
    )
    claims.check_expiry(at)
    assert len(token) <= MAX_TOKEN_LENGTH
    assert token.replace("-", "").replace("_", "").isalnum()
    # A program that makes links of text leaves out a final sign.
    assert token[-1].isalnum()


@given(merchant_id=MERCHANT_IDS, invitation_id=st.uuids(), position=st.integers(0, 8 * 52 - 1))
def test_token_with_any_bit_turned_is_refused(merchant_id: MerchantId, invitation_id: UUID, position: int) -> None:
    token = SIGNER.make(merchant_id, invitation_id, purpose=TokenPurpose.PAGE, step=Step.SERVICE, at=NOON)
    packed = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    packed[position // 8 % len(packed)] ^= 1 << position % 8
    turned = urlsafe_b64encode(bytes(packed)).rstrip(b"=").decode()
    with pytest.raises(TokenNotFoundError):
        SIGNER.read(turned, TokenPurpose.PAGE)


@given(merchant_id=MERCHANT_IDS, index=st.integers(0, 200), character=st.characters(codec=None))
def test_token_with_any_other_character_is_refused(merchant_id: MerchantId, index: int, character: str) -> None:
    token = SIGNER.make(merchant_id, INVITATION_ID, purpose=TokenPurpose.PAGE, step=Step.SERVICE, at=NOON)
    index %= len(token)
    changed = token[:index] + character + token[index + 1 :]
    if changed != token:
        with pytest.raises(TokenNotFoundError):
            SIGNER.read(changed, TokenPurpose.PAGE)


@given(st.text(st.characters(codec=None), max_size=120))
def test_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(TokenNotFoundError):
        SIGNER.read(text, TokenPurpose.PAGE)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "A",
        "=" * 8,
        make_token() + "=",
        make_token() + "A",
        make_token()[:-1],
        make_token() + "\n",
        "A" * 44,
        "A" * 10_000,
    ],
)
def test_malformed_token_is_refused(token: str) -> None:
    with pytest.raises(TokenNotFoundError):
        SIGNER.read(token, TokenPurpose.PAGE)


@pytest.mark.parametrize("purpose", TokenPurpose)
def test_token_of_another_purpose_is_refused(purpose: TokenPurpose) -> None:
    token = make_token(purpose=purpose)
    (other,) = set(TokenPurpose) - {purpose}
    with pytest.raises(TokenNotFoundError):
        SIGNER.read(token, other)


def test_token_of_another_installation_is_refused() -> None:
    with pytest.raises(TokenNotFoundError):
        TokenSigner({1: b"secret two"}, current=1).read(make_token(), TokenPurpose.PAGE)


def test_every_refusal_reads_the_same() -> None:
    refused = (make_token(purpose=TokenPurpose.UNSUBSCRIBE), "A" * 44, make_token()[:-2] + "AA")
    details = set()
    for token in refused:
        with pytest.raises(TokenNotFoundError) as caught:
            SIGNER.read(token, TokenPurpose.PAGE)
        details.add(caught.value.detail)
    with pytest.raises(TokenNotFoundError) as caught:
        SIGNER.read(make_token(), TokenPurpose.PAGE).check_expiry(NOON + timedelta(days=5000))
    assert details == {caught.value.detail}


def test_old_key_reads_and_new_one_signs_after_a_rotation() -> None:
    rotated = TokenSigner({1: b"secret one", 2: b"secret two"}, current=2)
    assert rotated.read(make_token(), TokenPurpose.PAGE) == SIGNER.read(make_token(), TokenPurpose.PAGE)
    with pytest.raises(TokenNotFoundError):
        SIGNER.read(make_token(signer=rotated), TokenPurpose.PAGE)


def test_current_key_needs_a_secret() -> None:
    with pytest.raises(ValueError, match="no secret"):
        TokenSigner({1: b"secret one"}, current=2)


@pytest.mark.parametrize("merchant_id", ["", "a" * 21])
def test_merchant_id_that_does_not_fit_is_refused(merchant_id: str) -> None:
    with pytest.raises(ValueError, match="1 to 20"):
        SIGNER.make(MerchantId(merchant_id), INVITATION_ID, purpose=TokenPurpose.PAGE, step=Step.SERVICE, at=NOON)


def test_token_is_good_through_its_last_day_and_no_longer() -> None:
    claims = SIGNER.read(make_token(), TokenPurpose.PAGE)
    claims.check_expiry(NOON + PAGE_LIFETIME)
    with pytest.raises(TokenNotFoundError):
        claims.check_expiry(NOON + PAGE_LIFETIME + timedelta(hours=12))


def test_unsubscribing_works_for_longer_than_the_page() -> None:
    page, unsubscribe = (SIGNER.read(make_token(purpose=purpose), purpose) for purpose in TokenPurpose)
    assert unsubscribe.expires_on - page.expires_on > timedelta(days=365)


def test_mac_has_at_least_96_bits() -> None:
    assert MAC_BYTES * 8 >= 96


def test_mac_is_what_the_standard_library_computes() -> None:
    packed = urlsafe_b64decode(make_token() + "=" * (-len(make_token()) % 4))
    head, mac, kind = packed[: -MAC_BYTES - 1], packed[-MAC_BYTES - 1 : -1], packed[-1:]
    key = hmac.digest(b"secret one", b"invite_service token signing", "sha256")
    assert mac == hmac.digest(key, head + kind, "sha256")[:MAC_BYTES]
