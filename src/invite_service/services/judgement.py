"""Asking may_send about everything that was claimed at once, each seeing what was said of the others."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from invite_service.domain.invitation import Channel, Invitation
from invite_service.domain.merchant import MerchantId
from invite_service.domain.policy import Policy
from invite_service.rules.sending import Send, SendFacts, may_send
from invite_service.services.conclusions import Conclusion, conclude_failure, conclude_verdict
from invite_service.services.policy_versions import PolicyVersions
from invite_service.storage.sending import SendContent
from invite_service.storage.stores import Stores

log = structlog.get_logger()

JUDGED_AT_ONCE: Final = 25
"""Messages judged before whatever else waits in the process has its turn, above all answers to calls."""

NOT_JUDGED = "not_judged"
"""Why a message waits that may_send failed on: a fault of ours, tried again like one of the provider's."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What messages are judged by, as it was when it was read."""

    contents: Sequence[SendContent]
    """In the order in which they are due."""
    plans: Mapping[int, Policy]
    """The policy versions stored with their invitations."""
    others: Mapping[UUID, Invitation]
    """The other invitations of their histories."""


@dataclass(frozen=True, slots=True)
class Permitted:
    """A message that may be sent now, and about which products."""

    content: SendContent
    verdict: Send

    @property
    def channel(self) -> Channel:
        """The channel it leaves by."""
        return self.content.invitation.channel


@dataclass(slots=True)
class Judgement:
    """What may_send said of a claim."""

    permitted: list[Permitted] = field(default_factory=list)
    """In the order in which they are due."""
    concluded: list[Conclusion] = field(default_factory=list)


async def read_facts(
    stores: Stores, merchant_id: MerchantId, invitation_ids: Collection[UUID], *, policies: PolicyVersions
) -> Facts:
    """Read what invitations are judged by, and what their contents point to."""
    contents = await stores.sending.read_contents(merchant_id, invitation_ids)
    plans = await policies.get(stores, merchant_id, {content.invitation.policy_version for content in contents})
    in_batch = {content.invitation.id for content in contents}
    other_ids = {other_id for content in contents for other_id in content.other_ids} - in_batch
    others = await stores.sending.read_invitations(merchant_id, other_ids)
    return Facts(contents, plans, {other.id: other for other in others})


async def judge(
    facts: Facts,
    *,
    policy: Policy,
    paused: Collection[Channel],
    now_for: Callable[[Invitation], datetime],
) -> Judgement:
    """Judge messages by the current version of the policy.

    The older come first, so that a younger one is not dropped in favour of one that is itself never sent.
    """
    judgement = Judgement()
    invitations = {**facts.others, **{content.invitation.id: content.invitation for content in facts.contents}}
    verdicts: dict[UUID, Permitted] = {}
    oldest_first = sorted(facts.contents, key=lambda content: (content.invitation.created_at, content.invitation.id))
    for number, content in enumerate(oldest_first, start=1):
        if number % JUDGED_AT_ONCE == 0:
            await asyncio.sleep(0)
        invitation = content.invitation
        now = now_for(invitation)
        send_facts = SendFacts(
            orders=content.orders,
            suppressed=content.suppressed,
            has_feedback=content.has_feedback,
            others=[invitations[other_id] for other_id in content.other_ids if other_id in invitations],
            is_paused=invitation.channel in paused,
        )
        plan = facts.plans[invitation.policy_version]
        try:
            verdict = may_send(invitation, facts=send_facts, policy=policy, plan=plan, now=now)
        except Exception as error:
            log.exception("Failed to judge a message", invitation_id=str(invitation.id))
            judgement.concluded.append(conclude_failure(invitation, NOT_JUDGED, plan=plan, error=error, now=now))
            continue
        if isinstance(verdict, Send):
            verdicts[invitation.id] = Permitted(content, verdict)
            continue
        conclusion = conclude_verdict(invitation, verdict, now=now)
        judgement.concluded.append(conclusion)
        invitations[invitation.id] = conclusion.recording.invitation
    judgement.permitted = [
        verdicts[content.invitation.id] for content in facts.contents if content.invitation.id in verdicts
    ]
    return judgement
