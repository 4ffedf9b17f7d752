"""Previews and test messages, on the wire."""

from dataclasses import dataclass
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
from invite_service.rendering.text_previews import PageView, framed
from invite_service.rendering.texts import LANGUAGES
from invite_service.rules.sms_segments import SmsEncoding
from invite_service.services.previews import Preview, SentTest, WantedPreview

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
    """Which text, for whom."""

    model_config = STRICT

    text: ShownName
    language: Language
    order_id: Id100 | None = None
    """A real order to show it for; else a customer is made up. Needs the scope orders:read."""
    fields: Fields | None = None
    """A text that is not saved, whole; else the saved one is shown."""
    asks_for: AsksForWord = AsksFor.DELIVERY
    """Of the text that is not saved."""

    @field_validator("fields")
    @classmethod
    def check_fields(cls, fields: Fields | None, info: ValidationInfo) -> Fields | None:
        """Check that the text has fields at all."""
        if fields and isinstance(info.data.get("text"), FixedText):
            raise PydanticCustomError("unknown_field", "This message has the catalogue's words alone.")
        return fields

    def unsaved(self) -> MerchantText | None:
        """Give the unsaved text; None where the saved one is wanted."""
        if self.fields is None or isinstance(self.text, FixedText):
            return None
        return MerchantText(name=self.text, language=self.language, fields=self.fields, asks_for=self.asks_for)


class PreviewRequest(WantedTextRequest):
    """What to show; support_alert is in the language of the merchant's support, whatever `language` says."""

    width: Annotated[int, Field(ge=NARROWEST, le=WIDEST)] | None = None
    """Pixels; `frame` then shows the HTML at this width."""
    view: Annotated[PageView, Field(strict=False)] = PageView.RATE
    """Which page, of the text `page`."""
    channel: Annotated[Channel, Field(strict=False)] | None = None
    """`sms`: a reply_notice or voucher as customers without an e-mail address get it, in the catalogue's words."""

    def to_wanted(self) -> WantedPreview:
        """Translate to the service's words."""
        return WantedPreview(
            name=self.text,
            language=self.language,
            order_id=self.order_id,
            text=self.unsaved(),
            view=self.view,
            channel=self.channel,
        )


class SendTestRequest(WantedTextRequest):
    """What to send to oneself."""

    text: Annotated[TextName, Field(strict=False)]
    to: Annotated[str, StringConstraints(max_length=320)]
    """One of the branding's addresses: reply-to, support or sender; of an SMS the support's phone."""

    def to_wanted(self) -> WantedPreview:
        """Translate to the service's words."""
        return WantedPreview(name=self.text, language=self.language, order_id=self.order_id, text=self.unsaved())


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
