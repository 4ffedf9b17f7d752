"""How a merchant's messages and pages look and who they say they are from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Branding:
    """A merchant's branding; every field has a value that works before anything is set."""

    version: int = 0
    logo_url: str | None = None
    primary_color: str = "#1f4b3f"
    """Buttons and links, as #rrggbb."""
    text_color: str = "#1d1d1f"
    background_color: str = "#f4f4f2"
    sender_name: str | None = None
    """None: the merchant's name."""
    sender_email: str | None = None
    """None: the installation's sender address."""
    reply_to: str | None = None
    homepage_url: str | None = None
    """None: the merchant's."""
    sites: tuple[str, ...] | None = None
    """Origins of the pages that may ask by a customer's token; None: that of the homepage."""
    support_email: str | None = None
    support_phone: str | None = None
    """As it is shown to customers."""
    support_url: str | None = None
    sms_sender: str | None = None
    """At most 11 letters and digits, or an E.164 number."""
    sms_transliterate: bool = False
    """Whether SMS are written in the GSM alphabet where their letters allow it, for the price."""
