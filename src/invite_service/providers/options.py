"""Reading a provider's options from what a merchant entered: every fault at once, and never a value."""

import re
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from invite_service.domain.errors import Fault, ProviderSettingsError

_SECRET = re.compile(r"[!-~]{1,1000}")
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")


class OptionReader:
    """Reads options one by one; what cannot be read becomes a fault and an empty value, which nobody gets to see."""

    def __init__(self, provider: str, options: Mapping[str, str]) -> None:
        self._provider = provider
        self._options = options
        self._faults: list[Fault] = []

    def finish(self) -> None:
        """Raise ProviderSettingsError with every fault, where there are any."""
        if self._faults:
            raise ProviderSettingsError(f"The settings of {self._provider} have faults.", faults=self._faults)

    def secret(self, name: str) -> str:
        """Read a key, token or password: printable ASCII without spaces; what surrounds it is a slip of the mouse."""
        text = self._options.get(name, "").strip()
        if not _SECRET.fullmatch(text):
            self.fault(name, "must be 1 to 1000 printable ASCII characters without spaces")
        return text

    def optional_secret(self, name: str) -> str | None:
        """Read a key, token or password that need not be given."""
        return self.secret(name) if name in self._options else None

    def text(self, name: str, pattern: re.Pattern[str], expected: str, *, default: str = "") -> str:
        """Read a text of a form; the default counts where the option is not given."""
        text = self._options.get(name, default).strip()
        if not pattern.fullmatch(text):
            self.fault(name, expected)
        return text

    def choice(self, name: str, choices: Collection[str], *, default: str) -> str:
        """Read one of a few words."""
        text = self._options.get(name, default).strip()
        if text not in choices:
            self.fault(name, f"must be one of {', '.join(sorted(choices))}")
            return default
        return text

    def api_url(self, default: str) -> str:
        """Read `api_url`, for a company's test system or a server in between; https, but on this very machine."""
        text = self._options.get("api_url", default).strip().rstrip("/")
        if not _is_api_url(text):
            self.fault(
                "api_url", "must begin with https:// (or http:// on this machine) and have no query and no login"
            )
        return text

    def fault(self, name: str, expected: str) -> None:
        """Note that an option is not what it must be."""
        self._faults.append(Fault(pointer=f"/{name}", code=f"{name}_invalid", detail=f"{name} {expected}"))


def _is_api_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    return (
        text.isascii()
        and text.isprintable()
        and " " not in text
        and (parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host)))
        and (bool(_HOST.fullmatch(host)) or _is_ip_address(host))
        and port != 0
        and not (parts.query or parts.fragment or parts.username is not None or "?" in text or "#" in text)
    )


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_this_machine(host: str) -> bool:
    return host == "localhost" or (_is_ip_address(host) and ip_address(host).is_loopback)
