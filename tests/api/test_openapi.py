"""The OpenAPI document: kept in the repository, complete, and true to what is answered."""

import json
import re
from typing import Any

import pytest
from pydantic import TypeAdapter

from invite_service.api.examples import EXAMPLES
from invite_service.api.schemas.batch import BatchRequest
from invite_service.api.schemas.branding import BrandingRequest
from invite_service.api.schemas.channel import ChannelRequest
from invite_service.api.schemas.customer import EraseRequest, ExportRequest
from invite_service.api.schemas.decision import DecisionResponse
from invite_service.api.schemas.insight import ReconciliationResponse
from invite_service.api.schemas.invitation import InvitationResponse, RescheduleRequest
from invite_service.api.schemas.merchant import ApiKeyRequest, MerchantRequest
from invite_service.api.schemas.order import OrderRequest
from invite_service.api.schemas.policy import PolicyPatch
from invite_service.api.schemas.problem import ProblemResponse
from invite_service.api.schemas.publishing import PublishingPatch
from invite_service.api.schemas.rating import RejectRequest
from invite_service.api.schemas.sandbox import ClockRequest, SendReportResponse
from invite_service.api.schemas.suppression import SubjectRequest, SuppressionsRequest
from invite_service.api.schemas.text import TextRequest
from invite_service.main import create_app
from tests.support.documented import kept_document

EXAMPLED = {
    model.__name__: model
    for model in (
        ApiKeyRequest,
        BatchRequest,
        BrandingRequest,
        ChannelRequest,
        ClockRequest,
        DecisionResponse,
        EraseRequest,
        ExportRequest,
        InvitationResponse,
        MerchantRequest,
        OrderRequest,
        PolicyPatch,
        ProblemResponse,
        PublishingPatch,
        ReconciliationResponse,
        RejectRequest,
        RescheduleRequest,
        SendReportResponse,
        SubjectRequest,
        SuppressionsRequest,
        TextRequest,
    )
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app().openapi()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_kept_document_is_what_the_application_says(document: dict[str, Any]) -> None:
    assert kept_document() == document, "run `make openapi`"


def test_every_reference_leads_somewhere_and_every_component_is_used(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"#/components/(\w+)/(\w+)"', json.dumps(document)))
    components = {(kind, name) for kind in ("schemas", "responses") for name in document["components"][kind]}
    assert references == components


def test_every_operation_is_named_tagged_and_summed_up(document: dict[str, Any]) -> None:
    found = operations(document)
    ids = [operation["operationId"] for _, _, operation in found]
    assert len(set(ids)) == len(ids) > 30
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, operation in found:
        assert set(operation["tags"]) <= tags, (path, method)
        assert operation["summary"], (path, method)
        assert "security" in operation, (path, method)


def test_every_operation_answers_something_and_says_which_problems_it_may_have(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        responses = operation["responses"]
        assert any(status.startswith("2") for status in responses), (path, method)
        assert "500" in responses, (path, method)
        assert ("401" in responses) == bool(operation["security"] or path == "/metrics"), (path, method)
        assert {"400", "413", "422"} <= responses.keys() or "requestBody" not in operation, (path, method)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_example_is_of_its_schema(name: str) -> None:
    TypeAdapter(EXAMPLED[name]).validate_json(json.dumps(EXAMPLES[name]))
