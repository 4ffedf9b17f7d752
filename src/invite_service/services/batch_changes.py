"""Changing the invitations of a chunk: deciding each, or those alike together, on what is known of the customers."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from invite_service.domain.batch_update import Alike, AlikeChange, BatchChange
from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.policy import Policy
from invite_service.rules import actions
from invite_service.rules.batch_updates import UNCHANGED, change_alike, undo_one
from invite_service.rules.replanning import replan
from invite_service.rules.sending import SendFacts
from invite_service.services.policy_versions import PolicyVersions
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.invitations import InvitationChange
from invite_service.storage.sending import SendContent
from invite_service.storage.stores import Stores


@dataclass(slots=True)
class Worked:
    """What became of the invitations of a chunk."""

    changes: list[InvitationChange] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def take(self, invitation: Invitation, change: Callable[[], Invitation]) -> None:
        """Change one, or count why not."""
        try:
            changed = change()
        except ActionRefusedError as error:
            self.skipped[error.reason] += 1
            return
        if changed == invitation:
            self.skipped[UNCHANGED] += 1
        else:
            self.changes.append(InvitationChange(changed, invitation))


@dataclass(slots=True)
class WorkedAlike:
    """What became of invitations that are alike, group by group."""

    changes: list[AlikeChange] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def take_all(
        self, groups: Iterable[Alike], change: BatchChange, *, policy: Policy, merchant: Merchant, now: datetime
    ) -> None:
        """Change each group, or count why not."""
        for alike in groups:
            try:
                changed, unchanged = change_alike(alike, change, policy=policy, merchant=merchant, now=now)
            except ActionRefusedError as error:
                self.skipped[error.reason] += len(alike.ids)
                continue
            self.changes.append(changed)
            if unchanged:
                self.skipped[UNCHANGED] += unchanged


async def lock_histories(stores: Stores, merchant_id: MerchantId, invitation_ids: Sequence[UUID]) -> list[Invitation]:
    """Lock orders, contacts and invitations, in this order (DESIGN.md section 4)."""
    seen = await stores.sending.read_invitations(merchant_id, invitation_ids)
    order_ids = {order_id for invitation in seen for order_id in invitation.order_ids}
    await stores.history.lock(merchant_id, order_ids, {invitation.contact for invitation in seen if invitation.contact})
    locked = await stores.invitations.lock(merchant_id, invitation_ids)
    known = {invitation.id: (invitation.order_ids, invitation.contact) for invitation in seen}
    if any((invitation.order_ids, invitation.contact) != known[invitation.id] for invitation in locked):
        raise TransactionConflictError("An order joined before the locks were held.")
    return locked


async def enable_each(
    stores: Stores,
    merchant: Merchant,
    found: Sequence[Invitation],
    worked: Worked,
    *,
    policies: PolicyVersions,
    now: datetime,
) -> None:
    """Enable invitations of the merchant, each on what those before it have become."""
    policy = await current_policy(stores, merchant, policies)
    plans = await policies.get(stores, merchant.id, {invitation.policy_version for invitation in found})
    facts = await _read_facts(stores, merchant, found)
    scheduled = [invitation.id for invitation in found if invitation.status is InvitationStatus.SCHEDULED]
    last_events = await stores.timeline.find_last_events(merchant.id, scheduled, except_for=actions.CHANGING_NOTHING)
    for invitation in found:
        worked.take(
            invitation,
            lambda invitation=invitation: actions.enable(  # type: ignore[misc]
                invitation,
                facts=facts.of(invitation),
                policy=policy,
                plan=plans[invitation.policy_version],
                merchant=merchant,
                now=now,
                last_event=last_events.get(invitation.id),
            ),
        )
        facts.become(worked.changes[-1:])


async def undo_each(
    stores: Stores,
    merchant: Merchant,
    undo_of: UUID,
    found: Sequence[Invitation],
    worked: Worked,
    *,
    policies: PolicyVersions,
    now: datetime,
) -> None:
    """Put back what the batch update `undo_of` changed of invitations, where they have not moved since."""
    policy = await current_policy(stores, merchant, policies)
    effects = await stores.batch_changes.read_effects(merchant.id, undo_of, [invitation.id for invitation in found])
    versions = {effect.before.policy_version for effect in effects.values()}
    plans = await policies.get(stores, merchant.id, versions)
    facts = await _read_facts(stores, merchant, found)
    for invitation in found:
        effect = effects[invitation.id]
        worked.take(
            invitation,
            lambda invitation=invitation, effect=effect: undo_one(  # type: ignore[misc]
                invitation,
                effect,
                facts=facts.of(invitation),
                policy=policy,
                plan=plans[effect.before.policy_version],
                merchant=merchant,
                now=now,
            ),
        )
        facts.become(worked.changes[-1:])


async def current_policy(stores: Stores, merchant: Merchant, policies: PolicyVersions) -> Policy:
    """Give the version of the policy that the merchant goes by."""
    known = await policies.get(stores, merchant.id, {merchant.policy_version})
    return known[merchant.policy_version]


async def replan_each(
    stores: Stores, merchant: Merchant, found: Sequence[Invitation], worked: Worked, *, policy: Policy, now: datetime
) -> None:
    """Plan invitations again under a policy, with the orders they were made for and their products' categories."""
    invited = await stores.batch_changes.read_invited_orders(merchant.id, found)
    categories: Mapping[str, str | None] = {}
    if policy.excluded_categories:
        product_ids = {product_id for invitation in found for product_id in invitation.product_ids}
        categories = await stores.batch_changes.read_categories(merchant.id, product_ids)
    for invitation in found:
        worked.take(
            invitation,
            lambda invitation=invitation: replan(  # type: ignore[misc]
                invitation,
                invited.get(invitation.id),
                policy=policy,
                categories=categories,
                merchant=merchant,
                now=now,
            ),
        )


class _Facts:
    """What others ask the customers of some invitations, kept up with what becomes of these."""

    def __init__(
        self, contents: Sequence[SendContent], invitations: Mapping[UUID, Invitation], *, paused: bool
    ) -> None:
        self._contents = {content.invitation.id: content for content in contents}
        self._invitations = dict(invitations)
        self._paused = paused

    def of(self, invitation: Invitation) -> SendFacts:
        content = self._contents[invitation.id]
        return SendFacts(
            orders=content.orders,
            suppressed=content.suppressed,
            has_feedback=content.has_feedback,
            others=[self._invitations[other] for other in content.other_ids if other in self._invitations],
            is_paused=self._paused,
        )

    def become(self, changes: Sequence[InvitationChange]) -> None:
        self._invitations |= {change.invitation.id: change.invitation for change in changes}


async def _read_facts(stores: Stores, merchant: Merchant, found: Sequence[Invitation]) -> _Facts:
    contents = await stores.sending.read_contents(merchant.id, [invitation.id for invitation in found])
    others = {other for content in contents for other in content.other_ids}
    invitations = {
        invitation.id: invitation for invitation in await stores.sending.read_invitations(merchant.id, others)
    }
    invitations |= {invitation.id: invitation for invitation in found}
    return _Facts(contents, invitations, paused=merchant.paused_at is not None)
