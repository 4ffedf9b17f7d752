from dataclasses import replace
from email import message_from_bytes
from email.policy import default

import pytest

from invite_service.rendering.text_previews import marked_as_test, preheader_of
from tests.rendering.messages import make_sms, render_message
from tests.support.builders import make_merchant


@pytest.mark.parametrize("name", ["The Gift Shop", "Gaver & Sånt"])
def test_mark_stands_before_the_subject_in_every_place(name: str) -> None:
    plain = render_message(merchant=make_merchant(name=name))
    message = marked_as_test(plain)
    assert message.raw is not None
    parsed = message_from_bytes(message.raw, policy=default)
    assert parsed["Subject"] == message.subject == f"[Test] {plain.subject}"
    assert len(parsed.keys()) == len(message_from_bytes(plain.raw or b"", policy=default).keys())


def test_sms_is_marked_in_its_text() -> None:
    plain = render_message(make_sms())
    assert marked_as_test(plain) == replace(plain, text=f"[Test] {plain.text}")


def test_preheader_is_read_as_it_is_shown() -> None:
    assert preheader_of('<div class="preheader" style="x">Ja &amp; nei</div>') == "Ja & nei"
    assert preheader_of("<p>none</p>") == ""
