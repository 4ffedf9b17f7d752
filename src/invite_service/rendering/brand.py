"""What every message and page shows of the merchant: branding and account facts, cleaned once."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from invite_service.domain.branding import Branding
from invite_service.rendering.cleaning import one_line, picture_address, web_address
from invite_service.rendering.colors import Palette, palette_of
from invite_service.rendering.headers import check_address

NAME_LIMIT = 80
"""Characters of a merchant's name that are shown."""


@dataclass(frozen=True, slots=True)
class SupportContact:
    """How a customer reaches the merchant's support."""

    href: str
    label: str
    plain: str
    """For plain text, where a label cannot be a link."""


@dataclass(frozen=True, slots=True)
class Brand:
    """The merchant as shown: clean text, safe addresses, readable colours."""

    name: str
    homepage_url: str | None
    logo_url: str | None
    support: SupportContact | None
    phone: SupportContact | None
    """The support's number, where it stands beside a page or an address."""
    palette: Palette


@lru_cache(maxsize=256)
def brand_of(name: str, homepage_url: str, branding: Branding) -> Brand:
    """Derive what is shown of a merchant from its name, its homepage and its branding."""
    return Brand(
        name=one_line(name, limit=NAME_LIMIT),
        homepage_url=web_address(branding.homepage_url or homepage_url),
        logo_url=picture_address(branding.logo_url),
        support=_support(branding) or _phone(branding),
        phone=_phone(branding) if _support(branding) is not None else None,
        palette=palette_of(branding),
    )


def _support(branding: Branding) -> SupportContact | None:
    """Prefer the support page; it can tell more than an address can."""
    page = web_address(branding.support_url)
    if page is not None:
        label = page.split("://", 1)[1].rstrip("/")
        return SupportContact(href=page, label=one_line(label, limit=60), plain=page)
    if branding.support_email is None:
        return None
    check_address(branding.support_email)
    return SupportContact(
        href=f"mailto:{quote(branding.support_email, safe='@')}",
        label=branding.support_email,
        plain=branding.support_email,
    )


def _phone(branding: Branding) -> SupportContact | None:
    shown = one_line(branding.support_phone, limit=40)
    number = re.sub(r"[^0-9+]", "", shown)
    return SupportContact(href=f"tel:{number}", label=shown, plain=shown) if number else None
