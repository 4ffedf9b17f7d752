"""A merchant's invitation settings on the wire, by the names, defaults and ranges of RULES.md section 2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from invite_service.api.schemas.fields import PARAMETERS, STRICT, Answer, WallTime
from invite_service.api.schemas.invitation import InvitationResponse
from invite_service.domain.decision import Reason
from invite_service.domain.errors import Fault
from invite_service.domain.order import OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.rules.policy import MAX_EXCLUDED, MAX_STATUSES, MAX_TEXT_LENGTH
from invite_service.rules.replanning import Replanning
from invite_service.services.replanning import ReplanPreview

Days365 = Annotated[int, Field(ge=0, le=365)]
Days90 = Annotated[int, Field(ge=1, le=90)]
Days3650 = Annotated[int, Field(ge=0, le=3650)]
Percent = Annotated[int, Field(ge=0, le=100)]
Entry = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH)]
Statuses = Annotated[list[Entry], Field(max_length=MAX_STATUSES)]
Exclusions = Annotated[list[Entry], Field(max_length=MAX_EXCLUDED)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Language = Literal[
    "cs", "da", "de", "en", "es", "et", "fi", "fr", "it", "ja", "lv", "nb", "nl", "pl", "pt-BR", "ru", "sk", "sv"
]


# typing_extensions: before Python 3.12 Pydantic reads no other TypedDict.
class PolicyPatch(TypedDict, total=False):
    """The settings to change; those that are left out stay."""

    __pydantic_config__ = STRICT  # type: ignore[misc]

    product_delay_days: Days365
    product_second_delay_days: Days90
    """Counted from the local day the first message left."""
    service_delay_days: Days365
    delay_origin: Literal["scheduled", "purchased", "shipped", "delivered"]
    """What a delay counts from; a missing date falls back along delivered, shipped, purchased, scheduled."""
    service_percent: Percent
    """0 switches service reviews off, 100 asks about the service only."""
    product_steps: Literal["both", "first_only", "second_only"]
    product_repeat_days: Days3650
    service_repeat_days: Days3650
    block_days: Days3650
    """Days for which a repeat customer gets no new invitation; 0 switches it off."""
    preferred_channel: Literal["email", "sms"]
    language: Literal["automatic", Language]
    fallback_language: Language
    hosted_landing_page: bool
    """False: links lead to the merchant's own pages, with the token."""
    send_window_start: WallTime
    send_window_end: WallTime
    """Later than the start."""
    send_days: Annotated[list[Weekday], Field(min_length=1, max_length=7)]
    send_zone: Literal["merchant", "recipient"]
    trigger_statuses: Statuses
    """Compared without case; an empty list: every status triggers."""
    hold_statuses: Statuses
    cancel_statuses: Statuses
    excluded_product_ids: Exclusions
    excluded_categories: Exclusions
    consent: Literal["not_required", "required"]
    max_order_age_days: Days3650
    """0 switches it off."""
    send_deadline_days: Days90
    not_received_wait_days: Days90


def _require_all(schema: dict[str, Any]) -> None:
    schema["required"] = sorted(schema["properties"])


class PolicyResponse(PolicyPatch):
    """All settings of one version."""

    __pydantic_config__ = ConfigDict(**STRICT, json_schema_extra=_require_all)  # type: ignore[misc]

    version: int
    """Counts up with every change; the ETag is this number."""


class PolicyPatchParameters(BaseModel):
    """What happens to what was planned before."""

    model_config = PARAMETERS

    replan: Literal["preview", "apply"] | None = None
    """preview: save nothing and say what would become of open invitations and of orders that wait. apply: plan the open
    invitations again and decide the orders that now trigger, as a batch update that can be undone. Left out: they keep
    what they were given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplannedInvitationResponse(Answer):
    """An open invitation as it would become."""

    change: Replanning
    before: InvitationResponse
    after: InvitationResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedOrderResponse(Answer):
    """A waiting order as it would be decided."""

    order_id: str
    outcome: OrderOutcome
    reason: Reason | None
    send_at: datetime | None
    """Of its invitation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplanPreviewResponse(Answer):
    """What a changed policy would make of what is planned. Days are those of the merchant's zone."""

    policy: PolicyResponse
    """As it would be; nothing is saved."""
    open_invitations: int
    changes: Mapping[str, int]
    """How many would be cancelled, leave earlier or later, or at the same time (with other steps or products)."""
    skipped: Mapping[str, int]
    """How many would stay as they are, by reason."""
    load_before: Mapping[str, int]
    """First messages by day, as planned now."""
    load_after: Mapping[str, int]
    """The same as it would be, with those of the orders that wait."""
    first_invitations: Sequence[ReplannedInvitationResponse]
    """The first ten that would leave at another time, or not at all."""
    waiting_orders: int
    outcomes: Mapping[str, int]
    """What would be decided of those that would not wait any more."""
    first_orders: Sequence[DecidedOrderResponse]
    """The first ten of these."""

    @classmethod
    def of(cls, preview: ReplanPreview) -> Self:
        """Shape a preview."""
        return cls(
            policy=policy_response(preview.policy),
            open_invitations=preview.open_invitations,
            changes=_counts(preview.changes),
            skipped=_counts(preview.skipped),
            load_before=_by_day(preview.load_before),
            load_after=_by_day(preview.load_after),
            first_invitations=[
                ReplannedInvitationResponse(
                    change=one.change,
                    before=InvitationResponse.of(one.before),
                    after=InvitationResponse.of(one.after),
                )
                for one in preview.first_invitations
            ],
            waiting_orders=preview.waiting_orders,
            outcomes=_counts(preview.outcomes),
            first_orders=[
                DecidedOrderResponse(
                    order_id=one.order.order_id,
                    outcome=one.order.outcome,
                    reason=one.order.reason,
                    send_at=one.invitation.send_at if one.invitation is not None else None,
                )
                for one in preview.first_orders
            ],
        )


def _counts(counts: Mapping[Any, int]) -> dict[str, int]:
    return {str(name): count for name, count in sorted(counts.items())}


def _by_day(counts: Mapping[date, int]) -> dict[str, int]:
    return {day.isoformat(): count for day, count in sorted(counts.items())}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersionResponse(Answer):
    """A version that was in force at some time."""

    created_at: datetime
    """On the merchant's clock."""
    created_by: str
    """key: and the name of an API key, or operator."""
    policy: PolicyResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersionListResponse(Answer):
    """A page of versions, the newest first."""

    items: Sequence[PolicyVersionResponse]
    next_cursor: str | None


_SETTINGS: Final = tuple(field.name for field in fields(Policy))


def policy_response(policy: Policy) -> PolicyResponse:
    """Shape a policy of the domain."""
    settings: Any = {name: _to_wire(getattr(policy, name)) for name in _SETTINGS}
    response: PolicyResponse = settings
    return response


def _to_wire(value: object) -> object:
    return value.strftime("%H:%M") if isinstance(value, time) else value


def with_window_fault(faults: Sequence[Fault], document: object, current: PolicyResponse) -> list[Fault]:
    """Add to a faulty patch that its window would never be open: the service looks at it only when all else is right.

    The bound that the patch leaves out is the current one.
    """
    pointers = {fault.pointer for fault in faults}
    if not isinstance(document, Mapping) or pointers & {"", "/send_window_start", "/send_window_end"}:
        return list(faults)
    bounds = {"send_window_start", "send_window_end"} & document.keys()
    window = {**current, **{name: document[name] for name in bounds}}
    if bounds and window["send_window_start"] >= window["send_window_end"]:
        return [*faults, Fault("/send_window_end", "not_after_start", "Must be later than send_window_start.")]
    return list(faults)
