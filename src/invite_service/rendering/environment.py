"""The Jinja2 environment of the package's own templates: HTML is escaped, undefined names are errors."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


@cache
def environment() -> Environment:
    """Make the environment, once per process."""
    return Environment(
        loader=PackageLoader("invite_service.rendering"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
