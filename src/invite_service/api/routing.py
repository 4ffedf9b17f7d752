"""Routes that refuse what they do not know."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from invite_service.api.errors import FAULTY_REQUEST
from invite_service.api.faults import unknown_parameters
from invite_service.domain.errors import InvalidInputError


class StrictRoute(APIRoute):
    """A route that refuses query parameters it does not take: to ignore `?replan=preview` would be to apply it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route; one that takes parameters has a model of them, which refuses others itself.

        FastAPI knows of the model, or the route reads its query string itself and says so in its documentation.
        """
        answer = super().get_route_handler()
        if self.dependant.query_params or _reads_query(self.openapi_extra or {}):
            return answer

        async def answer_without_parameters(request: Request) -> Response:
            query_string = request.scope["query_string"]
            if query_string and (faults := unknown_parameters(query_string)):
                raise InvalidInputError(FAULTY_REQUEST, faults=faults)
            return await answer(request)

        return answer_without_parameters


def _reads_query(documentation: Mapping[str, Any]) -> bool:
    return any(parameter["in"] == "query" for parameter in documentation.get("parameters", ()))
