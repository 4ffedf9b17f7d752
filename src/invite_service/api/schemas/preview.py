"""Previews and test messages, on the wire."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from invite_service.api.schemas.branding import WarningResponse
from invite_service.api.schemas.fields import STRICT, Answer, Id100, Money
from invite_service.api.schemas.text import AsksForWord, Fields
from invite_service.domain.invitation import Channel
from invite_service.domain.receipt import OutcomeWord
from invite_service.domain.texts import AsksFor, FixedText, MerchantText, TextName
from invite_service.rendering.text_fields import SMS_TEXTS
from invite_service.rendering.text_previews import PageView, framed
from invite_service.rendering.texts import LANGUAGES
from invite_service.rules.sms_segments import SmsEncoding
from invite_service.services.previews import BY_EITHER, Preview, SentTest, WantedPreview

NARROWEST = 240
WIDEST = 2_000


_SHOWN: Final[dict[str, TextName | FixedText]] = {name.value: name for name in (*TextName, *FixedText)}


def read_shown(value: object) -> TextName | FixedText:
    """Read the name of anything that previews show."""
    if isinstance(value, str) and value in _SHOWN:
        return _SHOWN[value]
    *others, last = map(repr, _SHOWN)
    raise PydanticCustomError("not_a_choice", f"Must be one of {', '.join(others)} or {last}.")


ShownName = Annotated[
    TextName | FixedText, PlainValidator(read_shown), WithJsonSchema({"type": "string", "enum": [*_SHOWN]})
]


def check_language(tag: str) -> str:
    """Check that there is a catalogue of the language."""
    if tag not in LANGUAGES:
        raise PydanticCustomError("not_a_choice", "Must be the tag of a language that messages are written in.")
    return tag


Language = Annotated[
    str, AfterValidator(check_language), WithJsonSchema({"type": "string", "examples": ["nb", "pt-BR"]})
]


class WantedTextRequest(BaseModel):
    """Which text, for whom; what would make no difference to it is refused."""

    model_config = STRICT

    text: ShownName
    language: Language
    """Of support_alert it is not looked at: that is in the language of the merchant's support."""
    channel: Annotated[Channel, Field(strict=False)] | None = None
    """`sms`: a reply_notice or voucher as customers without an e-mail address get it, in the catalogue's words."""
    order_id: Id100 | None = None
    """A real order to show it for; else a customer is made up. Needs the scope orders:read."""
    fields: Fields | None = None
    """A text that is not saved, whole; else the saved one is shown."""
    asks_for: AsksForWord | None = None
    """Of the text that is not saved: of product_1, which asks for delivery where this is left out."""

    @field_validator("fields")
    @classmethod
    def check_fields(cls, fields: Fields | None, info: ValidationInfo) -> Fields | None:
        """Check that the text has fields at all."""
        if fields and _has_fixed_words(info):
            raise PydanticCustomError("unknown_field", "This message has the catalogue's words alone.")
        return fields

    @field_validator("asks_for")
    @classmethod
    def check_asks_for(cls, asks_for: AsksFor | None, info: ValidationInfo) -> AsksFor | None:
        """Check that there is an unsaved text that it could be of; one with faults may be it."""
        has_none = "fields" in info.data and info.data["fields"] is None
        if asks_for is not None and (has_none or _has_fixed_words(info)):
            raise PydanticCustomError("unknown_field", "Belongs to an unsaved text: to fields, which may be {}.")
        return asks_for

    def to_wanted(self) -> WantedPreview:
        """Translate to the service's words."""
        return WantedPreview(
            name=self.text, language=self.language, order_id=self.order_id, text=self._unsaved(), channel=self.channel
        )

    def _unsaved(self) -> MerchantText | None:
        """Give the unsaved text; None where the saved one is wanted."""
        if self.fields is None or isinstance(self.text, FixedText):
            return None
        asks_for = self.asks_for or AsksFor.DELIVERY
        return MerchantText(name=self.text, language=self.language, fields=self.fields, asks_for=asks_for)


def _has_fixed_words(info: ValidationInfo) -> bool:
    text = info.data.get("text")
    return isinstance(text, FixedText) or (text in BY_EITHER and info.data.get("channel") is Channel.SMS)


class PreviewRequest(WantedTextRequest):
    """What to show."""

    width: Annotated[int, Field(ge=NARROWEST, le=WIDEST)] | None = None
    """Pixels; `frame` then shows the HTML at this width. An SMS has none."""
    view: Annotated[PageView, Field(strict=False)] | None = None
    """Which page, of the text `page`; the one with the stars where this is left out."""

    @field_validator("width")
    @classmethod
    def check_width(cls, width: int | None, info: ValidationInfo) -> int | None:
        """Check that there is something that has a width."""
        is_sms = info.data.get("text") in SMS_TEXTS or info.data.get("channel") is Channel.SMS
        if width is not None and is_sms:
            raise PydanticCustomError("unknown_field", "An SMS has no width.")
        return width

    @field_validator("view")
    @classmethod
    def check_view(cls, view: PageView | None, info: ValidationInfo) -> PageView | None:
        """Check that the text has views."""
        if view is not None and info.data.get("text", TextName.PAGE) is not TextName.PAGE:
            raise PydanticCustomError("unknown_field", "Only the text page has views.")
        return view

    def to_wanted(self) -> WantedPreview:
        """Translate to the service's words."""
        return replace(super().to_wanted(), view=self.view or PageView.RATE)


class SendTestRequest(WantedTextRequest):
    """What to send to oneself: a message, no page."""

    to: Annotated[str, StringConstraints(max_length=320)]
    """One of the branding's addresses: reply-to, support or sender; of an SMS the support's phone."""


class CostResponse(TypedDict):
    """What an SMS costs."""

    amount: Money
    currency: str


class SmsPreviewResponse(TypedDict):
    """An SMS, and what it takes."""

    text: str
    encoding: SmsEncoding
    segments: int
    cost: CostResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewResponse(Answer):
    """What a customer would get; of a page there is only HTML, of an SMS only `sms`."""

    subject: str | None
    preheader: str | None
    html: str | None
    """As it goes out, styles inlined; links lead nowhere."""
    text: str | None
    """The plain part of a mail."""
    frame: str | None
    """A page that shows the HTML at the width that was asked for; null without one."""
    sms: SmsPreviewResponse | None
    warnings: tuple[WarningResponse, ...]

    @classmethod
    def of(cls, preview: Preview, *, width: int | None) -> Self:
        """Shape a preview."""
        sms = preview.sms
        return cls(
            subject=preview.subject,
            preheader=preview.preheader,
            html=preview.html,
            text=preview.text,
            frame=framed(preview.html, width=width) if preview.html is not None and width is not None else None,
            sms=SmsPreviewResponse(
                text=sms.text,
                encoding=sms.segments.encoding,
                segments=sms.segments.count,
                cost=CostResponse(amount=sms.cost.amount, currency=sms.cost.currency),
            )
            if sms is not None
            else None,
            warnings=tuple(WarningResponse(warning.code, warning.detail) for warning in preview.warnings),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTestResponse(Answer):
    """What the provider said to a test message."""

    id: UUID
    outcome: OutcomeWord
    reason: str
    provider: str
    """Empty where none is set up."""
    subject: str | None
    sent_at: datetime

    @classmethod
    def of(cls, sent: SentTest) -> Self:
        """Shape what became of it."""
        return cls(
            id=sent.id,
            outcome=sent.receipt.outcome,
            reason=sent.receipt.reason,
            provider=sent.receipt.provider,
            subject=sent.subject or None,
            sent_at=sent.sent_at,
        )
