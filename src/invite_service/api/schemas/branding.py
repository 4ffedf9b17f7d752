"""How messages and pages look, on the wire."""

import re
from dataclasses import dataclass
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from invite_service.api.schemas.fields import STRICT, Answer, EmailText, SecureAddress, Text100, WebAddress
from invite_service.domain.branding import Branding
from invite_service.rules.contacts import read_email
from invite_service.rules.sites import origin_of
from invite_service.rules.sms_senders import kind_of_sender


def check_email(address: str) -> str:
    """Check that an e-mail address can be read; it is kept as it was written."""
    if read_email(address).contact is None:
        raise PydanticCustomError("invalid_format", "Must be an e-mail address.")
    return address.strip()


def check_header_text(text: str) -> str:
    """Check that a name can stand in a header of a message."""
    if not text.isprintable() or not text.strip():
        raise PydanticCustomError("invalid_format", "Must hold printable characters only, and not be blank.")
    return text.strip()


def check_phone(text: str) -> str:
    """Check that a telephone number can be dialled; it is kept as it was written."""
    if not _PHONE.fullmatch(text.strip()):
        raise PydanticCustomError("invalid_format", "Must be a telephone number such as +47 22 00 00 00.")
    return text.strip()


def check_origin(text: str) -> str:
    """Check that a text is the origin of a site, and nothing beside it; gives it back as browsers write it."""
    origin = origin_of(text)
    if origin is None or urlsplit(text.strip())._replace(scheme="", netloc="").geturl().strip("/") or "@" in text:
        raise PydanticCustomError("invalid_format", "Must be an origin such as https://www.shop.example.")
    return origin


MAX_SITES: Final = 50
"""Of one merchant."""

_PHONE: Final = re.compile(r"\+?[0-9](?:[ ()/.-]{0,2}[0-9]){2,19}", re.ASCII)


def check_sms_sender(sender: str) -> str:
    """Check that networks know such a sender: digits alone are a short code."""
    if kind_of_sender(sender) is None:
        raise PydanticCustomError("invalid_format", "Digits alone must be 3 to 8, a short code.")
    return sender


Color = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
SenderName = Annotated[Text100, AfterValidator(check_header_text)]
Email = Annotated[
    EmailText, AfterValidator(check_email), WithJsonSchema({"type": "string", "format": "email", "maxLength": 320})
]
Phone = Annotated[str, StringConstraints(max_length=40), AfterValidator(check_phone)]
Origin = Annotated[
    str,
    StringConstraints(max_length=300),
    AfterValidator(check_origin),
    WithJsonSchema({"type": "string", "format": "uri", "maxLength": 300, "examples": ["https://www.shop.example"]}),
]
SmsSender = Annotated[
    str, StringConstraints(pattern=r"^(?:[A-Za-z0-9]{1,11}|\+[1-9][0-9]{6,14})$"), AfterValidator(check_sms_sender)
]
"""At most 11 letters and digits, an E.164 number, or a short code of 3 to 8 digits."""


class BrandingRequest(BaseModel):
    """The whole branding: what is left out, or null, goes back to its default."""

    model_config = STRICT

    logo_url: SecureAddress | None = None
    primary_color: Color | None = None
    """Buttons and links."""
    text_color: Color | None = None
    background_color: Color | None = None
    sender_name: SenderName | None = None
    """Who e-mails are from; default: the merchant's name."""
    sender_email: Email | None = None
    """Default: the installation's sender address."""
    reply_to: Email | None = None
    homepage_url: WebAddress | None = None
    """Where links to the shop lead; default: the merchant's homepage."""
    sites: Annotated[list[Origin], Field(max_length=MAX_SITES)] | None = None
    """Origins, such as https://www.shop.example, of pages that may call by a customer's token; default: the
    homepage's."""
    support_email: Email | None = None
    """Where customers turn who have not received their order."""
    support_phone: Phone | None = None
    """As it is shown to customers."""
    support_url: SecureAddress | None = None
    sms_sender: SmsSender | None = None
    sms_transliterate: bool | None = None
    """Write SMS without the letters that make them cost double (ő as o, ш as sh); default: no."""

    def to_branding(self) -> Branding:
        """Translate to the domain."""
        given = {name: value for name, value in self if value is not None}
        if self.sites is not None:
            given["sites"] = tuple(dict.fromkeys(self.sites))
        return Branding(**given)


@dataclass(frozen=True, slots=True)
class WarningResponse(Answer):
    """Something that was saved and will not look as it was meant to."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandingResponse(Answer):
    """The branding in force, defaults filled in."""

    version: int
    """0 while nobody has set one; the ETag is this number."""
    logo_url: str | None
    primary_color: str
    text_color: str
    background_color: str
    sender_name: str | None
    sender_email: str | None
    reply_to: str | None
    homepage_url: str | None
    sites: tuple[str, ...] | None
    support_email: str | None
    support_phone: str | None
    support_url: str | None
    sms_sender: str | None
    sms_transliterate: bool
    warnings: tuple[WarningResponse, ...]

    @classmethod
    def of(cls, branding: Branding, warnings: tuple[WarningResponse, ...]) -> Self:
        """Shape a branding of the domain."""
        return cls(
            version=branding.version,
            logo_url=branding.logo_url,
            primary_color=branding.primary_color,
            text_color=branding.text_color,
            background_color=branding.background_color,
            sender_name=branding.sender_name,
            sender_email=branding.sender_email,
            reply_to=branding.reply_to,
            homepage_url=branding.homepage_url,
            sites=branding.sites,
            support_email=branding.support_email,
            support_phone=branding.support_phone,
            support_url=branding.support_url,
            sms_sender=branding.sms_sender,
            sms_transliterate=branding.sms_transliterate,
            warnings=warnings,
        )
