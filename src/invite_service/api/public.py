"""The hosted page's twin for a merchant's own page: by token, without a key, from the merchant's own sites.

The token in the path is the whole of the caller's right, and no cookie is ever read. Pages of other sites get no header
that would let them read the answers: a token that leaks to one is worth less there.
"""

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_body
from invite_service.api.dependencies import PictureId, Services, factory_of
from invite_service.api.errors import NO_CONTENT, OK, answer_domain_error
from invite_service.api.headers import answer_above
from invite_service.api.multipart import MULTIPART_TYPE
from invite_service.api.openapi import answering, documented
from invite_service.api.pages.forms import read_form
from invite_service.api.pages.uploads import PICTURE_TYPE, check_count
from invite_service.api.pages.views import asks_about_delivery, frame_of
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.public import (
    FeedbackRequest,
    FeedbackResponse,
    NotReceivedResponse,
    PublicInvitationResponse,
    RatingResponse,
)
from invite_service.domain.errors import DomainError
from invite_service.domain.invitation import Kind
from invite_service.rendering.own_page import own_page_texts
from invite_service.rendering.pages import not_received_notice
from invite_service.rules.feedback import MAX_PICTURES

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Vary": "Origin",
    "X-Robots-Tag": "noindex",
}

_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Max-Age": "7200",
}


class PublicRoute(StrictRoute):
    """A route whose every answer, problems too, may be read by pages of the merchant's sites, and by no others."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route."""
        answer = super().get_route_handler()

        async def answer_sites(request: Request) -> Response:
            headers = _HEADERS
            try:
                headers = _HEADERS | await _allowing(request)
                response = await answer(request)
            except DomainError as error:
                response = await answer_domain_error(request, error)
            except Exception:
                answer_above(request, headers)
                raise
            response.headers.update(headers)
            return response

        return answer_sites


async def _allowing(request: Request) -> dict[str, str]:
    """Give the headers that let the page that asks read the answer, where the merchant has it among its sites."""
    origin = request.headers.get("Origin")
    if origin is None:
        return {}
    feedback = factory_of(request).create_feedback()
    if not await feedback.allows_site(request.path_params["token"], origin):
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After"}


router = APIRouter(tags=["public"], route_class=PublicRoute)

_FEEDBACK = TypeAdapter(FeedbackRequest)


@router.get(
    "/public/v1/invitations/{token}",
    **documented(
        "get_public_invitation",
        "Get what a page needs to ask the customer",
        description="Records nothing but a note that the page was opened. `texts` are in the invitation's language.",
        answers={OK: PublicInvitationResponse},
        problems=["token_not_found"],
        security=None,
    ),
)
async def get_public_invitation(token: str, services: Services) -> Response:
    page = await services.create_feedback().open_page(token, is_noted=True)
    frame = frame_of(page, token)
    texts = own_page_texts(frame, is_product=page.invitation.kind is Kind.PRODUCT, count=len(page.products))
    contact = frame.brand.support
    answer = PublicInvitationResponse.of(
        page,
        texts=texts,
        contact_url=contact.href if contact is not None else None,
        asks_about_delivery=asks_about_delivery(page),
    )
    return JsonAnswer(answer)


@router.post(
    "/public/v1/invitations/{token}/ratings",
    **documented(
        "post_public_ratings",
        "Leave stars and reviews",
        description="For what the invitation ever asked about, in whichever state it is. Rating a product again takes "
        "the place of what was said before, until the text is 30 days old: then it is 409 and nothing is stored.",
        takes=FeedbackRequest,
        answers={OK: FeedbackResponse},
        problems=["token_not_found", "too_old_to_change"],
        security=None,
    ),
)
async def post_public_ratings(token: str, request: Request, services: Services) -> Response:
    posted = await read_body(request, _FEEDBACK)
    ratings = await services.create_feedback().leave_feedback(token, posted.to_feedback())
    return JsonAnswer(FeedbackResponse([RatingResponse.of(rating) for rating in ratings]))


_PICTURES = documented(
    "post_public_pictures",
    "Add pictures to a review that was left",
    description="`multipart/form-data`: `product_id` (left out for the service) and up to five `picture` files, JPEG, "
    "PNG or WebP of at most 8 MB each. They are drawn again without metadata, and the review waits until somebody has "
    "looked at them.",
    answers={OK: RatingResponse},
    problems=[
        "bad_request",
        "token_not_found",
        "invalid_input",
        "body_too_large",
        "too_old_to_change",
        "pictures_closed",
        "pictures_unavailable",
        "quota_exceeded",
    ],
    security=None,
)
_PICTURES["openapi_extra"]["requestBody"] = {
    "required": True,
    "content": {
        MULTIPART_TYPE: {
            "schema": {
                "type": "object",
                "properties": {
                    "product_id": {"type": "string"},
                    "picture": {
                        "type": "array",
                        "items": {"type": "string", "format": "binary"},
                        "minItems": 1,
                        "maxItems": MAX_PICTURES,
                    },
                },
                "required": ["picture"],
            }
        }
    },
}


@router.post("/public/v1/invitations/{token}/pictures", **_PICTURES)
async def post_public_pictures(token: str, request: Request, services: Services) -> Response:
    pictures = services.create_pictures()
    await pictures.check_token(token)
    with contextlib.closing(await read_form(request)) as form:
        uploads = check_count(form.files.get("picture", ()))
        rating = await pictures.add(token, form.fields.get("product_id"), uploads)
    return JsonAnswer(RatingResponse.of(rating))


@router.get(
    "/public/v1/invitations/{token}/pictures/{picture_id}",
    **documented(
        "get_public_picture_of_customer",
        "Get a picture of the customer's own",
        description="Published or not, as JPEG.",
        problems=["token_not_found", "picture_not_found", "pictures_closed", "pictures_unavailable"],
        security=None,
    )
    | answering(PICTURE_TYPE),
)
async def get_public_picture_of_customer(token: str, picture_id: PictureId, services: Services) -> Response:
    return Response(await services.create_pictures().find_by_token(token, picture_id), media_type=PICTURE_TYPE)


@router.delete(
    "/public/v1/invitations/{token}/pictures/{picture_id}",
    **documented(
        "delete_public_picture",
        "Take a picture away from a review",
        description="However old the review is. What is left of it is judged anew.",
        answers={OK: RatingResponse},
        problems=["token_not_found", "picture_not_found"],
        security=None,
    ),
)
async def delete_public_picture(token: str, picture_id: PictureId, services: Services) -> Response:
    return JsonAnswer(RatingResponse.of(await services.create_pictures().remove(token, picture_id)))


@router.post(
    "/public/v1/invitations/{token}/not-received",
    **documented(
        "post_not_received",
        "Report that not everything has arrived",
        description="Moves a second message, if one is to come. Again on the same day changes nothing. Takes no body.",
        answers={OK: NotReceivedResponse},
        problems=["token_not_found"],
        security=None,
    ),
)
async def post_not_received(token: str, services: Services) -> Response:
    feedback = services.create_feedback()
    await feedback.report_not_received(token)
    page = await feedback.open_page(token, is_noted=False)
    answer = NotReceivedResponse(
        notice=not_received_notice(frame_of(page, token)),
        support_email=page.branding.support_email,
        support_phone=page.branding.support_phone,
        support_url=page.branding.support_url,
    )
    return JsonAnswer(answer)


@router.options("/public/v1/invitations/{token}", include_in_schema=False)
@router.options("/public/v1/invitations/{token}/ratings", include_in_schema=False)
@router.options("/public/v1/invitations/{token}/not-received", include_in_schema=False)
@router.options("/public/v1/invitations/{token}/pictures", include_in_schema=False)
@router.options("/public/v1/invitations/{token}/pictures/{picture_id}", include_in_schema=False)
async def allow_sites(token: str) -> Response:
    return Response(status_code=NO_CONTENT, headers=_PREFLIGHT)
