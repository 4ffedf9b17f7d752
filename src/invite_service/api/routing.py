"""Routes that refuse what they do not know, and those that cost no more than what they do."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from invite_service.api.errors import FAULTY_REQUEST
from invite_service.api.faults import unknown_parameters
from invite_service.api.queries import refuse_repeated
from invite_service.domain.errors import InvalidInputError

Answering = Callable[[Request], Coroutine[Any, Any, Response]]
"""What answers a request."""


class StrictRoute(APIRoute):
    """A route that refuses query parameters it does not take: to ignore `?replan=preview` would be to apply it.

    An endpoint that takes the request and nothing else is called as it is. FastAPI looks for what it might depend on,
    and opens three exit stacks for it, at every request: a third of what accepting an order costs outside of ingest.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        if _takes_request_alone(self.dependant):
            self.app = _answered_by(self.get_route_handler())

    def get_route_handler(self) -> Answering:
        """Wrap the route; one that takes parameters has a model of them, which refuses others itself.

        FastAPI knows of the model, or the route reads its query string itself and says so in its documentation.
        """
        answer: Answering = self.endpoint if _takes_request_alone(self.dependant) else super().get_route_handler()
        if _reads_query(self.openapi_extra or {}):
            return answer
        models = [parameter.field_info.annotation for parameter in self.dependant.query_params]
        if models:
            return _answering_once(answer, models)

        async def answer_without_parameters(request: Request) -> Response:
            query_string = request.scope["query_string"]
            if query_string and (faults := unknown_parameters(query_string)):
                raise InvalidInputError(FAULTY_REQUEST, faults=faults)
            return await answer(request)

        return answer_without_parameters


def _answering_once(answer: Answering, models: Sequence[Any]) -> Answering:
    """Refuse repetitions, of which FastAPI takes the last: `?replan=preview&replan=apply` would apply."""

    async def answer_each_parameter_once(request: Request) -> Response:
        for model in models:
            refuse_repeated(request, model)
        return await answer(request)

    return answer_each_parameter_once


def _takes_request_alone(dependant: Dependant) -> bool:
    asked = (
        dependant.path_params,
        dependant.query_params,
        dependant.header_params,
        dependant.cookie_params,
        dependant.body_params,
        dependant.dependencies,
        dependant.http_connection_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
    )
    return dependant.request_param_name is not None and not any(asked)


def _answered_by(answer: Answering) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await answer(Request(scope, receive, send))
        await response(scope, receive, send)

    return app


def _reads_query(documentation: Mapping[str, Any]) -> bool:
    return any(parameter["in"] == "query" for parameter in documentation.get("parameters", ()))
