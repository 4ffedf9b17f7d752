"""How an SMTP server is reached, read from a URL such as `smtp://user:secret@mail.example.com:587/?connections=4`."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from invite_service.domain.errors import Fault, ProviderSettingsError

SUBMISSION_PORT = 587
IMPLICIT_TLS_PORT = 465

_ESCAPE_HINT = "inside a user name or password write / ? # @ : % percent-encoded"
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")
_EHLO_NAME = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
_OPTION_NAMES = (
    "starttls",
    "verify",
    "ca_file",
    "ehlo",
    "connections",
    "messages_per_connection",
    "idle",
    "connect_timeout",
    "timeout",
)

T = TypeVar("T")


class Encryption(StrEnum):
    """When a connection to the server becomes encrypted."""

    IMPLICIT = "implicit"
    """From the first byte (smtps://)."""
    REQUIRED = "required"
    """By STARTTLS; a server that does not offer it gets no message."""
    OPPORTUNISTIC = "opportunistic"
    """By STARTTLS where the server offers it; credentials are still never sent in the clear."""
    NEVER = "never"
    """Not at all, credentials included; for a relay on the same machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """One SMTP server with one set of credentials; every time is in seconds."""

    host: str
    port: int
    encryption: Encryption
    username: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)
    verify: bool = True
    """Check the server's certificate and name."""
    ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's."""
    ehlo_name: str | None = None
    """What we call ourselves; None: this host's name where it is a full one, else the connection's own address."""
    connections: int = 16
    messages_per_connection: int = 500
    """A connection is closed after so many: some servers count, and balancers spread new connections only."""
    idle_time: float = 30.0
    """An idle connection is closed after this, before most servers would do it."""
    probe_after: float = 5.0
    """A connection idle for longer is asked by NOOP whether it lives before it gets a message."""
    connect_timeout: float = 5.0
    """For name look-up and TCP."""
    timeout: float = 20.0
    """For the whole of one send, waiting for a free connection and opening one included."""


def parse_smtp_url(url: str) -> SmtpSettings:
    """Read the settings from an smtp:// or smtps:// URL; docs/providers/smtp.md lists its options.

    Raises ProviderSettingsError with every fault at once; no fault repeats any part of the URL, which holds secrets.
    """
    reader = _UrlReader(url)
    settings = reader.read()
    if reader.faults:
        raise ProviderSettingsError("The SMTP URL has faults.", faults=reader.faults)
    return settings


class _UrlReader:
    """Reads one URL part by part; whatever cannot be read becomes a fault and a harmless value."""

    def __init__(self, url: str) -> None:
        self.faults: list[Fault] = []
        self._parts = self._split(url)
        self._options = self._read_options()

    def read(self) -> SmtpSettings:
        """Read everything; the result counts only when there are no faults."""
        if self._parts.scheme not in {"smtp", "smtps"}:
            self._add("scheme_unknown", "the URL must begin with smtp:// or smtps://")
        if self._parts.path not in {"", "/"} or self._parts.fragment:
            self._add("url_invalid", f"the URL must have no path and no fragment; {_ESCAPE_HINT}")
        port = self._read_port()
        username, password = self._read_credentials()
        return SmtpSettings(
            host=self._read_host(),
            port=port,
            encryption=self._read_encryption(port, has_credentials=username is not None),
            username=username,
            password=password,
            verify=self._option("verify", _yes_or_no, "must be yes or no", default=True),
            ca_file=self._option("ca_file", _filled, "must be the path of a PEM file", default=None),
            ehlo_name=self._option("ehlo", _ehlo_name, "must be a host name or an address literal", default=None),
            connections=self._whole_number("connections", 16, most=100),
            messages_per_connection=self._whole_number("messages_per_connection", 500, most=100_000),
            idle_time=self._whole_number("idle", 30, most=3600),
            connect_timeout=self._whole_number("connect_timeout", 5, most=60),
            timeout=self._whole_number("timeout", 20, most=300),
        )

    def _add(self, code: str, detail: str) -> None:
        self.faults.append(Fault(pointer="/url", code=code, detail=detail))

    def _split(self, url: str) -> SplitResult:
        try:
            return urlsplit(url)
        except ValueError:
            self._add("url_invalid", f"the URL cannot be read; {_ESCAPE_HINT}")
            return SplitResult("smtp", "unreadable", "", "", "")

    def _read_options(self) -> dict[str, str]:
        try:
            pairs = parse_qsl(
                self._parts.query,
                keep_blank_values=True,
                strict_parsing=bool(self._parts.query),
                max_num_fields=2 * len(_OPTION_NAMES),
            )
        except ValueError:
            self._add("options_invalid", "the part after ? must read name=value&name=value")
            return {}
        options = dict(pairs)
        if len(options) < len(pairs):
            self._add("option_repeated", "every option may be given once")
        if not options.keys() <= set(_OPTION_NAMES):
            self._add("option_unknown", f"an option is not known; there are {', '.join(_OPTION_NAMES)}")
        return options

    def _read_host(self) -> str:
        host = self._parts.hostname or ""
        if not (_HOST_NAME.fullmatch(host) or _is_ip_address(host)):
            self._add("host_invalid", "the URL must name a host, as an ASCII name or an IP address")
        return host

    def _read_port(self) -> int:
        default = IMPLICIT_TLS_PORT if self._parts.scheme == "smtps" else SUBMISSION_PORT
        try:
            port = self._parts.port
        except ValueError:
            port = 0
        if port == 0:
            self._add("port_invalid", f"the port must be a number from 1 to 65535; {_ESCAPE_HINT}")
        return default if port is None else port

    def _read_credentials(self) -> tuple[str | None, str]:
        username, password = self._parts.username, self._parts.password
        if not username and not password:
            return None, ""
        if not username or not password:
            self._add("credentials_incomplete", "a user name and a password must be given together")
            return None, ""
        try:
            unquoted = unquote(username, errors="strict"), unquote(password, errors="strict")
        except UnicodeDecodeError:
            unquoted = "\0", "\0"
        if any(character in text for text in unquoted for character in "\0\r\n"):
            self._add("credentials_invalid", "user name and password must be UTF-8 without NUL and line ends")
        return unquoted

    def _read_encryption(self, port: int, *, has_credentials: bool) -> Encryption:
        if self._parts.scheme == "smtps":
            if "starttls" in self._options:
                self._add("starttls_invalid", "smtps:// is encrypted from the first byte and takes no starttls")
            return Encryption.IMPLICIT
        return self._option(
            "starttls",
            _starttls,
            "must be required, opportunistic or never",
            default=Encryption.REQUIRED if has_credentials or port == SUBMISSION_PORT else Encryption.OPPORTUNISTIC,
        )

    def _whole_number(self, name: str, default: int, *, most: int) -> int:
        def read(text: str) -> int:
            number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else 0
            if not 1 <= number <= most:
                raise ValueError
            return number

        return self._option(name, read, f"must be a whole number from 1 to {most}", default=default)

    def _option(self, name: str, read: Callable[[str], T], expected: str, *, default: T) -> T:
        text = self._options.get(name)
        if text is None:
            return default
        try:
            return read(text)
        except ValueError:
            self._add(f"{name}_invalid", f"{name} {expected}")
            return default


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError
    return text


def _yes_or_no(text: str) -> bool:
    if text not in {"yes", "no"}:
        raise ValueError
    return text == "yes"


def _starttls(text: str) -> Encryption:
    if text == Encryption.IMPLICIT:
        raise ValueError
    return Encryption(text)


def _ehlo_name(text: str) -> str:
    if not _EHLO_NAME.fullmatch(text):
        raise ValueError
    return text


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
