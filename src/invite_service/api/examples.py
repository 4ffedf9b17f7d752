"""Examples of the OpenAPI document, by the name of the schema they are of; a test holds each to its schema."""

from typing import Any, Final

_ORDER: Final = {
    "order_id": "A-1001",
    "status": "shipped",
    "purchased_at": "2026-03-02T10:00:00+01:00",
    "customer": {"id": "c-77", "email": "kari@example.com", "name": "Kari Nordmann", "phone": "+4791234567"},
    "language": "nb",
    "country": "NO",
    "products": [
        {"id": "t1", "name": "Tent", "url": "https://shop.example/p/t1", "price": "1990.00", "currency": "NOK"}
    ],
}

_INVITATION: Final = {
    "id": "019cae0f-4d20-7c11-8a60-0e9d2f6a7b31",
    "kind": "product",
    "channel": "email",
    "language": "nb",
    "status": "scheduled",
    "steps": ["product_1", "product_2"],
    "next_step": "product_1",
    "send_at": "2026-03-16T10:40:29Z",
    "products": ["t1"],
    "order_ids": ["A-1001"],
    "created_at": "2026-03-02T12:00:00Z",
    "first_sent_at": None,
    "last_sent_at": None,
    "message_count": 0,
    "ended_reason": None,
    "contact": "kari@example.com",
    "customer_name": "Kari Nordmann",
    "time_zone": "Europe/Oslo",
    "policy_version": 1,
    "held_at": None,
    "send_now": False,
    "rescheduled_to": None,
}

PROBLEM_EXAMPLE: Final = {
    "type": "urn:invite-service:problem:invalid_input",
    "title": "Invalid input",
    "status": 422,
    "code": "invalid_input",
    "detail": "The body has faults.",
    "request_id": "0192f3a4-7c1e-7b5a-9d2e-3f4a5b6c7d8e",
    "errors": [{"pointer": "/products/0/id", "code": "missing", "detail": "This field is required."}],
}

EXAMPLES: Final[dict[str, Any]] = {
    "ApiKeyRequest": {"merchant_id": "nordic-gear", "name": "webshop", "scopes": ["orders:write", "orders:read"]},
    "BatchRequest": {"orders": [_ORDER]},
    "BrandingRequest": {
        "logo_url": "https://nordic-gear.example/logo.png",
        "primary_color": "#1f4b3f",
        "sender_name": "Nordic Gear",
        "support_email": "help@nordic-gear.example",
    },
    "ChannelRequest": {
        "provider": "smtp",
        "credentials": {"url": "smtp://user:password@mail.nordic-gear.example"},
        "from": {"address": "hello@nordic-gear.example", "name": "Nordic Gear"},
    },
    "TextRequest": {
        "fields": {
            "subject": "{{ customer_name | default: 'Hi' }}, has everything arrived?",
            "body": ["Thank you for order {{ order_id }}.", "Is everything there?"],
        },
        "asks_for": "delivery",
    },
    "ClockRequest": {"advance": "P15D"},
    "DecisionResponse": {
        "order_id": "A-1001",
        "outcome": "invited",
        "reason": None,
        "eligible_at": None,
        "invitation": _INVITATION,
        "trace": [
            {"rule": "trigger_status", "outcome": "passed", "reason": None, "data": {"status": "shipped"}},
            {
                "rule": "invite",
                "outcome": "decided",
                "reason": "invited",
                "data": {"kind": "product", "channel": "email", "send_at": "2026-03-16T10:40:29+00:00"},
            },
        ],
    },
    "InvitationResponse": _INVITATION,
    "MerchantRequest": {
        "id": "nordic-gear",
        "name": "Nordic Gear",
        "time_zone": "Europe/Oslo",
        "homepage_url": "https://nordic-gear.example",
        "sandbox": True,
    },
    "OrderRequest": _ORDER,
    "PolicyPatch": {"product_delay_days": 10, "send_days": ["mon", "tue", "wed", "thu", "fri"]},
    "ProblemResponse": PROBLEM_EXAMPLE,
    "PublishingPatch": {"approval": "support_trigger", "support_hold_scope": "all_ratings", "holiday_country": "NO"},
    "RejectRequest": {"reason": "personal_data", "parts": ["review"]},
    "ReconciliationResponse": {
        "received": 500,
        "outcomes": {"invited": 310, "merged": 12, "blocked": 170, "waiting": 5, "cancelled": 3},
        "reasons": {"no_contact": 20, "products_asked_recently": 150, "status_not_triggering": 5},
        "links": {
            "received": "/v1/orders",
            "outcomes": {
                outcome: f"/v1/orders?outcome={outcome}"
                for outcome in ("invited", "merged", "blocked", "waiting", "cancelled")
            },
            "reasons": {
                reason: f"/v1/orders?reason={reason}"
                for reason in ("no_contact", "products_asked_recently", "status_not_triggering")
            },
        },
    },
    "RescheduleRequest": {"date": "2026-03-20"},
    "ExportRequest": {"contact": "kari@example.com"},
    "EraseRequest": {"contact": "kari@example.com", "keep_reviews": False},
    "SubjectRequest": {"contact": "kari@example.com"},
    "SuppressionsRequest": {
        "suppressions": [
            {"contact": "kari@example.com", "reason": "unsubscribed", "since": "2026-02-11T09:00:00Z"},
            {"contact": "+4791234567", "channel": "sms", "note": "asked by phone"},
            {"contact": "*@rival.example"},
        ]
    },
    "SendReportResponse": {
        "now": "2026-03-17T12:00:00Z",
        "sent": 1,
        "skipped": 0,
        "missed": 0,
        "failed": 0,
        "in_doubt": 0,
    },
}
