"""Preparing an e-mail: the templates rendered, the CSS inlined, everything encoded that is the same for all customers.

Done once per text version; `rendering.email` fills in the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Step
from invite_service.domain.merchant import MerchantId
from invite_service.domain.message import Notice
from invite_service.rendering.brand import Brand, brand_of
from invite_service.rendering.cleaning import one_line
from invite_service.rendering.environment import environment
from invite_service.rendering.headers import check_address, encode_mailbox, encode_text, header_line
from invite_service.rendering.own_emails import Layout, OwnParts, email_words, layout_of, prepare_own, variables_of
from invite_service.rendering.own_texts import OwnText
from invite_service.rendering.skeleton import Gaps, Template, cut
from invite_service.rendering.texts import Texts, texts_of

CUSTOMER_NAME_LIMIT = 80

BOUNDARY = "=_invite_service_parts"
"""`=_` cannot occur in quoted-printable, so that no body can contain the boundary (RFC 2045 section 6.7)."""


class EmailSender(NamedTuple):
    """Whom mails are from where the merchant says nothing of it; without a name the merchant's own is shown."""

    address: str
    name: str | None = None


class TextVersion(NamedTuple):
    """What a prepared mail depends on; a change of any of it prepares anew."""

    merchant_id: MerchantId
    merchant_name: str
    homepage_url: str
    branding: Branding
    step: Step | Notice
    language: str
    sender: EmailSender
    own: OwnText | None = None
    """What the merchant wrote of it, if anything."""


@dataclass(frozen=True, eq=False, slots=True)
class PreparedEmail:
    """Everything of one merchant's message, step and language that no customer changes."""

    merchant_id: MerchantId
    texts: Texts
    from_address: str
    from_name: str
    reply_to: str | None
    subject: str
    domain: str
    """Of the sender; Message-IDs end in it."""
    headers: tuple[tuple[str, str], ...]
    head: bytes
    """The header lines that are the same in every mail, and the empty line after them."""
    html: Template
    text: Template
    own: OwnParts | None = None
    """What of the merchant's own text is written per mail."""


@lru_cache(maxsize=256)
def prepare_email(version: TextVersion) -> PreparedEmail:
    """Render what is the same in every mail of a text version; some milliseconds once, 50 kB kept.

    Raises OwnTextFailedError where that cannot be done with the merchant's own text.
    """
    branding, own = version.branding, version.own
    brand = brand_of(version.merchant_name, version.homepage_url, branding)
    texts = texts_of(version.language)
    layout = layout_of(version.step, own)
    text_words = html_words = texts
    variables: Mapping[str, object] = {}
    if own is not None:
        variables = variables_of(
            own, merchant_name=version.merchant_name, homepage_url=version.homepage_url, branding=branding
        )
        text_words = email_words(texts, own, variables, is_html=False)
        html_words = email_words(texts, own, variables, is_html=True)
    subject = text_words(f"{layout.words}_subject", merchant=brand.name)
    if own is None or own.is_fixed("subject"):
        subject = one_line(subject, limit=200)
    address = branding.sender_email or version.sender.address
    name = one_line(branding.sender_name or version.sender.name, limit=CUSTOMER_NAME_LIMIT) or brand.name
    headers = _fixed_headers(version.merchant_id, version.step, address, language=version.language)
    html = _prepare_html(brand, html_words, layout, subject)
    text = cut(_render(f"{layout.template}.txt", brand, text_words, layout, subject))
    return PreparedEmail(
        merchant_id=version.merchant_id,
        texts=texts,
        from_address=address,
        from_name=name,
        reply_to=branding.reply_to,
        subject=subject,
        domain=address.rpartition("@")[2],
        headers=headers,
        head=fixed_head(subject, encode_mailbox(name, address), branding.reply_to, headers),
        html=html,
        text=text,
        own=prepare_own(own, variables, text=text, html=html) if own is not None else None,
    )


def _fixed_headers(
    merchant_id: MerchantId, step: Step | Notice, sender: str, *, language: str
) -> tuple[tuple[str, str], ...]:
    """List the further headers; none names a customer (RFC 8058, RFC 3834, RFC 2919, RFC 3282, Gmail's Feedback-ID)."""
    check_address(sender)
    domain = sender.rpartition("@")[2]
    instance = sha256(domain.encode()).hexdigest()[:12]
    return (
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Id", f"<{merchant_id}.invitations.{domain}>"),
        ("Feedback-ID", f"{step}:{merchant_id}:invitation:{instance}"),
        ("Content-Language", language),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
    )


def fixed_head(subject: str, sender: str, reply_to: str | None, headers: Sequence[tuple[str, str]]) -> bytes:
    """Write the header lines that are the same in all mails, and the empty line after them."""
    lines = [header_line("From", sender)]
    if reply_to is not None:
        lines.append(header_line("Reply-To", encode_mailbox("", reply_to)))
    lines.append(header_line("Subject", encode_text(subject, name="Subject")))
    lines += [header_line(name, value) for name, value in headers]
    lines.append(header_line("MIME-Version", "1.0"))
    lines.append(header_line("Content-Type", f'multipart/alternative;\r\n boundary="{BOUNDARY}"'))
    return b"".join(lines) + b"\r\n"


def _prepare_html(brand: Brand, texts: Texts, layout: Layout, subject: str) -> Template:
    """Render and inline the HTML; the style sheet for dark screens stays a style sheet."""
    # Only here: an API that previews nothing needs none of its 2 MiB.
    import css_inline  # noqa: PLC0415

    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, minify_css=True)
    return cut(inliner.inline(_render(f"{layout.template}.html", brand, texts, layout, subject)).rstrip() + "\n")


def _render(template: str, brand: Brand, texts: Texts, layout: Layout, subject: str) -> str:
    return (
        environment()
        .get_template(template)
        .render(
            brand=brand,
            palette=brand.palette,
            texts=texts,
            step=layout.words,
            layout=layout,
            subject=subject,
            slots=Gaps(),
        )
    )
