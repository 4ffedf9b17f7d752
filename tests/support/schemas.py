"""Checking XML against a schema, as far as tests/data/product_reviews.xsd goes: sequences, attributes, patterns."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

XS: Final = "{http://www.w3.org/2001/XMLSchema}"
INSTANCE: Final = "{http://www.w3.org/2001/XMLSchema-instance}"

BUILT_IN: Final = {
    "xs:string": r"[\s\S]*",
    "xs:anyURI": r"\S*",
    "xs:boolean": "true|false|0|1",
    "xs:integer": "[+-]?[0-9]+",
    "xs:decimal": r"[+-]?[0-9]+(\.[0-9]+)?",
    "xs:dateTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?",
}


class Schema:
    """A schema; a construct of which this knows nothing is an error, and never passed over."""

    def __init__(self, path: Path) -> None:
        root = ET.parse(path).getroot()  # noqa: S314 - our own file
        self._types = {kind.attrib["name"]: kind for kind in root if kind.tag != f"{XS}element"}
        [self._root] = root.findall(f"{XS}element")

    def faults(self, document: ET.Element) -> list[str]:
        """List what of a document the schema does not allow."""
        if document.tag != self._root.attrib["name"]:
            return [f"{document.tag}: not the root"]
        return list(self._check(document, self._root.attrib["type"], document.tag))

    def _check(self, element: ET.Element, kind: str, path: str) -> Iterator[str]:
        declared = self._types.get(kind)
        if declared is None or declared.tag == f"{XS}simpleType":
            yield from self._check_text(element.text or "", kind, path)
            yield from self._check_attributes(element, [], path)
            yield from (f"{path}/{child.tag}: not known" for child in element)
            return
        [content] = declared
        if content.tag == f"{XS}sequence":
            yield from self._check_attributes(element, [], path)
            yield from self._check_sequence(element, list(content), path)
            return
        assert content.tag == f"{XS}simpleContent", content.tag
        [extension] = content
        yield from self._check_text(element.text or "", extension.attrib["base"], path)
        yield from self._check_attributes(element, list(extension), path)

    def _check_sequence(self, element: ET.Element, places: list[ET.Element], path: str) -> Iterator[str]:
        children = list(element)
        for place in places:
            name = place.attrib["name"]
            least = int(place.get("minOccurs", "1"))
            most = place.get("maxOccurs", "1")
            found = 0
            while children and children[0].tag == name and (most == "unbounded" or found < int(most)):
                found += 1
                yield from self._check(children.pop(0), place.attrib["type"], f"{path}/{name}")
            if found < least:
                yield f"{path}/{name}: missing"
        yield from (f"{path}/{child.tag}: not here" for child in children)

    def _check_attributes(self, element: ET.Element, declared: list[ET.Element], path: str) -> Iterator[str]:
        given = {name: value for name, value in element.attrib.items() if not name.startswith(INSTANCE)}
        for attribute in declared:
            name = attribute.attrib["name"]
            if name in given:
                yield from self._check_text(given.pop(name), attribute.attrib["type"], f"{path}@{name}")
            elif attribute.get("use") == "required":
                yield f"{path}@{name}: missing"
        yield from (f"{path}@{name}: not known" for name in given)

    def _check_text(self, text: str, kind: str, path: str) -> Iterator[str]:
        pattern = BUILT_IN.get(kind)
        if pattern is None:
            [restriction] = self._types[kind]
            yield from self._check_text(text, restriction.attrib["base"], path)
            [facet] = restriction
            assert facet.tag == f"{XS}pattern", facet.tag
            pattern = facet.attrib["value"]
        if not re.fullmatch(pattern, text):
            yield f"{path}: not {kind}"
