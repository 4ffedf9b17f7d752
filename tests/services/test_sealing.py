"""Seals: what opens them, what does not, and what a look at the bytes tells."""

import pytest

from invite_service.domain.channel import SealedOptions
from invite_service.services.sealing import (
    AnswerSeal,
    CredentialSeal,
    SealBrokenError,
    SealKeyMissingError,
    read_keys,
)

SECRET = "a secret of tests, long enough to be one"
OLD = {"2025": b"o" * 32}
NEW = {"2026": b"n" * 32}
OPTIONS = {"url": "smtp://shop:hunter2@mail.example.com", "kÿ": "værdi"}
PLACE = ("gift-shop", "email", "smtp")


def flipped(sealed: bytes, position: int) -> bytes:
    return sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]


def test_an_answer_opens_for_its_owner_only_and_shows_when_it_was_changed() -> None:
    seal = AnswerSeal(SECRET)
    sealed = seal.seal(b"rk_live_secret", owner="k")
    assert seal.open(sealed, owner="k") == b"rk_live_secret"
    assert b"rk_live" not in sealed
    assert seal.seal(b"rk_live_secret", owner="k") != sealed
    assert seal.open(seal.seal(b"", owner="k"), owner="k") == b""
    broken = [(flipped(sealed, position), "k") for position in range(len(sealed))]
    for changed, owner in [*broken, (sealed, "other"), (sealed[:20], "k"), (b"", "k")]:
        with pytest.raises(SealBrokenError):
            seal.open(changed, owner=owner)
    with pytest.raises(SealBrokenError):
        AnswerSeal("another secret").open(sealed, owner="k")


def test_clients_key_is_found_by_the_same_hash_as_before() -> None:
    """Keys stored by an earlier version are still known; this hash is what it stored."""
    assert AnswerSeal(SECRET).hash("order-1").hex() == (
        "5d43fa2bd1f15918dcb184ab98d7533e2f41db0897af1e525361fe579e530c47"
    )


def test_options_open_at_their_own_place_only() -> None:
    seal = CredentialSeal.create(SECRET, NEW)
    stored = seal.seal(OPTIONS, place=PLACE)
    assert stored.key_id == seal.current == "2026"
    assert seal.open(stored, place=PLACE) == OPTIONS
    for secret in (b"hunter2", b"mail.example.com", b"url"):
        assert secret not in stored.sealed
    assert "sealed" not in repr(stored)
    for place in (
        ("toy-shop", "email", "smtp"),
        ("gift-shop", "sms", "smtp"),
        ("gift-shop", "email", "ses"),
        ("gift-shope", "mail", "smtp"),
    ):
        with pytest.raises(SealBrokenError):
            seal.open(stored, place=place)
    for position in range(len(stored.sealed)):
        with pytest.raises(SealBrokenError):
            seal.open(SealedOptions("2026", flipped(stored.sealed, position)), place=PLACE)


def test_same_options_never_look_the_same() -> None:
    seal = CredentialSeal.create(SECRET, {})
    assert len({seal.seal(OPTIONS, place=PLACE).sealed for _ in range(100)}) == 100


def test_older_keys_still_open_and_a_missing_one_is_named() -> None:
    before, during, after = (CredentialSeal.create(SECRET, keys) for keys in (OLD, NEW | OLD, NEW))
    old = before.seal(OPTIONS, place=PLACE)
    assert during.current == "2026"
    assert during.open(old, place=PLACE) == OPTIONS
    with pytest.raises(SealKeyMissingError) as missing:
        after.open(old, place=PLACE)
    assert missing.value.key_id == "2025"


def test_key_derived_from_the_secret_opens_what_came_before_others_and_is_no_other_secrets() -> None:
    derived = CredentialSeal.create(SECRET, {})
    stored = derived.seal(OPTIONS, place=PLACE)
    assert stored.key_id.startswith("secret-")
    assert CredentialSeal.create(SECRET, NEW).open(stored, place=PLACE) == OPTIONS
    with pytest.raises(SealKeyMissingError):
        CredentialSeal.create("another secret of tests, long enough", NEW).open(stored, place=PLACE)


def test_wrong_key_of_the_right_name_opens_nothing() -> None:
    stored = CredentialSeal.create(SECRET, NEW).seal(OPTIONS, place=PLACE)
    with pytest.raises(SealBrokenError):
        CredentialSeal.create(SECRET, {"2026": b"w" * 32}).open(stored, place=PLACE)


def test_keys_are_read_in_their_order() -> None:
    text = "2026-11:bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4=, 2025:b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28="
    assert list(read_keys(text).items()) == [("2026-11", b"n" * 32), ("2025", b"o" * 32)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        "2026:hunter2",
        "2026:aHVudGVyMg==",
        ":bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4=",
        "hunter 2:bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4=",
        "secret-hunter2:bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4=",
        "hunter2:bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4=,hunter2:b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28=",
    ],
)
def test_keys_that_cannot_be_read_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(ids|each key)") as refusal:
        read_keys(text)
    assert "hunter" not in str(refusal.value)
