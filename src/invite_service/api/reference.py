"""The OpenAPI document as one page: no scripts, nothing fetched from anywhere, readable on a phone."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

Json = Mapping[str, Any]

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#1d1d1f;background:#fff}
h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem;border-bottom:1px solid #ccc}h3{margin:1.5rem 0 .25rem}
code,pre{font:14px/1.4 ui-monospace,monospace}pre{background:#f4f4f2;padding:.75rem;overflow:auto}
table{border-collapse:collapse;width:100%}
td,th{border-top:1px solid #ddd;padding:.3rem .5rem;text-align:left;vertical-align:top}
td:first-child{white-space:nowrap}.table{overflow-x:auto}.method{color:#1f4b3f;font-weight:700}nav a{margin-right:1rem}
@media (prefers-color-scheme:dark){body{background:#111113;color:#eee}pre{background:#1c1c1f}a{color:#8fd3b6}
.method{color:#8fd3b6}td,th{border-color:#444}}
"""

_FIELDS = ("Field", "Type", "Meaning")


def reference_page(document: Json) -> str:
    """Write the page that shows an OpenAPI document."""
    info = document["info"]
    tags = [tag for tag in document["tags"] if _operations(document, tag["name"])]
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>',
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        *(f"<p>{_prose(paragraph)}</p>" for paragraph in info["description"].split("\n\n")),
        "<nav>",
        *(f'<a href="#{tag["name"]}">{tag["name"]}</a>' for tag in tags),
        '<a href="#schemas">schemas</a> <a href="openapi.json">openapi.json</a></nav><main>',
        *(part for tag in tags for part in _section(document, tag)),
        '<h2 id="schemas">Schemas</h2>',
        *(part for name, schema in document["components"]["schemas"].items() for part in _schema(name, schema)),
        "</main></body></html>",
    ]
    return "\n".join(parts)


def _operations(document: Json, tag: str) -> list[tuple[str, str, Json]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag in operation.get("tags", ())
    ]


def _section(document: Json, tag: Json) -> Iterator[str]:
    yield f'<h2 id="{tag["name"]}">{tag["name"]}</h2><p>{_prose(tag["description"])}</p>'
    for path, method, operation in _operations(document, tag["name"]):
        yield f'<h3 id="{operation["operationId"]}">{escape(operation["summary"])}</h3>'
        yield f'<p><code><span class="method">{method.upper()}</span> {escape(path)}</code></p>'
        if operation.get("description"):
            yield f"<p>{_prose(operation['description'])}</p>"
        yield from _parameters(operation.get("parameters", ()))
        if "requestBody" in operation:
            yield f"<p>Takes {_content(operation['requestBody'])}.</p>"
        yield from _answers(operation["responses"])


def _parameters(parameters: Sequence[Json]) -> Iterator[str]:
    if parameters:
        rows = [
            (f"{parameter['name']}", _type(parameter["schema"]), parameter.get("description", ""))
            for parameter in parameters
        ]
        yield _table(("Parameter", "Type", "Meaning"), rows)


def _answers(responses: Json) -> Iterator[str]:
    rows = [
        (status, _content(response) if "content" in response else "", response.get("description", ""))
        for status, response in responses.items()
    ]
    yield _table(("Status", "Answer", "Meaning"), rows)


def _content(part: Json) -> str:
    schemas = [content.get("schema", {}) for content in part["content"].values()]
    return ", ".join(_type(schema) for schema in schemas)


def _schema(name: str, schema: Json) -> Iterator[str]:
    yield f'<h3 id="schema-{escape(name)}">{escape(name)}</h3>'
    if schema.get("description"):
        yield f"<p>{_prose(schema['description'])}</p>"
    required = set(schema.get("required", ()))
    rows = [
        (f"{field}{' *' if field in required else ''}", _type(inner), inner.get("description", ""))
        for field, inner in schema.get("properties", {}).items()
    ]
    yield _table(_FIELDS, rows) if rows else f"<p>{_type(schema)}</p>"


def _table(headings: Sequence[str], rows: Sequence[tuple[str, str, str]]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    body = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{kind}</td><td>{_prose(meaning)}</td></tr>"
        for name, kind, meaning in rows
    )
    return f'<div class="table"><table><tr>{head}</tr>{body}</table></div>'


def _type(schema: Json) -> str:
    """Name a schema's type as HTML, with a link where it is a schema of its own."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(_type(inner) for inner in schema[several])
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(" ".join([str(schema.get("type", "anything")), *_limits(schema)]))


def _limits(schema: Json) -> Iterator[str]:
    if "format" in schema:
        yield f"({schema['format']})"
    if "maxLength" in schema:
        yield f"up to {schema['maxLength']}"
    if "minimum" in schema and "maximum" in schema:
        yield f"{schema['minimum']} to {schema['maximum']}"


def _prose(text: str) -> str:
    """Write prose as HTML; what stands between backticks is code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))
