"""The fields of a merchant's texts: which words of the catalogue they stand for, and how long they may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from invite_service.domain.texts import AsksFor, TextName

MAX_PARAGRAPHS: Final = 10
"""Paragraphs of a body."""

MAX_BODY: Final = 3_000
"""Characters of a body as it is shown, all paragraphs together; with them a mail stays under 100 kB in any alphabet."""

SMS_TEXTS: Final = frozenset({TextName.PRODUCT_SMS, TextName.SERVICE_SMS})
PAGE_TEXTS: Final = frozenset({TextName.PAGE, TextName.NOT_RECEIVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class TextField:
    """One field of a text; limits count characters."""

    name: str
    key: str
    """What it stands for in the catalogue, `{text}` being the text's own name there."""
    source_limit: int
    """Of the template."""
    shown_limit: int
    """Of what is shown: a longer line is cut, a longer block refused."""
    is_block: bool = False
    """Several lines; a body has several paragraphs besides."""
    may_be_blank: bool = False
    """Nothing is shown where it comes out blank; of the others something must be."""


def _line(name: str, key: str = "", *, may_be_blank: bool = False) -> TextField:
    return TextField(name=name, key=key or name, source_limit=500, shown_limit=200, may_be_blank=may_be_blank)


def _label(name: str, key: str = "") -> TextField:
    return TextField(name=name, key=key or name, source_limit=200, shown_limit=60)


def _block(name: str, key: str = "", *, may_be_blank: bool = False) -> TextField:
    return TextField(
        name=name, key=key or name, source_limit=1_000, shown_limit=500, is_block=True, may_be_blank=may_be_blank
    )


GREETING: Final = _line("greeting", "greeting", may_be_blank=True)
BODY: Final = TextField(name="body", key="{text}_body", source_limit=2_000, shown_limit=MAX_BODY, is_block=True)
SMS: Final = TextField(name="text", key="{text}", source_limit=1_000, shown_limit=400, is_block=True)

_EMAIL: Final = (
    _line("subject", "{text}_subject"),
    _line("preheader", "{text}_preheader", may_be_blank=True),
    GREETING,
    _line("heading", "{text}_heading"),
    BODY,
)
_REASON: Final = _block("footer", "footer_reason", may_be_blank=True)
_CLOSING: Final = _block("closing", "honest_opinion", may_be_blank=True)
_FEEDBACK_REASON: Final = _block("footer", "footer_reason_feedback", may_be_blank=True)

FIELDS: Final[Mapping[TextName, tuple[TextField, ...]]] = {
    TextName.PRODUCT_1: (
        *_EMAIL,
        _label("button_yes", "product_1_yes"),
        _label("button_no", "product_1_no"),
        _CLOSING,
        _REASON,
    ),
    TextName.PRODUCT_2: (*_EMAIL, _CLOSING, _REASON),
    TextName.SERVICE: (*_EMAIL, _CLOSING, _REASON),
    TextName.PRODUCT_SMS: (SMS,),
    TextName.SERVICE_SMS: (SMS,),
    TextName.PAGE: (
        _line("ask_title"),
        _block("ask_lead"),
        _label("ask_yes"),
        _label("ask_no"),
        _line("rate_title"),
        _block("rate_lead"),
        _block("rate_lead_many"),
        _line("rate_service_title"),
        _block("rate_service_lead"),
        _line("rate_review_label"),
        _block("rate_review_hint"),
        _label("rate_publish"),
        _label("rate_publish_again"),
        _line("rate_missing"),
        _line("thanks_title"),
        _block("thanks_published"),
        _block("thanks_waiting"),
        _label("thanks_change"),
        _label("back_to_shop"),
        _label("page_contact"),
    ),
    TextName.NOT_RECEIVED: (
        _line("title", "not_received_title"),
        _line("greeting", "not_received_dear", may_be_blank=True),
        _block("notice", "not_received_notice"),
        _label("button_report", "not_received_report"),
        _label("button_arrived", "not_received_arrived"),
        _line("noted_title", "not_received_noted_title"),
        _block("noted", "not_received_noted"),
    ),
    TextName.REPLY_NOTICE: (*_EMAIL, _label("button", "reply_notice_button"), _FEEDBACK_REASON),
    TextName.VOUCHER: (*_EMAIL, _label("button", "voucher_button"), _FEEDBACK_REASON),
}

STAR_WORDS: Final = "product_1_stars"
"""Whose words of the catalogue stand in a product_1 that asks for stars."""


def words_of(name: TextName, asks_for: AsksFor) -> str:
    """Tell whose words of the catalogue a text has where it has none of its own."""
    return STAR_WORDS if name is TextName.PRODUCT_1 and asks_for is AsksFor.STARS else name.value
