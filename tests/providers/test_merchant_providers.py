"""What merchants may choose from, and what of it leads where."""

from datetime import UTC, datetime

import pytest

from invite_service.domain.errors import ProviderSettingsError
from invite_service.domain.invitation import Channel
from invite_service.domain.message import Message
from invite_service.providers.email.smtp import SmtpSender
from invite_service.providers.event_addresses import EventAddresses
from invite_service.providers.merchant_providers import MerchantProviders
from invite_service.providers.reach import EVERYWHERE, Reach
from tests.providers.played import make_sms
from tests.providers.sms_companies import Elks, form_of
from tests.support.vendor_server import VendorServer

POSTMARK = {"server_token": "5a1b"}
URL = "smtp://mail.example.com?connections=3"


def utc_now() -> datetime:
    return datetime.now(UTC)


class NoMailbox:
    async def keep(self, message: Message) -> None:
        raise AssertionError("nothing is sent here")


async def test_merchants_choose_from_what_reaches_customers_and_stays_out_of_the_installation() -> None:
    providers = MerchantProviders(mailbox=NoMailbox(), clock=utc_now, reach=Reach())
    chosen = providers.read("smtp", {"url": URL}, channel=Channel.EMAIL)
    assert chosen.name == "smtp"
    assert chosen == providers.read("smtp", {"url": URL}, channel=Channel.EMAIL)
    assert len({chosen, providers.read("smtp", {"url": f"{URL}0"}, channel=Channel.EMAIL)}) == 2
    assert isinstance(chosen.create_sender(), SmtpSender)
    refused = [
        ("mailbox", {}, "provider_unknown"),
        ("smtp", {"url": f"{URL}&ca_file=/etc/passwd"}, "ca_file_not_allowed"),
    ]
    for provider, options, code in refused:
        with pytest.raises(ProviderSettingsError) as caught:
            providers.read(provider, options, channel=Channel.EMAIL)
        assert [fault.code for fault in caught.value.faults] == [code]
    inside = [
        ("smtp", {"url": "smtp://localhost"}, "/options/url"),
        ("postmark", POSTMARK | {"api_url": "https://169.254.169.254/latest"}, "/options/api_url"),
    ]
    for provider, options, pointer in inside:
        with pytest.raises(ProviderSettingsError) as caught:
            await providers.read(provider, options, channel=Channel.EMAIL).check_reach()
        assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [(pointer, "address_not_allowed")]
    await providers.read("smtp", {"url": "smtp://nowhere.invalid"}, channel=Channel.EMAIL).check_reach()


async def test_sender_of_a_merchant_says_where_to_tell_what_became_of_its_messages() -> None:
    async with VendorServer(Elks()) as server:
        events = EventAddresses("https://reviews.example.com")
        providers = MerchantProviders(mailbox=NoMailbox(), clock=utc_now, reach=EVERYWHERE, events=events)
        username, password = Elks.login
        options = {"api_username": username, "api_password": password, "api_url": server.url, "webhook_secret": "s"}
        sender = providers.read("46elks", options, channel=Channel.SMS).create_sender()
        await sender.send(make_sms())
        await sender.close()

    assert form_of(server.requests[0])["whendelivered"] == (
        f"https://reviews.example.com/provider-events/46elks/gift-shop?secret=s&attempt_id={make_sms().attempt_id}"
    )
