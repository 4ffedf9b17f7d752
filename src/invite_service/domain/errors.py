"""Errors of the domain: each has a stable code; the HTTP edge has the table of status numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input: where (RFC 6901 pointer), which (code) and why, never the value."""

    pointer: str
    code: str
    detail: str


class DomainError(Exception):
    """Base of everything the service refuses for a reason of its own."""

    code: ClassVar[str] = "domain_error"

    def __init__(self, detail: str, *, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)


class InvalidInputError(DomainError):
    """The input has faults; all of them are named."""

    code = "invalid_input"


class MerchantNotFoundError(DomainError):
    """No merchant of that id is visible to the caller."""

    code = "merchant_not_found"


class MerchantExistsError(DomainError):
    """A merchant of that id exists already."""

    code = "merchant_exists"


class OrderNotFoundError(DomainError):
    """The merchant has no order of that id."""

    code = "order_not_found"


class InvitationNotFoundError(DomainError):
    """The merchant has no invitation of that id."""

    code = "invitation_not_found"


class RatingNotFoundError(DomainError):
    """The merchant has no rating of that id."""

    code = "rating_not_found"


class PictureNotFoundError(DomainError):
    """There is no picture of that id, or not for everybody to see."""

    code = "picture_not_found"


class PicturesClosedError(DomainError):
    """This installation keeps no pictures."""

    code = "pictures_closed"


class PicturesUnavailableError(DomainError):
    """Pictures can be neither kept nor found right now."""

    code = "pictures_unavailable"


class FeedbackTooOldError(DomainError):
    """The review is too old to be changed by its customer."""

    code = "too_old_to_change"


class ProductNotFoundError(DomainError):
    """No order of the merchant's told of a product of that id."""

    code = "product_not_found"


class SupportCaseNotFoundError(DomainError):
    """The merchant has no support case of that id."""

    code = "support_case_not_found"


class NoticeNotFoundError(DomainError):
    """The merchant has no notice of that id."""

    code = "notice_not_found"


class WebhookEndpointNotFoundError(DomainError):
    """The merchant has no webhook endpoint of that id."""

    code = "webhook_endpoint_not_found"


class WebhookEventNotFoundError(DomainError):
    """The webhook endpoint was never told of an event of that id, or is just being told."""

    code = "webhook_event_not_found"


class BatchUpdateNotFoundError(DomainError):
    """The merchant has no batch update of that id."""

    code = "batch_update_not_found"


class UnexpectedCountError(DomainError):
    """A batch update would be about another number of invitations than its caller expects; nothing was changed."""

    code = "unexpected_count"

    def __init__(self, detail: str, *, matched: int) -> None:
        super().__init__(detail)
        self.matched = matched


class UndoRefusedError(DomainError):
    """The batch update cannot be undone; the detail says why."""

    code = "undo_refused"


class TokenNotFoundError(DomainError):
    """The link's token is malformed, forged or expired, or its customer erased; one answer for all."""

    code = "token_not_found"


class TokenErasedError(TokenNotFoundError):
    """The link's customer was erased: no answer but to whoever has it, who is told so on a page."""

    def __init__(self, detail: str, *, merchant_name: str, language: str) -> None:
        super().__init__(detail)
        self.merchant_name = merchant_name
        self.language = language


class ApiKeyInvalidError(DomainError):
    """The key is missing, unknown, revoked or expired; one answer for all."""

    code = "api_key_invalid"


class ScopeMissingError(DomainError):
    """The key does not carry the scope that the call needs."""

    code = "scope_missing"


class NotASandboxError(DomainError):
    """The call exists for sandbox merchants only."""

    code = "not_a_sandbox"


class ClockMoveUnfinishedError(DomainError):
    """A sandbox's clock did not get as far as it was asked to; the detail says how far it came, and what to do."""

    code = "clock_move_unfinished"


class ActionRefusedError(DomainError):
    """The invitation's state does not allow the action; `reason` says why (RULES.md section 8)."""

    code = "action_refused"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class PreconditionFailedError(DomainError):
    """The If-Match version is not the current one."""

    code = "version_mismatch"


class PreconditionRequiredError(DomainError):
    """A change of settings needs If-Match."""

    code = "if_match_required"


class IdempotencyConflictError(DomainError):
    """The idempotency key was used with another body."""

    code = "idempotency_key_reused"


class QuotaExceededError(DomainError):
    """The key has made more requests than it may for now."""

    code = "quota_exceeded"

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class ProviderSettingsError(DomainError):
    """The provider settings have faults; all of them are named, none of their values."""

    code = "provider_settings_invalid"


class SchemaOutdatedError(DomainError):
    """The database schema is not at head."""

    code = "schema_outdated"
