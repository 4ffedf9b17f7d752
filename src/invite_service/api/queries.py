"""Query strings that a route reads itself: FastAPI's way to a model of them costs as much as a page of a list."""

from typing import Any, TypeVar, get_origin

from fastapi import Request
from pydantic import BaseModel, ValidationError

from invite_service.api.errors import FAULTY_REQUEST
from invite_service.api.faults import faults_of_parameters
from invite_service.domain.errors import InvalidInputError

Model = TypeVar("Model", bound=BaseModel)


def read_query(request: Request, model: type[Model]) -> Model:
    """Read the query string as a model, every fault at once.

    Raises:
        InvalidInputError: it holds something else, or twice what can be said once.
    """
    given, takes_several = request.query_params, _known_names(model)
    values = {name: given.getlist(name) if takes_several.get(name) else given[name] for name in given}
    details: list[dict[str, Any]] = [
        {"type": "repeated", "loc": ("query", name), "msg": "Can be given once only."}
        for name in given
        if takes_several.get(name) is False and len(given.getlist(name)) > 1
    ]
    try:
        read = model.model_validate(values)
    except ValidationError as error:
        details += [
            {**detail, "loc": ("query", *detail["loc"])}
            for detail in error.errors(include_url=False, include_input=False)
        ]
    if details:
        raise InvalidInputError(FAULTY_REQUEST, faults=faults_of_parameters(details))
    return read


def refuse_repeated(request: Request, model: type[BaseModel]) -> None:
    """Refuse a query string that says twice what can be said once, and name its other faults beside it.

    Raises:
        InvalidInputError: it does.
    """
    given = request.query_params
    if len(given) != len(given.multi_items()):
        read_query(request, model)


def _known_names(model: type[BaseModel]) -> dict[str, bool]:
    """Tell of each name whether it takes several values."""
    return {field.alias or name: get_origin(field.annotation) is list for name, field in model.model_fields.items()}


def query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """Describe the fields of a model as the OpenAPI document's parameters."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": field,
            **({"description": field["description"]} if "description" in field else {}),
        }
        for name, field in schema["properties"].items()
    ]


def path_parameters(*names: str) -> list[dict[str, Any]]:
    """Describe parts of the path that a route reads itself."""
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
