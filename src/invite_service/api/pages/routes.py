"""Routes of the hosted pages: `/i/{token}` asks, `/u/{token}` unsubscribes.

A GET or HEAD decides nothing; only a posted form records (DESIGN.md section 7).
"""

import contextlib
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from invite_service.api.dependencies import PictureId, Services
from invite_service.api.errors import STATUS_BY_CODE, BodyTooLargeError, is_server_fault, retry_headers
from invite_service.api.multipart import MultipartForm
from invite_service.api.pages.forms import handed_in, items_of, read_form
from invite_service.api.pages.replies import HEADERS, answer_page, answer_unknown
from invite_service.api.pages.uploads import PICTURE_TYPE, with_pictures
from invite_service.api.pages.views import address_after, language_of, view_faults, view_page, view_saved
from invite_service.bootstrap import Factory
from invite_service.domain.errors import (
    DomainError,
    FeedbackTooOldError,
    InvalidInputError,
    PictureNotFoundError,
    QuotaExceededError,
    TokenErasedError,
)
from invite_service.rendering.pages import (
    Page,
    PageFrame,
    busy_page,
    erased_page,
    failed_page,
    too_large_page,
    unknown_page,
    unsubscribe_page,
    unsubscribed_page,
)
from invite_service.services.feedback_pages import UnsubscribePage

log = structlog.get_logger()


class PageRoute(APIRoute):
    """A route that answers with a page whatever happens: customers are not shown problems in JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route."""
        answer = super().get_route_handler()

        async def answer_in_page(request: Request) -> Response:
            language = language_of(request.headers.get("Accept-Language"))
            try:
                return await answer(request)
            except BodyTooLargeError:
                return answer_page(too_large_page(language), code="body_too_large")
            except TokenErasedError as error:
                return answer_page(erased_page(error.language, error.merchant_name), code=error.code)
            except DomainError as error:
                return answer_page(_page_for(error)(language), code=error.code, headers=retry_headers(error))
            except Exception as error:
                handler = request.app.exception_handlers.get(type(error))
                if handler is None:
                    log.exception("Failed to answer with a page", route=self.path)
                    return answer_page(failed_page(language), code="internal_error")
                return _in_page(await handler(request, error), language)

        return answer_in_page


def _in_page(problem: Response, language: str) -> Response:
    """Show, in place of a problem that the application has for an error, a page of its status."""
    page = failed_page if is_server_fault(problem.status_code) else unknown_page
    wait = problem.headers.get("Retry-After")
    headers = {"Retry-After": wait} if wait is not None else None
    return answer_page(page(language), status=problem.status_code, headers=headers)


def _page_for(error: DomainError) -> Callable[[str], Page]:
    if isinstance(error, QuotaExceededError):
        return busy_page
    return failed_page if is_server_fault(STATUS_BY_CODE[error.code]) else unknown_page


router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.api_route("/i/{token}", methods=["GET", "HEAD"])
async def open_page(token: str, request: Request, services: Services) -> Response:
    page = await services.create_feedback().open_page(token, is_noted=request.method == "GET")
    return answer_page(view_page(page, token, request.query_params))


@router.post("/i/{token}")
async def post_form(token: str, request: Request, services: Services) -> Response:
    # Nothing is read for a link that leads nowhere.
    await services.create_pictures().check_token(token)
    with contextlib.closing(await read_form(request)) as form:
        feedback = services.create_feedback()
        match form.fields.get("received"):
            case "yes":
                await feedback.confirm_delivery(token)
                return _go_to(token)
            case "no":
                await feedback.report_not_received(token)
                return _go_to(f"{token}?received=no")
        if "remove" in form.fields:
            return await _remove_picture(token, form, services)
        return await _take_feedback(token, form, services)


async def _take_feedback(token: str, form: MultipartForm, services: Factory) -> Response:
    feedback, items = services.create_feedback(), items_of(form)
    asked = handed_in(form, items)
    try:
        given = await with_pictures(token, [items[place] for place in asked], services)
        await feedback.leave_feedback(token, given)
    except (InvalidInputError, FeedbackTooOldError) as error:
        page = await feedback.open_page(token, is_noted=False)
        return answer_page(view_faults(page, token, items, asked, error.faults), code=error.code)
    if "only" not in form.fields:
        return _go_to(f"{token}?thanks=yes")
    page = await feedback.open_page(token, is_noted=False)
    saved = items[asked[0]].product_id if asked else None
    kept = view_saved(page, token, items, saved)
    return answer_page(kept) if kept is not None else _go_to(token + address_after(page, saved))


async def _remove_picture(token: str, form: MultipartForm, services: Factory) -> Response:
    # A page that is loaded again asks for what is removed already.
    with contextlib.suppress(PictureNotFoundError, ValueError):
        await services.create_pictures().remove(token, UUID(form.fields["remove"]))
    page = await services.create_feedback().open_page(token, is_noted=False)
    kept = view_saved(page, token, items_of(form), None, is_removal=True)
    return answer_page(kept) if kept is not None else _go_to(f"{token}?change=yes&removed=yes")


@router.api_route("/i/{token}/pictures/{picture_id}", methods=["GET", "HEAD"])
async def open_picture(token: str, picture_id: PictureId, services: Services) -> Response:
    content = await services.create_pictures().find_by_token(token, picture_id)
    return Response(content, media_type=PICTURE_TYPE, headers=HEADERS)


@router.api_route("/u/{token}", methods=["GET", "HEAD"])
async def open_unsubscribe_page(token: str, services: Services) -> Response:
    page = await services.create_feedback().open_unsubscribe(token)
    return answer_page(unsubscribe_page(_frame(page, token)))


@router.post("/u/{token}")
async def unsubscribe(token: str, services: Services) -> Response:
    """Take RFC 8058's one-click POST and the page's own form alike: without a redirect, whatever the body says."""
    page = await services.create_feedback().unsubscribe(token)
    return answer_page(unsubscribed_page(_frame(page, token)))


@router.api_route("/i", methods=["GET", "HEAD", "POST"])
@router.api_route("/i/{rest:path}", methods=["GET", "HEAD", "POST"])
@router.api_route("/u", methods=["GET", "HEAD", "POST"])
@router.api_route("/u/{rest:path}", methods=["GET", "HEAD", "POST"])
async def open_nothing(request: Request) -> Response:
    """Answer links that were cut off, or have something behind them, like any other that leads nowhere."""
    return answer_unknown(request.headers.get("Accept-Language"))


def _frame(page: UnsubscribePage, token: str) -> PageFrame:
    return PageFrame(page.merchant, page.branding, page.language, token, page.own_texts)


def _go_to(address: str) -> Response:
    """Send the browser on after a form, so that reloading posts nothing; the address is relative to the page's own."""
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER, headers=HEADERS)
