"""The OpenAPI document: what FastAPI finds, bodies that routes read themselves, and one set of problem answers."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi.utils import create_model_field
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from starlette.routing import BaseRoute

from invite_service.api.answers import JSON_TYPE
from invite_service.api.errors import PROBLEM_TYPE, STATUS_BY_CODE
from invite_service.api.examples import EXAMPLES
from invite_service.api.schemas.problem import ProblemResponse

API_KEY: Final = "api_key"
OPERATOR_KEY: Final = "operator_key"

_REF: Final = "#/components/schemas/{model}"
_CODES: Final = "x-problem-codes"
"""Extension of an operation: the codes of the problems it answers with."""

_ANYWHERE: Final = ("internal_error",)
_WITH_KEY: Final = ("api_key_invalid", "busy", "database_unavailable")
_KEYED: Final = (
    "invalid_input",
    "malformed_json",
    "body_too_large",
    "idempotency_answer_lost",
    "idempotency_key_busy",
    "idempotency_key_reused",
)
_WITH_BODY: Final = ("malformed_json", "body_too_large", "invalid_input")

_KEY_PARAMETER: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Bare or between double quotes. The same call with the same key is done once within 24 hours, and "
    "then answered from storage with `Idempotency-Replayed: true`.",
    "schema": {"type": "string", "maxLength": 257},
}
"""At most 255 characters, and the quotes."""

_SECURITY_SCHEMES: Final = {
    API_KEY: {
        "type": "http",
        "scheme": "bearer",
        "description": "A merchant's API key. It carries scopes; each operation names the one it needs.",
    },
    OPERATOR_KEY: {
        "type": "http",
        "scheme": "bearer",
        "description": "Made by `invite-service operator-key` on the machine itself.",
    },
}

_TAGS: Final = (
    {"name": "orders", "description": "Order events in, decisions out."},
    {"name": "invitations", "description": "What was planned and sent, and what may be done about it."},
    {"name": "notices", "description": "Messages that follow a customer's answer, for those who operate the sending."},
    {"name": "policy", "description": "A merchant's invitation settings, every version kept."},
    {"name": "branding", "description": "How messages and pages look, and who they say they are from."},
    {"name": "texts", "description": "A merchant's own words in messages and on pages, every version kept."},
    {"name": "suppressions", "description": "Who must not be written to, and why."},
    {"name": "customers", "description": "What customers may ask about their data: a copy, and that it is erased."},
    {"name": "channels", "description": "Providers, senders and prices, and whether a channel is open."},
    {"name": "provider events", "description": "For the providers that messages leave through."},
    {"name": "publishing", "description": "How ratings and reviews get published, every version kept."},
    {"name": "ratings", "description": "What customers said, one by one and on average."},
    {"name": "webhooks", "description": "What your systems are told, signed as Standard Webhooks say."},
    {"name": "timeline", "description": "Who changed what of the settings, when and why."},
    {"name": "insights", "description": "Figures that add up."},
    {"name": "sandbox", "description": "Time and mailbox of a sandbox merchant."},
    {"name": "operators", "description": "Merchants and their keys; needs an operator key."},
    {
        "name": "public",
        "description": "For a merchant's own page: by the token of a message's link, from the merchant's sites.",
    },
    {"name": "public reviews", "description": "What is published, for the shop's pages: without a key, from any site."},
    {"name": "operations", "description": "For load balancers and monitoring."},
)

_DESCRIPTION: Final = """\
Post order events; the service decides whether, when, how and in which language each customer is asked for a review,
and says why.

Fields are snake_case, instants RFC 3339 with an offset, languages BCP 47, money decimal strings. A request with a field
or a query parameter that is not documented is refused. Errors are `application/problem+json` (RFC 9457) and name every
fault at once. Lists go by cursor: pass `next_cursor` back as `cursor` until it is null. Another merchant's id is 404.
Every answer to an API key says in `RateLimit-Policy` and `RateLimit` how many requests the key may make and how many
are left; one too many is 429 with `Retry-After`. Calls that would do something twice when they are sent twice take an
`Idempotency-Key`; orders need none.
"""


class _Extra(dict[str, Any]):
    """What FastAPI adds to an operation, and what the operation answers with, which FastAPI does not look at.

    It would make a validator of each wire type when the route is made, for the document alone: half of the time that
    the API takes to start.
    """

    def __init__(self, answers: Mapping[int, Any], **extra: Any) -> None:
        super().__init__(extra)
        self.answers = answers


def documented(
    operation_id: str,
    summary: str,
    *,
    description: str = "",
    takes: type | None = None,
    answers: Mapping[int, Any] | None = None,
    problems: Sequence[str] = (),
    scope: str | None = None,
    security: str | None = API_KEY,
    is_keyed: bool = False,
) -> dict[str, Any]:
    """Put together what a route's decorator says of it.

    `takes` is the wire type of a JSON body that the route reads itself, one of those given to `DocumentedApp`;
    `answers` holds wire types by status; `security` is None for calls without a key,
    `is_keyed` that an Idempotency-Key is honoured.
    """
    codes = {*_ANYWHERE, *problems}
    if security == API_KEY:
        codes.add("quota_exceeded")
    extra = _Extra(answers or {}, security=[{security: []}] if security else [])
    if security:
        codes |= set(_WITH_KEY)
    if scope:
        codes.add("scope_missing")
    if is_keyed:
        codes |= set(_KEYED)
        extra["parameters"] = [_KEY_PARAMETER]
    if takes is not None:
        codes |= set(_WITH_BODY)
        extra["requestBody"] = {
            "required": True,
            "content": {JSON_TYPE: {"schema": {"$ref": _REF.format(model=takes.__name__)}}},
        }
    extra[_CODES] = sorted(codes)
    needs = f"Needs the scope `{scope}`." if scope else ""
    return {
        "operation_id": operation_id,
        "summary": summary,
        "description": " ".join(part for part in (description, needs) if part),
        "responses": {status: {"description": HTTPStatus(status).phrase} for status in (answers or {})},
        "openapi_extra": extra,
        "response_model": None,
    }


def answering(content_type: str, *, schema: str = "string") -> dict[str, Any]:
    """Say of a route what it answers in place of a model: a type of content, and the type that its schema has."""
    content = {content_type: {"schema": {"type": schema}}}
    return {"responses": {HTTPStatus.OK.value: {"description": HTTPStatus.OK.phrase, "content": content}}}


class DocumentedApp(FastAPI):
    """An application whose document is built as this module says; `bodies` are what its routes read themselves."""

    def __init__(self, *, bodies: Sequence[type], **options: Any) -> None:
        super().__init__(**options)
        self._bodies = bodies

    def openapi(self) -> dict[str, Any]:
        """Build the document at the first call, and keep it."""
        if self.openapi_schema is None:
            self.openapi_schema = build_document(self, bodies=self._bodies)
        return self.openapi_schema


def build_document(app: FastAPI, *, bodies: Sequence[type]) -> dict[str, Any]:
    """Build the OpenAPI 3.1 document of the application's documented routes."""
    for route in app.routes:
        _tell_answers(route)
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[dict(tag) for tag in _TAGS],
    )
    components = document.setdefault("components", {})
    components["schemas"] = _schemas(components.get("schemas", {}), bodies)
    components["responses"] = {}
    components["securitySchemes"] = _SECURITY_SCHEMES
    for path in document["paths"].values():
        for operation in path.values():
            _leave_out_unsaid(operation)
            _add_problems(operation, components["responses"])
    components["responses"] = dict(sorted(components["responses"].items()))
    return document


def _tell_answers(route: BaseRoute) -> None:
    """Tell FastAPI now what an operation answers with."""
    if isinstance(route, APIRoute) and isinstance(route.openapi_extra, _Extra):
        route.response_fields = {
            status: create_model_field(f"Response_{status}_{route.unique_id}", model, mode="serialization")
            for status, model in route.openapi_extra.answers.items()
            if model is not None
        }


def _schemas(found: Mapping[str, Any], bodies: Sequence[type]) -> dict[str, Any]:
    """Add bodies and problems to the schemas that FastAPI found, less its own validation errors."""
    adapters: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (model.__name__, "validation", TypeAdapter(model)) for model in bodies
    ]
    adapters.append((ProblemResponse.__name__, "serialization", TypeAdapter(ProblemResponse)))
    _, described = TypeAdapter.json_schemas(adapters, ref_template=_REF)
    schemas = {**found, **described["$defs"]}
    names = sorted(schemas.keys() - {"HTTPValidationError", "ValidationError"})
    return {name: _tidy(schemas[name]) | _examples_of(name) for name in names}


def _examples_of(name: str) -> dict[str, Any]:
    return {"examples": [EXAMPLES[name]]} if name in EXAMPLES else {}


def _tidy(schema: Any) -> Any:
    """Take out what Pydantic adds to fields: a title made of the name, and null as the default of an optional one.

    To leave a field out and to send null are two things in this API.
    """
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "properties" in schema:
        schema = schema | {"properties": {name: _tidy(field) for name, field in schema["properties"].items()}}
    return {
        key: value if key == "properties" else _tidy(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None)
    }


def _leave_out_unsaid(operation: Mapping[str, Any]) -> None:
    """Leave out the JSON of no model that FastAPI finds in answers of other types."""
    for answer in operation["responses"].values():
        content = answer.get("content", {})
        if len(content) > 1 and content.get(JSON_TYPE) == {"schema": {}}:
            del content[JSON_TYPE]


def _add_problems(operation: dict[str, Any], responses: dict[str, Any]) -> None:
    """Answer each problem's status with a shared response; the operation lists the codes that go with it."""
    answers = operation["responses"]
    answers.pop("422", None)
    codes_by_status: dict[HTTPStatus, list[str]] = {}
    for code in operation.get(_CODES, ()):
        codes_by_status.setdefault(STATUS_BY_CODE[code], []).append(code)
    for status, codes in sorted(codes_by_status.items()):
        name = f"Problem{status.value}"
        responses[name] = {
            "description": status.phrase,
            "content": {
                PROBLEM_TYPE: {
                    "schema": {"$ref": _REF.format(model=ProblemResponse.__name__)},
                }
            },
        }
        answers[str(status.value)] = {
            "$ref": f"#/components/responses/{name}",
            "description": f"{status.phrase}: {', '.join(codes)}.",
        }
    operation["responses"] = dict(sorted(answers.items()))
