"""The companies' own libraries, each told to send a message of the tests, or to look for it, at a server of ours."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import brevo
import elkme.elks
import mailgun.client
import mailjet_rest
import postmark.sync
import resend
import sendgrid
import sinch
import twilio.rest
from brevo.transactional_emails import (
    SendTransacEmailRequestReplyTo,
    SendTransacEmailRequestSender,
    SendTransacEmailRequestToItem,
)
from sendgrid.helpers import mail as sendgrid_mail

from invite_service.domain.message import Message
from tests.providers.companies import Brevo, Mailgun, Mailjet, Postmark, Resend, SendGrid
from tests.providers.played import PlayedCompany
from tests.providers.sms_companies import Elks, Sinch, Twilio

Made = Callable[[], PlayedCompany]

Post = Callable[[str, Message], object]
"""Sends one message to the API at a URL; whatever the library takes for a failure, it raises."""


def _post_with_brevo(url: str, message: Message) -> object:
    client = brevo.Brevo(api_key=Brevo.key, base_url=f"{url}/v3", max_retries=0)
    return client.transactional_emails.send_transac_email(
        sender=SendTransacEmailRequestSender(email=message.from_address, name=message.from_name),
        to=[SendTransacEmailRequestToItem(email=message.to_address, name=message.to_name)],
        reply_to=SendTransacEmailRequestReplyTo(email=message.reply_to),
        subject=message.subject,
        text_content=message.text,
        html_content=message.html,
        headers={
            **message.headers,
            "X-Mailin-custom": str(message.attempt_id),
            "idempotencyKey": str(message.attempt_id),
        },
    )


def _post_with_elkme(url: str, message: Message) -> object:
    client = elkme.elks.Elks(auth=Elks.login, api_url=f"{url}/a1")
    # The library calls it SMS, and the company's pages sms.
    payload = client.format_sms_payload(message.text, message.to_address, sender=message.from_address)
    return client.query_api(payload, endpoint="sms")


def _post_with_mailgun(url: str, message: Message) -> object:
    client = mailgun.client.Client(auth=("api", Mailgun.key), api_url=url)
    switched_off = ("o:tracking", "o:tracking-clicks", "o:tracking-opens")
    answer = client.mimemessage.create(
        domain="mg.example.com",
        data={"to": message.to_address, "v:attempt_id": str(message.attempt_id), **dict.fromkeys(switched_off, "no")},
        files={"message": ("message.eml", message.raw, "message/rfc822")},
    )
    answer.raise_for_status()
    return answer


def _post_with_mailjet(url: str, message: Message) -> object:
    client = mailjet_rest.Client(auth=Mailjet.keys, version="v3.1", api_url=f"{url}/")
    content = {
        "From": {"Email": message.from_address, "Name": message.from_name},
        "To": [{"Email": message.to_address, "Name": message.to_name}],
        "ReplyTo": {"Email": message.reply_to},
        "Subject": message.subject,
        "TextPart": message.text,
        "HTMLPart": message.html,
        "Headers": dict(message.headers),
        "CustomID": str(message.attempt_id),
        "TrackOpens": "disabled",
        "TrackClicks": "disabled",
    }
    answer = client.send.create(data={"Messages": [content]})
    answer.raise_for_status()
    return answer


def _post_with_postmark(url: str, message: Message) -> object:
    headers = {**message.headers, "Message-ID": message.message_id, "X-PM-KeepID": "true"}
    client = postmark.sync.ServerClient(Postmark.token, base_url=url, retries=0)
    return client.outbound.send(
        {
            "sender": f'"{message.from_name}" <{message.from_address}>',
            "to": f'"{message.to_name}" <{message.to_address}>',
            "reply_to": message.reply_to,
            "subject": message.subject,
            "text_body": message.text,
            "html_body": message.html,
            "headers": [{"Name": name, "Value": value} for name, value in headers.items()],
            "metadata": {"attempt_id": str(message.attempt_id)},
            "message_stream": "outbound",
            "track_opens": False,
            "track_links": "None",
        }
    )


def _post_with_resend(url: str, message: Message) -> object:
    resend.api_key, resend.api_url = Resend.key, url
    return resend.Emails.send(
        {
            "from": f"{message.from_name} <{message.from_address}>",
            "to": [f"{message.to_name} <{message.to_address}>"],
            "reply_to": message.reply_to,
            "subject": message.subject,
            "text": message.text,
            "html": message.html,
            "headers": {**message.headers, "Message-ID": message.message_id},
            "tags": [{"name": "attempt_id", "value": str(message.attempt_id)}],
        },
        {"idempotency_key": message.idempotency_key},
    )


def _post_with_sendgrid(url: str, message: Message) -> object:
    content = sendgrid_mail.Mail()
    personalization = sendgrid_mail.Personalization()
    personalization.add_to(sendgrid_mail.To(message.to_address, message.to_name))
    personalization.add_custom_arg(sendgrid_mail.CustomArg("attempt_id", str(message.attempt_id)))
    content.add_personalization(personalization)
    content.from_email = sendgrid_mail.From(message.from_address, message.from_name)
    content.reply_to = sendgrid_mail.ReplyTo(message.reply_to)
    content.subject = sendgrid_mail.Subject(message.subject)
    content.add_content(sendgrid_mail.Content("text/plain", message.text))
    content.add_content(sendgrid_mail.Content("text/html", message.html))
    for name, value in {**message.headers, "Message-ID": message.message_id}.items():
        content.add_header(sendgrid_mail.Header(name, value))
    content.tracking_settings = sendgrid_mail.TrackingSettings(
        click_tracking=sendgrid_mail.ClickTracking(enable=False, enable_text=False),
        open_tracking=sendgrid_mail.OpenTracking(enable=False),
        subscription_tracking=sendgrid_mail.SubscriptionTracking(enable=False),
    )
    return sendgrid.SendGridAPIClient(SendGrid.key, host=url).send(content)


def _post_with_sinch(url: str, message: Message) -> object:
    return open_sinch(url).sms.batches.send_sms(
        to=[message.to_address],
        from_=message.from_address,
        body=message.text,
        delivery_report="none",
        client_reference=str(message.attempt_id),
    )


def _post_with_twilio(url: str, message: Message) -> object:
    return open_twilio(url).messages.create(to=message.to_address, from_=message.from_address, body=message.text)


POSTS: Mapping[Made, Post] = {
    Brevo: _post_with_brevo,
    Elks: _post_with_elkme,
    Mailgun: _post_with_mailgun,
    Mailjet: _post_with_mailjet,
    Postmark: _post_with_postmark,
    Resend: _post_with_resend,
    SendGrid: _post_with_sendgrid,
    Sinch: _post_with_sinch,
    Twilio: _post_with_twilio,
}

Ask = Callable[[str, Message, datetime], object]
"""Looks at the API at a URL for a message that was handed over at an instant."""


def _ask_with_mailgun(url: str, message: Message, at: datetime) -> object:
    client = mailgun.client.Client(auth=("api", Mailgun.key), api_url=url)
    return client.events.get(domain="mg.example.com", filters={"message-id": message.message_id[1:-1], "limit": 1})


def _ask_with_mailjet(url: str, message: Message, at: datetime) -> object:
    client = mailjet_rest.Client(auth=Mailjet.keys, api_url=f"{url}/")
    return client.message.get(filters={"CustomID": str(message.attempt_id), "Limit": 1})


def _ask_with_sinch(url: str, message: Message, at: datetime) -> object:
    return open_sinch(url).sms.batches.list(
        client_reference=str(message.attempt_id), start_date=at - timedelta(minutes=5), page_size=1
    )


def _ask_with_twilio(url: str, message: Message, at: datetime) -> object:
    return open_twilio(url).messages.page(
        date_sent_after=at - timedelta(seconds=30), date_sent_before=at + timedelta(minutes=5), page_size=1000
    )


ASKS: Mapping[Made, Ask] = {
    Mailgun: _ask_with_mailgun,
    Mailjet: _ask_with_mailjet,
    Sinch: _ask_with_sinch,
    Twilio: _ask_with_twilio,
}


def open_sinch(url: str) -> Any:
    client = sinch.SinchClient(service_plan_id=Sinch.plan, sms_api_token=Sinch.token, sms_region="eu")
    client.configuration.sms_domain_with_service_plan_id = url
    return client


def open_twilio(url: str) -> Any:
    client = twilio.rest.Client(*Twilio.key, Twilio.account)
    client.api.base_url = url
    return client
