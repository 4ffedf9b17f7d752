"""`openapi`: the API's description, the same bytes for the same code."""

import json

import typer

from invite_service.main import create_app


def openapi() -> None:
    """Print the OpenAPI document."""
    typer.echo(json.dumps(create_app().openapi(), indent=2, ensure_ascii=False))
