"""Which pages may ask by a customer's token: those of a merchant's sites, known by their origins (RFC 6454)."""

from urllib.parse import urlsplit

from invite_service.domain.branding import Branding

_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str | None:
    """Tell the origin of a web address, as browsers send it; None for anything else."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
        name = host.encode("idna").decode("ascii") if host else ""
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not name:
        return None
    if ":" in name:
        name = f"[{name}]"
    return f"{parts.scheme}://{name}" + (f":{port}" if port not in {None, _PORTS[parts.scheme]} else "")


def is_allowed_site(origin: str, branding: Branding, *, homepage_url: str) -> bool:
    """Say whether a page of this origin may read what is answered to a customer's token."""
    sites = branding.sites if branding.sites is not None else (origin_of(branding.homepage_url or homepage_url),)
    return origin in sites
