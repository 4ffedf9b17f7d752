from datetime import timedelta
from typing import Any

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel
from invite_service.domain.texts import AsksFor, FixedText, MerchantText, TextName
from invite_service.storage.branding import Look
from invite_service.storage.database import Database
from invite_service.storage.texts import TestMessage as SentTest
from tests.support.builders import MERCHANT_ID, NOON, make_merchant, new_id
from tests.support.ingesting import add_merchant

OTHER = make_merchant(id="other-shop")


def make_text(version: int, **changes: Any) -> MerchantText:
    text: dict[str, Any] = {
        "name": TextName.PRODUCT_1,
        "language": "nb",
        "version": version,
        "fields": {"subject": "Hei {{ customer_name }}", "body": ("En", "To")},
        "changed_at": NOON,
        "changed_by": "key:shop",
    }
    return MerchantText(**{**text, **changes})


async def test_saved_text_comes_back_and_every_version_is_kept(database: Database) -> None:
    first = make_text(1)
    second = make_text(2, fields={}, asks_for=AsksFor.STARS)
    english = make_text(3, language="en")
    elsewhere = make_text(9)
    async with database.transaction() as stores:
        for merchant in (make_merchant(), OTHER):
            await stores.merchants.add(merchant)
        assert await stores.texts.find_last_version(MERCHANT_ID) == 0
        for text in (first, second, english):
            await stores.texts.add(MERCHANT_ID, text)
        await stores.texts.add(OTHER.id, elsewhere)
    async with database.transaction() as stores:
        assert await stores.texts.find_last_version(MERCHANT_ID) == 3
        assert await stores.texts.get(MERCHANT_ID, TextName.PRODUCT_1, "nb") == second
        unset = MerchantText(name=TextName.PAGE, language="nb")
        assert await stores.texts.get(MERCHANT_ID, TextName.PAGE, "nb") == unset
        assert await stores.texts.list_at(MERCHANT_ID, 3) == [english, second]
        assert await stores.texts.list_at(MERCHANT_ID, 1) == [first]
        assert await stores.texts.list_at(OTHER.id, 9) == [elsewhere]


async def test_look_is_branding_and_the_version_of_the_texts(database: Database) -> None:
    await add_merchant(database, make_merchant())
    branding = Branding(version=1, sender_name="Gaver", support_phone="22 00 00 00", homepage_url="https://x.example")
    async with database.transaction() as stores:
        assert await stores.branding.get_look(MERCHANT_ID) == Look(Branding(), 0)
        await stores.texts.add(MERCHANT_ID, make_text(4))
        assert await stores.branding.get_look(MERCHANT_ID) == Look(Branding(), 4)
        await stores.branding.replace(MERCHANT_ID, branding, replacing=0, at=NOON)
        assert await stores.branding.get_look(MERCHANT_ID) == Look(branding, 4)
        assert await stores.branding.get(MERCHANT_ID) == branding


async def test_test_messages_are_counted_from_an_instant(database: Database) -> None:
    await add_merchant(database, make_merchant())
    async with database.transaction() as stores:
        texts: tuple[TextName | FixedText, ...] = (TextName.SERVICE, TextName.VOUCHER, FixedText.SUPPORT_ALERT)
        tests = [
            SentTest(
                id=new_id(),
                text=text,
                language="nb",
                channel=Channel.EMAIL,
                sent_at=NOON + timedelta(minutes=minutes),
                sent_by="key:shop",
            )
            for minutes, text in enumerate(texts)
        ]
        for test in tests:
            await stores.texts.add_test_message(MERCHANT_ID, test)
        assert await stores.texts.count_test_messages(MERCHANT_ID, since=NOON) == 2
        await stores.texts.remove_test_message(OTHER.id, tests[2].id)
        await stores.texts.remove_test_message(MERCHANT_ID, tests[1].id)
        assert await stores.texts.count_test_messages(MERCHANT_ID, since=NOON) == 1
        assert await stores.texts.count_test_messages(OTHER.id, since=NOON - timedelta(days=1)) == 0
