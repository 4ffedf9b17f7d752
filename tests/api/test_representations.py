"""Which form of an answer a caller gets."""

import pytest

from invite_service.api.representations import choose_type

OFFERED = ("application/json", "text/csv", "image/svg+xml")


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV; charset=utf-8", "text/csv"),
        ("image/*", "image/svg+xml"),
        ("text/csv;q=0.5, image/svg+xml;q=0.9", "image/svg+xml"),
        ("*/*;q=0.1, text/csv", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
        ("text/html", "application/json"),
        ("text/csv;q=nonsense", "application/json"),
        (",;,=", "application/json"),
    ],
)
def test_the_form_that_is_liked_best_is_chosen(accepted: str | None, chosen: str) -> None:
    assert choose_type(accepted, OFFERED) == chosen
