"""Types of single fields on the wire: texts with a limit, instants with an offset, money, codes.

Every text has a limit, every refusal names a code of ours and never the value.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BeforeValidator, ConfigDict, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from invite_service.api.schemas.codes import COUNTRIES, CURRENCIES
from invite_service.rules.zones import is_known_zone

STRICT: Final = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)
"""For requests: unknown fields are refused by name, and nothing is converted silently."""

PARAMETERS: Final = ConfigDict(extra="forbid", use_attribute_docstrings=True)
"""For query strings: unknown names are refused; values are texts, and so converted."""


class Answer:
    """Base of what is answered, so that the meaning of its fields stands in the OpenAPI document.

    What goes out by the hundred (invitations, traces) has no slots and is not frozen: so it is made in a tenth and
    written in a third of the time.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(use_attribute_docstrings=True)


Text50 = Annotated[str, StringConstraints(max_length=50)]
Text100 = Annotated[str, StringConstraints(max_length=100)]
Text200 = Annotated[str, StringConstraints(max_length=200)]
Text500 = Annotated[str, StringConstraints(max_length=500)]
EmailText = Annotated[str, StringConstraints(max_length=320)]
"""An e-mail address as posted: only its length is checked, since a bad one is no error of an order."""
Id100 = Annotated[str, StringConstraints(min_length=1, max_length=100)]
"""An id of the merchant's own."""

FIRST_YEAR = 1970
LAST_YEAR = 2099
"""Instants outside these years are typing errors: none of them is in the life of an order."""

MAX_PRICE = Decimal(10) ** 12
"""Prices are below this."""
PRICE_PLACES = 6
"""Decimal places that are kept of a price; a JSON number is rounded to them."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_WALL_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d", re.ASCII)
_PRICE = re.compile(rf"\d{{1,12}}(?:\.\d{{1,{PRICE_PLACES}}})?", re.ASCII)
_WEB_ADDRESS = re.compile(r"https?://[^\s/?#]+[^\s]*", re.IGNORECASE)


def read_instant(value: object) -> datetime:
    """Read an RFC 3339 instant with its offset as an aware datetime in UTC."""
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_type", "Must be a string with an RFC 3339 instant.")
    if not _INSTANT.fullmatch(value):
        raise PydanticCustomError(
            "invalid_format", "Must be an RFC 3339 instant with an offset, as in 2026-03-02T14:30:00+01:00."
        )
    try:
        instant = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("invalid_format", "There is no such day or time.") from None
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise PydanticCustomError("out_of_range", f"Must lie in the years {FIRST_YEAR} to {LAST_YEAR}.")
    return instant


def mend_plus(value: Any) -> Any:
    """Undo what a query string does to the plus sign of an offset that nobody escaped."""
    return value.replace(" ", "+") if isinstance(value, str) else value


def read_day(value: object) -> date:
    """Read a calendar day."""
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_type", "Must be a string with a date.")
    if _DAY.fullmatch(value):
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise PydanticCustomError("invalid_format", "There is no such day.") from None
        if FIRST_YEAR <= day.year <= LAST_YEAR:
            return day
        raise PydanticCustomError("out_of_range", f"Must lie in the years {FIRST_YEAR} to {LAST_YEAR}.")
    raise PydanticCustomError("invalid_format", "Must be a date, as in 2026-03-16.")


def check_wall_time(text: str) -> str:
    """Check a wall time of whole minutes."""
    if not _WALL_TIME.fullmatch(text):
        raise PydanticCustomError("invalid_format", "Must be a wall time from 00:00 to 23:59.")
    return text


def read_price(value: object) -> Decimal:
    """Read a price: a decimal string, or a JSON number, which is taken at its shortest decimal form."""
    if isinstance(value, str):
        if not _PRICE.fullmatch(value):
            raise PydanticCustomError(
                "invalid_format", f"Must be a decimal such as 39.90, with at most {PRICE_PLACES} decimal places."
            )
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("invalid_type", "Must be a decimal string or a number.")
    price = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not price.is_finite() or not 0 <= price < MAX_PRICE:
        raise PydanticCustomError("out_of_range", "Must be at least 0 and below 1000000000000.")
    rounded = round(price, PRICE_PLACES)
    return price if price == rounded else rounded.normalize()


def check_currency(code: str) -> str:
    """Check an ISO 4217 code; case does not matter."""
    if code.upper() not in CURRENCIES:
        raise PydanticCustomError("not_a_choice", "Must be an ISO 4217 currency code.")
    return code.upper()


def check_country(code: str) -> str:
    """Check an ISO 3166 alpha-2 code; case does not matter."""
    if code.upper() not in COUNTRIES:
        raise PydanticCustomError("not_a_choice", "Must be an ISO 3166 alpha-2 country code.")
    return code.upper()


def check_zone(name: str) -> str:
    """Check the IANA name of a time zone against the tz database that came with the service."""
    if not is_known_zone(name):
        raise PydanticCustomError("not_a_choice", "Must be an IANA time zone such as Europe/Oslo.")
    return name


def check_printable(text: str) -> str:
    """Check that a text holds nothing invisible and is not blank."""
    if not text.isprintable() or text.isspace():
        raise PydanticCustomError("invalid_format", "Must hold printable characters only, and not be blank.")
    return text


def check_web_address(address: str) -> str:
    """Check that an address is absolute and of http or https, so that it may stand in a link."""
    if not _WEB_ADDRESS.fullmatch(address):
        raise PydanticCustomError("invalid_format", "Must be an absolute http or https address.")
    return address


def check_secure_address(address: str) -> str:
    """Check that an address is absolute and of https."""
    if not _WEB_ADDRESS.fullmatch(address) or not address.lower().startswith("https://"):
        raise PydanticCustomError("invalid_format", "Must be an absolute https address.")
    return address


Instant = Annotated[
    datetime,
    PlainValidator(read_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-03-02T14:30:00+01:00"]}),
]
QueryInstant = Annotated[Instant, BeforeValidator(mend_plus)]
"""An instant in a query string."""
Day = Annotated[
    date, PlainValidator(read_day), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-03-16"]})
]
WallTime = Annotated[
    str,
    AfterValidator(check_wall_time),
    WithJsonSchema({"type": "string", "pattern": f"^{_WALL_TIME.pattern}$", "examples": ["10:00"]}),
]
Price = Annotated[
    Decimal,
    PlainValidator(read_price),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{_PRICE.pattern}$"},
                {"type": "number", "minimum": 0, "exclusiveMaximum": 10**12},
            ],
            "examples": ["39.90"],
        }
    ),
]
Currency = Annotated[
    str,
    StringConstraints(max_length=3),
    AfterValidator(check_currency),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z]{3}$", "examples": ["NOK"]}),
]
Country = Annotated[
    str,
    StringConstraints(max_length=2),
    AfterValidator(check_country),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z]{2}$", "examples": ["NO"]}),
]
Zone = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(check_zone),
    WithJsonSchema({"type": "string", "maxLength": 64, "examples": ["Europe/Oslo"]}),
]
WebAddress = Annotated[
    str,
    StringConstraints(max_length=2000),
    AfterValidator(check_web_address),
    WithJsonSchema({"type": "string", "format": "uri", "maxLength": 2000, "examples": ["https://shop.example/p/t1"]}),
]
SecureAddress = Annotated[
    str,
    StringConstraints(max_length=2000),
    AfterValidator(check_secure_address),
    WithJsonSchema({"type": "string", "format": "uri", "pattern": "^https://", "maxLength": 2000}),
]
PrintableId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    AfterValidator(check_printable),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 100, "examples": ["A-1001"]}),
]
"""An order's id: any printable characters, also / and #."""

Money = Annotated[Decimal, WithJsonSchema({"type": "string", "examples": ["39.90"]})]
"""An amount in an answer: a decimal string."""
