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
        InvalidInputError: it holds something else.
    """
    given = request.query_params
    fields = model.model_fields
    values = {
        name: given.getlist(name) if name in fields and get_origin(fields[name].annotation) is list else given[name]
        for name in given
    }
    try:
        return model.model_validate(values)
    except ValidationError as error:
        details = [
            {**detail, "loc": ("query", *detail["loc"])}
            for detail in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidInputError(FAULTY_REQUEST, faults=faults_of_parameters(details)) from None


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
