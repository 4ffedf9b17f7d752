"""A merchant's own texts of messages and pages."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_body
from invite_service.api.dependencies import ReadsTexts, Services, WritesTexts
from invite_service.api.errors import NO_CONTENT, OK, STATUS_BY_CODE
from invite_service.api.idempotency import answer_once
from invite_service.api.openapi import documented
from invite_service.api.preconditions import etag_of, read_if_match
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.preview import PreviewRequest, PreviewResponse, SendTestRequest, SentTestResponse
from invite_service.api.schemas.text import TextListResponse, TextRequest, TextResponse
from invite_service.bootstrap import Factory
from invite_service.domain.texts import MerchantText, TextName
from invite_service.rendering.texts import LANGUAGES
from invite_service.services.access import Scope
from invite_service.services.texts import ShownText

router = APIRouter(tags=["texts"], route_class=StrictRoute)

_TEXT: Final = TypeAdapter(TextRequest)
_PREVIEW: Final = TypeAdapter(PreviewRequest)
_TEST: Final = TypeAdapter(SendTestRequest)


async def read_text_name(text: str) -> TextName:
    """Read a text's name from the path; there is nothing at an address with another."""
    if text not in set(TextName):
        raise HTTPException(STATUS_BY_CODE["not_found"])
    return TextName(text)


async def read_text_language(language: str) -> str:
    """Read the language from the path, one that has a catalogue to fall back to."""
    if language not in LANGUAGES:
        raise HTTPException(STATUS_BY_CODE["not_found"])
    return language


Name = Annotated[TextName, Depends(read_text_name)]
Language = Annotated[str, Depends(read_text_language)]


@router.get(
    "/v1/texts",
    **documented(
        "list_texts",
        "List the texts that differ from the catalogue",
        description="By name and language; bounded by the number of texts and languages there are.",
        answers={OK: TextListResponse},
        scope="texts:read",
    ),
)
async def list_texts(caller: ReadsTexts, services: Services) -> Response:
    return JsonAnswer(TextListResponse.of(await services.create_texts().list_(caller.merchant.id)))


@router.get(
    "/v1/texts/{text}/{language}",
    **documented(
        "get_text",
        "Get a text",
        description="What is set of it, and the catalogue's words as templates to begin with.",
        answers={OK: TextResponse},
        problems=["not_found"],
        scope="texts:read",
    ),
)
async def get_text(caller: ReadsTexts, services: Services, text: Name, language: Language) -> Response:
    return _answer(await services.create_texts().get(caller.merchant.id, text, language))


@router.put(
    "/v1/texts/{text}/{language}",
    **documented(
        "put_text",
        "Replace a text",
        description="Templates are Liquid. Each is read, and written out for the worst customers there could be, "
        "before it is saved; faults come with line and column. Needs If-Match with the ETag that was read, or *. "
        "Messages are written by it within seconds.",
        takes=TextRequest,
        answers={OK: TextResponse},
        problems=["not_found", "if_match_required", "version_mismatch"],
        scope="texts:write",
    ),
)
async def put_text(
    request: Request, caller: WritesTexts, services: Services, text: Name, language: Language
) -> Response:
    replacing = read_if_match(request)
    wanted = (await read_body(request, _TEXT)).to_text(text, language)
    texts = services.create_texts()
    return _answer(await texts.replace(caller.merchant.id, wanted, replacing=replacing, actor=caller.actor))


@router.delete(
    "/v1/texts/{text}/{language}",
    **documented(
        "delete_text",
        "Go back to the catalogue's text",
        description="A version like any other change. Needs If-Match with the ETag that was read, or *.",
        answers={NO_CONTENT: None},
        problems=["not_found", "if_match_required", "version_mismatch"],
        scope="texts:write",
    ),
)
async def delete_text(
    request: Request, caller: WritesTexts, services: Services, text: Name, language: Language
) -> Response:
    replacing = read_if_match(request)
    nothing = MerchantText(name=text, language=language)
    await services.create_texts().replace(caller.merchant.id, nothing, replacing=replacing, actor=caller.actor)
    return Response(status_code=NO_CONTENT)


@router.post(
    "/v1/texts/preview",
    **documented(
        "preview_text",
        "Show a text as customers would get it",
        description="For a made-up customer or a real order, as it is saved or as it might be. Nothing is stored. "
        "With a width, `frame` shows the HTML as a screen of that width would.",
        takes=PreviewRequest,
        answers={OK: PreviewResponse},
        problems=["order_not_found"],
        scope="texts:read",
    ),
)
async def preview_text(request: Request, caller: ReadsTexts, services: Services) -> Response:
    asked = await read_body(request, _PREVIEW)
    if asked.order_id is not None:
        caller.require(Scope.ORDERS_READ)
    preview = await services.create_previews().preview(caller.merchant.id, asked.to_wanted())
    return JsonAnswer(PreviewResponse.of(preview, width=asked.width))


@router.post(
    "/v1/texts/test-send",
    **documented(
        "send_test_message",
        "Send a text to oneself",
        description="To one of the branding's own addresses, through the provider that real messages leave by, "
        "marked as a test; at most 20 an hour, and 429 while a limit of the channel lets nothing leave. Makes no "
        "invitation; its links lead nowhere.",
        takes=SendTestRequest,
        answers={OK: SentTestResponse},
        problems=["order_not_found"],
        scope="texts:write",
        is_keyed=True,
    ),
)
async def send_test_message(request: Request, caller: WritesTexts, services: Services) -> Response:
    asked = await read_body(request, _TEST)
    if asked.order_id is not None:
        caller.require(Scope.ORDERS_READ)

    async def send(services: Factory) -> Response:
        sent = await services.create_previews().send_test(
            caller.merchant.id, asked.to_wanted(), to=asked.to, actor=caller.actor
        )
        return JsonAnswer(SentTestResponse.of(sent))

    return await answer_once(request, services, send, merchant_id=caller.merchant.id, is_apart=True)


def _answer(shown: ShownText) -> Response:
    return JsonAnswer(TextResponse.of(shown), headers={"ETag": etag_of(shown.text.version)})
