"""Merchants and their keys on the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from invite_service.api.schemas.fields import (
    PARAMETERS,
    STRICT,
    Answer,
    Instant,
    Text200,
    Zone,
    check_printable,
)
from invite_service.domain.merchant import Merchant
from invite_service.services.access import ALL_SCOPES, ApiKey, Scope
from invite_service.services.merchants import NewMerchant, is_web_address
from invite_service.services.paging import DEFAULT_PAGE, MAX_PAGE

RESERVED_SLUGS: Final = frozenset({"invitations"})
"""Parts of addresses that stand where a merchant's id does: `/public/v1/invitations/…`."""


def check_not_reserved(slug: str) -> str:
    """Check that no address of ours means something else by it."""
    if slug in RESERVED_SLUGS:
        raise PydanticCustomError("reserved", "Is part of an address of this service.")
    return slug


MerchantSlug = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?$"), AfterValidator(check_not_reserved)
]
"""At most 20 characters of a-z, 0-9 and inner hyphens."""
Name = Annotated[Text200, StringConstraints(min_length=1), AfterValidator(check_printable)]


def check_key_name(name: str) -> str:
    """Check that a name reads well as the actor of a timeline."""
    if name != name.strip():
        raise PydanticCustomError("invalid_format", "Must neither begin nor end with a space.")
    return check_printable(name)


def check_scope(scope: str) -> str:
    """Check that there is such a scope."""
    if scope not in ALL_SCOPES:
        raise PydanticCustomError("unknown_scope", f"Must be of {', '.join(Scope)}.")
    return scope


def check_homepage(address: str) -> str:
    """Check that an address can stand in a link."""
    if not is_web_address(address):
        raise PydanticCustomError("invalid_format", "Must be an absolute http or https address.")
    return address


KeyName = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(check_key_name)]
ScopeName = Annotated[str, AfterValidator(check_scope), WithJsonSchema({"type": "string", "enum": list(Scope)})]
HomepageUrl = Annotated[
    str,
    StringConstraints(max_length=2000),
    AfterValidator(check_homepage),
    WithJsonSchema({"type": "string", "format": "uri", "maxLength": 2000, "examples": ["https://shop.example"]}),
]


class MerchantRequest(BaseModel):
    """A merchant to be made."""

    model_config = STRICT

    id: MerchantSlug
    """A slug that stays for ever: at most 20 characters of a-z, 0-9 and inner hyphens."""
    name: Name
    time_zone: Zone
    homepage_url: HomepageUrl
    sandbox: bool = False
    """A sandbox has its own clock and mailbox, and sends nothing to anybody."""
    clock: Instant | None = None
    """Where a sandbox's clock starts; null starts it now."""

    @field_validator("clock")
    @classmethod
    def _is_of_a_sandbox(cls, clock: datetime | None, info: ValidationInfo) -> datetime | None:
        if clock is not None and info.data.get("sandbox") is False:
            raise PydanticCustomError("not_a_sandbox", "Only a sandbox has a clock of its own.")
        return clock

    def to_new_merchant(self) -> NewMerchant:
        """Translate to what the service makes a merchant from."""
        return NewMerchant(
            id=self.id,
            name=self.name,
            time_zone=self.time_zone,
            homepage_url=self.homepage_url,
            sandbox=self.sandbox,
            clock=self.clock,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantResponse(Answer):
    """A merchant."""

    id: str
    name: str
    time_zone: str
    homepage_url: str
    sandbox: bool
    created_at: datetime
    paused_at: datetime | None
    """Since when nothing leaves; null: it is not paused."""
    paused_reason: str | None
    """too_many_bounces or too_many_complaints."""

    @classmethod
    def of(cls, merchant: Merchant) -> Self:
        """Shape a merchant of the domain."""
        return cls(
            id=merchant.id,
            name=merchant.name,
            time_zone=merchant.time_zone,
            homepage_url=merchant.homepage_url,
            sandbox=merchant.sandbox,
            created_at=merchant.created_at,
            paused_at=merchant.paused_at,
            paused_reason=merchant.paused_reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedMerchantResponse(Answer):
    """A merchant that was made just now."""

    id: str
    name: str
    time_zone: str
    homepage_url: str
    sandbox: bool
    created_at: datetime
    paused_at: datetime | None
    paused_reason: str | None
    api_key: str
    """A key with every scope, shown this once."""

    @classmethod
    def of(cls, merchant: Merchant, *, api_key: str) -> Self:
        """Shape a merchant of the domain and its first key."""
        return cls(
            id=merchant.id,
            name=merchant.name,
            time_zone=merchant.time_zone,
            homepage_url=merchant.homepage_url,
            sandbox=merchant.sandbox,
            created_at=merchant.created_at,
            paused_at=merchant.paused_at,
            paused_reason=merchant.paused_reason,
            api_key=api_key,
        )


class MerchantListParameters(BaseModel):
    """Which page of the merchants is wanted; they are sorted by id."""

    model_config = PARAMETERS

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE
    cursor: MerchantSlug | None = None
    """next_cursor of an earlier page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantListResponse(Answer):
    """A page of merchants."""

    items: Sequence[MerchantResponse]
    next_cursor: str | None


class ApiKeyRequest(BaseModel):
    """A key to be made for a merchant."""

    model_config = STRICT

    merchant_id: MerchantSlug
    name: KeyName
    """Shown in timelines as the one who did it."""
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=len(Scope))] | None = None
    """Null: every scope."""
    expires_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyResponse(Answer):
    """What may be shown of a key again."""

    id: str
    name: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """Shape what the service shows of a key."""
        return cls(
            id=key.id,
            name=key.name,
            scopes=sorted(key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedApiKeyResponse(Answer):
    """A key that was made just now."""

    id: str
    api_key: str
    """Shown this once."""


class ApiKeyListParameters(BaseModel):
    """Whose keys are wanted."""

    model_config = PARAMETERS

    merchant_id: MerchantSlug


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyListResponse(Answer):
    """All keys of a merchant, the oldest first."""

    items: Sequence[ApiKeyResponse]
    next_cursor: str | None
    """Always null: a merchant has few keys."""
