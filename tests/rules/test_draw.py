from hashlib import sha256

import pytest

from invite_service.domain.invitation import Kind, Step
from invite_service.rules.draw import draw_bucket, draw_kind, draw_spread, kind_of


def test_bucket_is_of_the_first_eight_bytes_of_the_hash() -> None:
    assert sha256(b"nordic-gear:A-1001").hexdigest().startswith("e76b5fb7153db0ea")
    assert draw_bucket("nordic-gear", "A-1001") == 0xE76B5FB7153DB0EA % 10_000 == 1818


@pytest.mark.parametrize(("step", "second"), [(Step.PRODUCT_1, 4257), (Step.PRODUCT_2, 2065), (Step.SERVICE, 5938)])
def test_spread_is_drawn_by_order_and_step(step: Step, second: int) -> None:
    assert draw_spread("nordic-gear", "A-1001", step, window_seconds=7200) == second


@pytest.mark.parametrize(
    ("bucket", "percent", "kind"),
    [
        (0, 0, Kind.PRODUCT),
        (0, 1, Kind.SERVICE),
        (99, 1, Kind.SERVICE),
        (100, 1, Kind.PRODUCT),
        (1818, 18, Kind.PRODUCT),
        (1818, 19, Kind.SERVICE),
        (9999, 99, Kind.PRODUCT),
        (9999, 100, Kind.SERVICE),
    ],
)
def test_kind_is_service_for_the_buckets_below_the_percentage(bucket: int, percent: int, kind: Kind) -> None:
    assert kind_of(bucket, service_percent=percent) is kind


@pytest.mark.parametrize("percent", [0, 1, 50, 99, 100])
def test_kind_of_an_order_is_that_of_its_bucket(percent: int) -> None:
    for number in range(500):
        drawn = draw_kind("nordic-gear", f"N-{number}", service_percent=percent)
        assert drawn is kind_of(draw_bucket("nordic-gear", f"N-{number}"), service_percent=percent)


@pytest.mark.parametrize(("percent", "expected"), [(0, 0), (20, 400), (50, 1000), (100, 2000)])
def test_share_of_service_is_near_the_percentage(percent: int, expected: int) -> None:
    buckets = [draw_bucket("nordic-gear", f"N-{number}") for number in range(2000)]
    kinds = [kind_of(bucket, service_percent=percent) for bucket in buckets]
    assert abs(kinds.count(Kind.SERVICE) - expected) <= 60


def test_order_ids_of_other_letters_are_drawn_by_their_utf8() -> None:
    digest = sha256("nordic-gear:ordre/№ 7#æ".encode()).digest()
    assert draw_bucket("nordic-gear", "ordre/№ 7#æ") == int.from_bytes(digest[:8], "big") % 10_000
