"""Channels: whose provider messages leave through, what is kept of its credentials, and what a check says."""

from collections.abc import Mapping
from datetime import timedelta
from io import StringIO
from ipaddress import ip_network
from typing import Any
from unittest.mock import ANY

import pytest

from invite_service.config import Settings
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from tests.api.conftest import Api, Clock, MerchantClient, make_problem, serve
from tests.support.sending import driver_of
from tests.support.smtp_server import ScriptedSmtpServer

PASSWORD = "hunter2-hunter2"
CREDENTIALS = ("shop", PASSWORD)

UNSET: dict[str, Any] = {
    "channel": "email",
    "version": 0,
    "provider": None,
    "credentials": {"set": False, "updated_at": None},
    "from": None,
    "reply_to": None,
    "price": None,
    "record_opens": False,
    "max_per_second": None,
    "max_per_hour": None,
    "events_url": None,
    "updated_at": None,
    "last_check": None,
    "circuit": None,
    "paused_at": None,
    "paused_reason": None,
    "warnings": [],
}
NOW = "2026-03-02T12:00:00Z"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Those of an installation whose merchants may have their servers on loopback."""
    return settings.model_copy(update={"provider_networks": (ip_network("127.0.0.0/8"),)})


def smtp(port: int, password: str = PASSWORD) -> dict[str, Any]:
    return {
        "provider": "smtp",
        "credentials": {"url": f"smtp://shop:{password}@127.0.0.1:{port}?starttls=never"},
        "from": {"address": "hei@gifts.example", "name": "Gaver"},
    }


async def put(
    merchant: MerchantClient, body: Mapping[str, Any], *, channel: str = "email", if_match: str | None = "*"
) -> Any:
    headers = {"If-Match": if_match} if if_match is not None else {}
    return await merchant.request("PUT", f"/v1/channels/{channel}", json=body, headers=headers)


async def rows(api: Api, query: str) -> list[Any]:
    async with api.context.database.transaction() as stores:
        return list(await driver_of(stores).fetch(query))


async def pause(api: Api, *, version: int, reason: str = "auth_failed") -> None:
    async with api.context.database.transaction() as stores:
        assert await stores.sending.pause_channel(
            MerchantId("gift-shop"), "email", version=version, real_now=api.clock.now, reason=reason
        )


async def test_channel_works_before_anything_is_set(merchant: MerchantClient) -> None:
    answer = await merchant.get("/v1/channels/email")
    assert answer.headers["etag"] == '"0"'
    assert answer.json() == UNSET
    price = {"amount": "0.40", "currency": "NOK"}
    assert (await merchant.get("/v1/channels/sms")).json() == UNSET | {"channel": "sms", "price": price}


async def test_settings_are_replaced_as_a_whole_and_credentials_never_shown(
    api: Api, merchant: MerchantClient, log: StringIO
) -> None:
    answer = await put(merchant, smtp(2525) | {"reply_to": "svar@gifts.example"}, if_match='"0"')
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"1"'
    assert answer.json() == UNSET | {
        "version": 1,
        "provider": "smtp",
        "credentials": {"set": True, "updated_at": NOW},
        "from": {"address": "hei@gifts.example", "name": "Gaver"},
        "reply_to": "svar@gifts.example",
        "updated_at": NOW,
    }
    assert (await merchant.get("/v1/channels/email")).json() == answer.json()
    [row] = await rows(api, "SELECT * FROM channel_settings")
    assert row["key_id"].startswith("secret-")
    kept = await rows(api, "SELECT t::text FROM timeline_entries AS t")
    for told in (
        answer.content,
        row["sealed_options"],
        repr(kept).encode(),
        repr(row).encode(),
        log.getvalue().encode(),
    ):
        for secret in (PASSWORD.encode(), b"127.0.0.1:2525", b"starttls"):
            assert secret not in told


async def test_limits_are_set_without_a_provider_of_ones_own_and_taken_away_again(
    api: Api, merchant: MerchantClient
) -> None:
    answer = await put(merchant, {"max_per_second": 2, "max_per_hour": 3600})
    assert answer.status_code == 200, answer.text
    assert answer.json() == UNSET | {
        "version": 1,
        "max_per_second": 2.0,
        "max_per_hour": 3600,
        "updated_at": NOW,
    }
    assert (await put(merchant, {"max_per_hour": 3600})).json()["max_per_second"] is None
    reset = await merchant.request("DELETE", "/v1/channels/email", headers={"If-Match": "*"})
    assert reset.json()["max_per_hour"] is None
    told = await rows(api, "SELECT data -> 'changed' AS changed FROM timeline_entries ORDER BY id")
    assert [entry["changed"] for entry in told] == [
        ["max_per_second", "max_per_hour"],
        ["max_per_second"],
        ["max_per_hour"],
    ]


async def test_credentials_that_are_left_out_stay_as_long_as_the_provider_does(
    api: Api, merchant: MerchantClient
) -> None:
    await put(merchant, smtp(2525))
    [before] = await rows(api, "SELECT sealed_options FROM channel_settings")
    body = smtp(2525)
    del body["credentials"]
    answer = await put(merchant, body | {"from": {"address": "post@gifts.example"}}, if_match='"1"')
    assert answer.status_code == 200, answer.text
    assert answer.json()["credentials"] == {"set": True, "updated_at": NOW}
    assert answer.json()["from"] == {"address": "post@gifts.example", "name": None}
    assert await rows(api, "SELECT sealed_options FROM channel_settings") == [before]
    without_provider = await put(merchant, {"from": {"address": "post@gifts.example"}})
    assert without_provider.json()["credentials"] == {"set": False, "updated_at": None}
    again = await put(merchant, body)
    assert again.json() == make_problem(
        "provider_settings_invalid",
        422,
        "The settings of the channel have faults.",
        ("/credentials/url", "option_missing", "url is required"),
        request_id=ANY,
    )


async def test_settings_are_not_replaced_unseen(merchant: MerchantClient) -> None:
    assert (await put(merchant, smtp(2525), if_match=None)).status_code == 428
    assert (await put(merchant, smtp(2525), if_match='"7"')).status_code == 412
    assert (await put(merchant, smtp(2525), if_match='"0"')).status_code == 200
    stale = await put(merchant, {}, if_match='"0"')
    assert stale.status_code == 412
    assert stale.json() == make_problem(
        "version_mismatch", 412, "The channel was changed meanwhile; read it again.", request_id=ANY
    )
    assert (await merchant.request("DELETE", "/v1/channels/email")).status_code == 428
    deleting = await merchant.request("DELETE", "/v1/channels/email", headers={"If-Match": '"0"'})
    assert deleting.status_code == 412


async def test_reset_goes_back_to_the_installation_and_keeps_nothing(api: Api, merchant: MerchantClient) -> None:
    await put(merchant, smtp(2525))
    for _ in range(2):
        answer = await merchant.request("DELETE", "/v1/channels/email", headers={"If-Match": "*"})
        assert answer.status_code == 200
        assert answer.json() == UNSET | {"version": 2, "updated_at": NOW}
    [row] = await rows(api, "SELECT provider, sealed_options, key_id, from_address FROM channel_settings")
    assert set(row.values()) == {None}


async def test_changes_stand_in_the_timeline_with_who_made_them(api: Api, merchant: MerchantClient) -> None:
    await put(merchant, smtp(1))
    await put(merchant, {"provider": "smtp", "from": {"address": "post@gifts.example"}})
    await merchant.post("/v1/channels/email/check")
    await merchant.request("DELETE", "/v1/channels/email", headers={"If-Match": "*"})
    told = await rows(api, "SELECT actor, event, reason, data FROM timeline_entries ORDER BY id")
    assert [tuple(entry.values()) for entry in told] == [
        (
            "key:first",
            "channel_changed",
            None,
            {
                "channel": "email",
                "version": 1,
                "provider": "smtp",
                "changed": ["provider", "credentials", "from"],
            },
        ),
        (
            "key:first",
            "channel_changed",
            None,
            {"channel": "email", "version": 2, "provider": "smtp", "changed": ["from"]},
        ),
        (
            "key:first",
            "channel_checked",
            "connection_refused",
            {"channel": "email", "version": 2, "provider": "smtp", "outcome": "not_sent"},
        ),
        (
            "key:first",
            "channel_reset",
            None,
            {"channel": "email", "version": 3, "provider": None, "changed": ["provider", "credentials", "from"]},
        ),
    ]


@pytest.mark.parametrize(
    ("channel", "body", "faults"),
    [
        (
            "email",
            {"provider": "smtp", "credentials": {"url": "smtp://hunter2@mail.example.com:x", "colour": "hunter2"}},
            [
                ("/from", "missing"),
                ("/credentials", "option_unknown"),
                ("/credentials/url", "port_invalid"),
                ("/credentials/url", "credentials_incomplete"),
            ],
        ),
        (
            "email",
            {
                "provider": "smtp",
                "credentials": {"url": "hunter2"},
                "from": {"address": "hunter2", "name": "A\r\nBcc: hunter2"},
                "reply_to": "hunter2",
                "price": {"amount": "-1", "currency": "XXY"},
                "hunter": 2,
            },
            [
                ("/from/name", "invalid_format"),
                ("/reply_to", "invalid_format"),
                ("/price/amount", "invalid_format"),
                ("/price/currency", "not_a_choice"),
                ("/hunter", "unknown_field"),
                ("/credentials/url", "scheme_unknown"),
                ("/credentials/url", "url_invalid"),
                ("/credentials/url", "host_invalid"),
            ],
        ),
        (
            "email",
            {"provider": "smtp", "credentials": {"url": 7}, "from": {"address": "hei@gifts.example"}},
            [("/credentials/url", "invalid_type")],
        ),
        ("email", {"provider": "pigeon"}, [("/from", "missing"), ("/provider", "provider_unknown")]),
        ("email", {"provider": "mailbox", "from": {"address": "a@b.example"}}, [("/provider", "provider_unknown")]),
        ("email", {"credentials": {"url": "hunter2"}}, [("/credentials", "provider_missing")]),
        (
            "email",
            {"from": {"address": "hunter2"}, "price": {"amount": "1", "currency": "NOK"}},
            [("/price", "not_of_channel"), ("/from/address", "invalid_format")],
        ),
        (
            "email",
            {
                "provider": "smtp",
                "credentials": {"url": "smtp://mail.example.com?ca_file=/etc/hunter2"},
                "from": {"address": "hei@gifts.example"},
            },
            [("/credentials/url", "ca_file_not_allowed")],
        ),
        (
            "sms",
            {"from": {"address": "Much too long", "name": "Shop"}, "reply_to": "a@b.example"},
            [
                ("/reply_to", "not_of_channel"),
                ("/from/name", "not_of_channel"),
                ("/from/address", "invalid_format"),
            ],
        ),
        ("sms", {"provider": "smtp", "credentials": {}}, [("/provider", "provider_unknown")]),
        (
            "email",
            {"max_per_second": 0, "max_per_hour": 1.5},
            [("/max_per_second", "out_of_range"), ("/max_per_hour", "invalid_type")],
        ),
        (
            "sms",
            {"max_per_second": "hunter2", "max_per_hour": 3_600_001},
            [("/max_per_second", "invalid_format"), ("/max_per_hour", "out_of_range")],
        ),
    ],
)
async def test_faulty_settings_are_refused_with_every_fault_and_no_value(
    merchant: MerchantClient, channel: str, body: dict[str, Any], faults: list[tuple[str, str]], log: StringIO
) -> None:
    answer = await put(merchant, body, channel=channel)
    assert answer.status_code == 422, answer.text
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == faults
    assert "hunter2" not in answer.text
    assert "hunter2" not in log.getvalue()
    assert (await merchant.get(f"/v1/channels/{channel}")).json()["version"] == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "10.0.0.5", "169.254.169.254", "[::1]", "[fd00:ec2::254]"]
)
async def test_server_inside_the_installations_network_is_refused(database_url: str, host: str) -> None:
    settings = Settings.model_validate({"database_url": database_url, "secret_key": "s" * 32})
    async with serve(settings, clock=Clock()) as api:
        merchant = await api.make_merchant()
        body = smtp(2525) | {"credentials": {"url": f"smtp://{host}:2525"}}
        answer = await put(merchant, body)
        assert answer.json() == make_problem(
            "provider_settings_invalid",
            422,
            "The settings of the channel have faults.",
            ("/credentials/url", "address_not_allowed", "the server must be on the public internet"),
            request_id=ANY,
        )


async def test_server_whose_name_cannot_be_looked_up_is_saved(merchant: MerchantClient) -> None:
    body = smtp(2525) | {"credentials": {"url": "smtp://mail.gifts.invalid"}}
    assert (await put(merchant, body)).status_code == 200


async def test_check_says_what_is_wrong_and_a_successful_one_opens_the_channel(
    api: Api, merchant: MerchantClient, log: StringIO
) -> None:
    async with ScriptedSmtpServer(credentials=CREDENTIALS) as server:
        await put(merchant, smtp(server.port, "wrong-hunter2"))
        await pause(api, version=1)
        refused = await merchant.post("/v1/channels/email/check")
        assert refused.status_code == 200
        assert refused.json() == UNSET | {
            "version": 1,
            "provider": "smtp",
            "credentials": {"set": True, "updated_at": NOW},
            "from": {"address": "hei@gifts.example", "name": "Gaver"},
            "updated_at": NOW,
            "last_check": {"at": NOW, "outcome": "misconfigured", "reason": "auth_failed"},
            "paused_at": NOW,
            "paused_reason": "auth_failed",
        }
        mended = await put(merchant, smtp(server.port))
        assert mended.json()["last_check"] is None
        assert mended.json()["paused_reason"] == "auth_failed"
        works = await merchant.post("/v1/channels/email/check")
        assert works.json() == mended.json() | {
            "last_check": {"at": NOW, "outcome": "accepted", "reason": "settings_work"},
            "paused_at": None,
            "paused_reason": None,
        }
        assert (await merchant.get("/v1/channels/email")).json() == works.json()
        assert server.messages == []
    [resumed] = await rows(api, "SELECT actor, reason, data FROM timeline_entries WHERE event = 'channel_resumed'")
    assert tuple(resumed.values()) == ("key:first", "settings_work", {"channel": "email"})
    assert "hunter2" not in log.getvalue()


async def test_provider_that_fails_is_shown_and_opened_by_hand(api: Api, merchant: MerchantClient) -> None:
    async with api.context.database.transaction() as stores:
        await stores.circuits.open(
            MerchantId(merchant.id),
            Channel.EMAIL,
            provider="smtp",
            version=0,
            reason="timed_out",
            real_now=api.clock.now,
            durations=[timedelta(seconds=30)],
        )
    circuit = {
        "provider": "smtp",
        "openings": 1,
        "reason": "timed_out",
        "open_until": "2026-03-02T12:00:30Z",
        "rests_until": None,
    }
    assert (await merchant.get("/v1/channels/email")).json() == UNSET | {"circuit": circuit}
    assert (await merchant.post("/v1/channels/email/resume")).json() == UNSET


async def test_check_without_a_provider_says_so(merchant: MerchantClient) -> None:
    answer = await merchant.post("/v1/channels/sms/check")
    assert answer.json()["last_check"] == {"at": NOW, "outcome": "misconfigured", "reason": "no_provider"}
    assert (await put(merchant, {"from": {"address": "GiftShop"}}, channel="sms", if_match='"0"')).status_code == 200


async def test_sandbox_is_checked_by_its_mailbox(api: Api) -> None:
    sandbox = await api.make_merchant("sandbox", sandbox=True)
    answer = await sandbox.post("/v1/channels/email/check")
    assert answer.json()["last_check"] == {"at": ANY, "outcome": "accepted", "reason": "settings_work"}


async def test_price_of_an_sms_is_the_merchants(merchant: MerchantClient) -> None:
    body = {"from": {"address": "+4790000001"}, "price": {"amount": "0.075", "currency": "eur"}}
    answer = await put(merchant, body, channel="sms")
    assert answer.json() == UNSET | {
        "channel": "sms",
        "version": 1,
        "from": {"address": "+4790000001", "name": None},
        "price": {"amount": "0.075", "currency": "EUR"},
        "updated_at": NOW,
    }
    assert (await merchant.get("/v1/channels/sms")).json() == answer.json()


async def test_name_as_sender_is_saved_with_what_to_know_of_it(merchant: MerchantClient) -> None:
    answer = await put(merchant, {"from": {"address": "GiftShop"}}, channel="sms")
    assert [warning["code"] for warning in answer.json()["warnings"]] == [
        "sender_takes_no_answers",
        "sender_refused_in_countries",
        "sender_registered_in_countries",
        "sender_replaced_in_countries",
    ]
    assert (await merchant.get("/v1/channels/sms")).json() == answer.json()


async def test_provider_of_sms_is_a_merchants_own_and_tells_its_events_to_an_address(merchant: MerchantClient) -> None:
    credentials = {"api_username": "u1", "api_password": PASSWORD, "webhook_secret": PASSWORD}
    answer = await put(merchant, {"provider": "46elks", "credentials": credentials}, channel="sms")
    assert answer.json() == UNSET | {
        "channel": "sms",
        "version": 1,
        "provider": "46elks",
        "credentials": {"set": True, "updated_at": NOW},
        "events_url": ANY,
        "price": {"amount": "0.40", "currency": "NOK"},
        "updated_at": NOW,
    }
    assert answer.json()["events_url"].endswith("/provider-events/46elks/gift-shop")
    faulty = await put(merchant, {"provider": "twilio", "credentials": {"account_sid": "AC1"}}, channel="sms")
    assert [error["pointer"] for error in faulty.json()["errors"]] == [
        "/credentials/api_key_secret",
        "/credentials/api_key_sid",
    ]


async def test_settings_are_one_merchants_and_one_channels(api: Api, merchant: MerchantClient) -> None:
    other = await api.make_merchant("toy-shop")
    await put(merchant, smtp(2525))
    assert (await other.get("/v1/channels/email")).json() == UNSET
    assert (await merchant.get("/v1/channels/sms")).json()["provider"] is None


async def test_a_paused_channel_is_shown_and_opened_again(api: Api, merchant: MerchantClient) -> None:
    await pause(api, version=0, reason="no_provider")
    assert (await merchant.get("/v1/channels/email")).json() == UNSET | {
        "paused_at": NOW,
        "paused_reason": "no_provider",
    }
    for _ in range(2):
        resumed = await merchant.post("/v1/channels/email/resume")
        assert resumed.status_code == 200
        assert resumed.json() == UNSET
    assert (await merchant.get("/v1/channels/email")).json() == UNSET


async def test_another_channel_does_not_exist(merchant: MerchantClient) -> None:
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/resume"), ("POST", "/check")):
        answer = await merchant.request(method, f"/v1/channels/fax{path}", headers={"If-Match": "*"})
        assert answer.status_code == 404
        assert answer.json() == make_problem("not_found", 404, "There is nothing at this address.", request_id=ANY)
