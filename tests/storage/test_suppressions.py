from datetime import timedelta

from invite_service.domain.invitation import Channel
from invite_service.domain.suppression import (
    NewSuppression,
    Subject,
    SubjectKind,
    Suppression,
    SuppressionReason,
    SuppressionSource,
)
from tests.support.builders import NOON
from tests.support.ingesting import IngestHouse

KARI, OLA = "kari@example.com", "+4791234567"
OF_KARI, OF_OLA = Subject(SubjectKind.EMAIL, KARI), Subject(SubjectKind.PHONE, OLA)


async def test_suppressions_are_listed_for_the_contacts_that_carry_them(shop: IngestHouse) -> None:
    async with shop.database.transaction() as stores:
        await stores.suppressions.add(
            shop.merchant.id, [KARI, OLA], SuppressionReason.UNSUBSCRIBED, source=SuppressionSource.UNSUBSCRIBE, at=NOON
        )
        await stores.suppressions.add(
            shop.merchant.id, [KARI], SuppressionReason.HARD_BOUNCE, source=SuppressionSource.PROVIDER_ANSWER, at=NOON
        )
        of_kari = await stores.suppressions.list_suppressions(shop.merchant.id, [KARI, "nobody@example.com"])
        of_nobody = await stores.suppressions.list_suppressions(shop.merchant.id, [])
    assert sorted(of_kari, key=lambda suppression: suppression.reason) == [
        Suppression(KARI, SuppressionReason.HARD_BOUNCE, NOON, Channel.EMAIL),
        Suppression(KARI, SuppressionReason.UNSUBSCRIBED, NOON),
    ]
    assert of_nobody == []


async def test_suppressing_twice_keeps_the_first_date(shop: IngestHouse) -> None:
    for at in (NOON, NOON + timedelta(days=1)):
        async with shop.database.transaction() as stores:
            await stores.suppressions.add(
                shop.merchant.id, [KARI], SuppressionReason.COMPLAINED, source=SuppressionSource.PROVIDER_ANSWER, at=at
            )
    async with shop.database.transaction() as stores:
        found = await stores.suppressions.list_suppressions(shop.merchant.id, [KARI])
    assert found == [Suppression(KARI, SuppressionReason.COMPLAINED, NOON)]


def make_new(
    subject: Subject, *, channel: Channel | None = None, source: SuppressionSource = SuppressionSource.MERCHANT
) -> NewSuppression:
    return NewSuppression(
        subject=subject, reason=SuppressionReason.UNSUBSCRIBED, channel=channel, source=source, created_at=NOON
    )


async def test_of_several_entries_for_a_contact_the_widest_counts_in_any_order(shop: IngestHouse) -> None:
    narrow, wide = make_new(OF_KARI, channel=Channel.EMAIL), make_new(OF_KARI)
    added = []
    for given in ([narrow], [narrow, wide, narrow], [narrow]):
        async with shop.database.transaction() as stores:
            added.append(len(await stores.suppressions.enter(shop.merchant.id, given)))
            found = await stores.suppressions.list_suppressions(shop.merchant.id, [KARI])
    assert added == [1, 0, 0]
    assert found == [Suppression(KARI, SuppressionReason.UNSUBSCRIBED, NOON)]


async def test_customer_s_own_word_takes_the_merchant_s_place_and_not_the_other_way(shop: IngestHouse) -> None:
    sources = []
    for source in (SuppressionSource.IMPORT, SuppressionSource.UNSUBSCRIBE, SuppressionSource.MERCHANT):
        async with shop.database.transaction() as stores:
            await stores.suppressions.enter(shop.merchant.id, [make_new(OF_KARI, source=source)])
            [stored] = await stores.suppressions.list_stored(shop.merchant.id, [OF_KARI])
        sources.append(stored.source)
    assert sources == [SuppressionSource.IMPORT, SuppressionSource.UNSUBSCRIBE, SuppressionSource.UNSUBSCRIBE]


async def test_what_a_customer_said_is_not_lifted_whoever_asks(shop: IngestHouse) -> None:
    async with shop.database.transaction() as stores:
        own = await stores.suppressions.enter(shop.merchant.id, [make_new(OF_OLA)])
        said = await stores.suppressions.enter(
            shop.merchant.id, [make_new(OF_KARI, source=SuppressionSource.UNSUBSCRIBE)]
        )
        assert await stores.suppressions.lift(shop.merchant.id, own | said) == own


async def test_wildcards_cover_their_domain_or_those_below_it(shop: IngestHouse) -> None:
    at_domain, below = Subject(SubjectKind.DOMAIN, "@one.example"), Subject(SubjectKind.DOMAIN, "@.two.example")
    contacts = {"a@one.example", "a@mail.one.example", "a@two.example", "a@mail.two.example", "a@x.y.two.example", OLA}
    async with shop.database.transaction() as stores:
        assert await stores.suppressions.list_covering(shop.merchant.id, contacts) == []
        await stores.suppressions.enter(shop.merchant.id, [make_new(at_domain), make_new(below)])
        covered = await stores.suppressions.list_covering(shop.merchant.id, contacts)
        carried = await stores.suppressions.list_suppressions(shop.merchant.id, contacts)
    assert {found.contact for found in covered} == {"a@one.example", "a@mail.two.example", "a@x.y.two.example"}
    assert carried == []
