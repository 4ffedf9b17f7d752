"""The Liquid of merchants' own texts: a few tags and filters, and limits that no rendering can pass (docs/texts.md).

What comes out is plain text, whatever went in: it is cleaned and escaped by those who put it into a header or HTML.
Ranges, assignments and filters that multiply their input are missing on purpose: with them a template of a line could
run for ever, or fill the memory.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from liquid import BoundTemplate, Environment, Mode, StrictUndefined
from liquid.ast import Node
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions import Filter, FilteredExpression, Path, PositionalArgument, StringLiteral
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.filters.misc import default, size
from liquid.builtin.filters.string import capitalize, downcase, strip, truncate, upcase
from liquid.builtin.tags.case_tag import CaseTag
from liquid.builtin.tags.for_tag import ForTag
from liquid.builtin.tags.if_tag import IfTag
from liquid.builtin.tags.unless_tag import UnlessTag
from liquid.context import RenderContext
from liquid.exceptions import LiquidError, ResourceLimitError, UndefinedError
from liquid.expression import Expression

from invite_service.rendering.template_faults import TemplateFault, TemplateFaultsError

FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    "capitalize": capitalize,
    "default": default,
    "downcase": downcase,
    "size": size,
    "strip": strip,
    "truncate": truncate,
    "upcase": upcase,
}
"""None of them makes more than a few times of what it is given."""

BLOCKS: Final = {"if": "endif", "unless": "endunless", "case": "endcase", "for": "endfor"}
"""Tags that hold others, with what ends them."""

BRANCHES: Final = {"else": {"if", "unless", "case", "for"}, "elsif": {"if", "unless"}, "when": {"case"}}
"""Tags inside of others, with those."""

MAX_NESTING: Final = 6
"""Blocks inside one another."""

MAX_ITERATIONS: Final = 200
"""Rounds of a loop, those of loops inside it multiplied."""

MAX_OUTPUT_BYTES: Final = 16_000
"""UTF-8 of one rendering."""

_MAX_UTF8: Final = 4
"""Bytes of a character."""

SHORT_NAMES: Final = frozenset(
    {
        *("customer_name", "order_id", "product_name", "product_names", "merchant_name"),
        *("homepage_url", "support_email", "support_phone", "support_url"),
    }
)
"""Variables that are a text or nil."""

MAX_MARK: Final = 300
"""Characters of one output or tag: the time to read it grows with the square of its blanks."""

MAX_FAULTS: Final = 20
"""Faults named of one template."""

_MARK: Final = re.compile(r"\{\{|\{%|\}\}|%\}")
_TAG: Final = re.compile(r"-?\s*(\w*)")
_CLOSING: Final = {"{{": "}}", "{%": "%}"}


class _Named(NamedTuple):
    """A variable that is a text or nil, and what stands for nil."""

    name: str
    default: str

    def write(self, variables: Mapping[str, object]) -> str:
        value = variables[self.name]
        return value if isinstance(value, str) and value else self.default


class Mark(NamedTuple):
    """`{{ … }}` or `{% … %}` of a template: where it begins and ends, and the tag's name, empty for an output."""

    start: int
    end: int
    tag: str


class _MerchantEnvironment(Environment):
    """What merchants' templates may use; anything else is refused while it is read."""

    block_nesting_limit = MAX_NESTING + 1
    context_depth_limit = MAX_NESTING + 2
    loop_iteration_limit = MAX_ITERATIONS
    output_stream_limit = MAX_OUTPUT_BYTES

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Take over the tags and filters above, and none besides."""
        for tag in (content.Literal, output.Output, illegal.Illegal, IfTag, UnlessTag, CaseTag, ForTag):
            self.add_tag(tag)
        for name, function in FILTERS.items():
            self.add_filter(name, function)


@cache
def _environment() -> Environment:
    return _MerchantEnvironment(tolerance=Mode.STRICT, undefined=StrictUndefined, strict_filters=True)


@dataclass(frozen=True, slots=True, eq=False)
class LiquidTemplate:
    """A template that was read and may be rendered any number of times."""

    source: str
    names: frozenset[str]
    """The variables it uses."""
    _bound: BoundTemplate
    _parts: "tuple[str | _Named, ...] | None"
    """The template as texts and names to be joined, where it is as simple as that; None where it is not."""

    def render(self, variables: Mapping[str, object]) -> str:
        """Write the template out as plain text.

        Raises:
            TemplateFaultsError: these variables lead where the template fails, or beyond a limit.
        """
        if self._parts is not None:
            text = "".join([part if isinstance(part, str) else part.write(variables) for part in self._parts])
            if len(text) <= MAX_OUTPUT_BYTES // _MAX_UTF8:
                return text
        try:
            return self._bound.render(variables)
        except Exception as error:
            raise TemplateFaultsError([_fault_of_rendering(error, self.source)]) from error


def read_template(source: str, *, names: Collection[str]) -> LiquidTemplate:
    """Read a template that may use the variables of these names.

    Raises:
        TemplateFaultsError: with everything that is wrong with it.
    """
    marks, faults = _find_marks(source)
    faults += _check_blocks(source, marks)
    faults += [fault for mark in marks for fault in _check_mark(source, mark)]
    if faults:
        raise TemplateFaultsError(_in_order(faults))
    try:
        bound = _environment().from_string(source)
        used = bound.analyze(include_partials=False)
    except Exception as error:
        raise TemplateFaultsError([_fault_of_reading(error, source, at=0)]) from error
    faults = [
        _fault(source, variable.span.index, "unknown_variable", "there is no such variable here.")
        for name, variables in used.globals.items()
        if name not in names
        for variable in variables
    ]
    faults += [
        _fault(source, span.index, "unknown_filter", "there is no such filter here.")
        for name, spans in used.filters.items()
        if name not in FILTERS
        for span in spans
    ]
    faults += [
        _fault(source, expression.token.start_index, "template_syntax", "ranges are not taken here.")
        for expression in _expressions(bound)
        if isinstance(expression, RangeLiteral)
    ]
    if faults:
        raise TemplateFaultsError(_in_order(faults))
    return LiquidTemplate(source, frozenset(used.globals), bound, _parts_of(bound))


def _parts_of(bound: BoundTemplate) -> "tuple[str | _Named, ...] | None":
    """Read a template that only puts names between texts, as most do: joining them takes a tenth of the time."""
    parts: list[str | _Named] = []
    for node in bound.nodes:
        if isinstance(node, content.ContentNode):
            parts.append(node.text)
        elif isinstance(node, output.OutputNode) and (named := _named(node.expression)) is not None:
            parts.append(named)
        else:
            return None
    return tuple(parts)


def _named(expression: Expression) -> "_Named | None":
    if not isinstance(expression, FilteredExpression) or not isinstance(expression.left, Path):
        return None
    if len(expression.left.path) != 1 or expression.left.path[0] not in SHORT_NAMES:
        return None
    name = str(expression.left.path[0])
    match expression.filters:
        case None | []:
            return _Named(name, "")
        case [Filter(name="default", args=[PositionalArgument(value=StringLiteral(value=text))])]:
            return _Named(name, text)
    return None


def _in_order(faults: Collection[TemplateFault]) -> list[TemplateFault]:
    return sorted(set(faults), key=lambda fault: (fault.line, fault.column))[:MAX_FAULTS]


def _find_marks(source: str) -> tuple[list[Mark], list[TemplateFault]]:
    """Find outputs and tags. What is not closed is text to Liquid; to whoever wrote it, it is a slip."""
    marks: list[Mark] = []
    faults: list[TemplateFault] = []
    found = list(_MARK.finditer(source))
    place = 0
    while place < len(found):
        opening = found[place]
        closing = found[place + 1] if place + 1 < len(found) else None
        if opening[0] not in _CLOSING:
            faults.append(_fault(source, opening.start(), "template_syntax", "nothing is open that this could close."))
        elif closing is None or closing[0] != _CLOSING[opening[0]]:
            faults.append(_fault(source, opening.start(), "template_syntax", "this is never closed."))
        else:
            tag = _TAG.match(source, opening.end(), closing.start()) if opening[0] == "{%" else None
            name = tag[1] if tag is not None else ""
            if opening[0] == "{%" and not name:
                faults.append(_fault(source, opening.start(), "unknown_tag", "a tag has no name."))
            elif closing.end() - opening.start() > MAX_MARK:
                sentence = f"this is longer than {MAX_MARK} characters."
                faults.append(_fault(source, opening.start(), "template_limit", sentence))
            else:
                marks.append(Mark(opening.start(), closing.end(), name))
            place += 1
        place += 1
    return marks, faults


def _check_blocks(source: str, marks: Collection[Mark]) -> list[TemplateFault]:
    """Check that tags are known, and that each block is closed by its own end."""
    faults: list[TemplateFault] = []
    open_blocks: list[Mark] = []
    for mark in marks:
        inside = open_blocks[-1].tag if open_blocks else ""
        if mark.tag in BLOCKS:
            open_blocks.append(mark)
            if len(open_blocks) == MAX_NESTING + 1:
                sentence = f"more than {MAX_NESTING} blocks stand inside one another."
                faults.append(_fault(source, mark.start, "template_limit", sentence))
        elif mark.tag in BRANCHES:
            if inside not in BRANCHES[mark.tag]:
                faults.append(_fault(source, mark.start, "template_syntax", "this tag has no place here."))
        elif mark.tag in BLOCKS.values():
            if BLOCKS.get(inside) == mark.tag:
                open_blocks.pop()
            else:
                faults.append(_fault(source, mark.start, "template_syntax", "this ends no open block."))
        elif mark.tag:
            faults.append(_fault(source, mark.start, "unknown_tag", "there is no such tag here."))
    faults += [_fault(source, mark.start, "template_syntax", "this block is never ended.") for mark in open_blocks]
    return faults


def _check_mark(source: str, mark: Mark) -> Iterator[TemplateFault]:
    """Read an output or tag by itself, so that the first fault of a template does not hide the others."""
    text = source[mark.start : mark.end]
    if mark.tag in BLOCKS:
        before, after = "", f"{{% {BLOCKS[mark.tag]} %}}"
    elif mark.tag in BRANCHES:
        block = "case" if mark.tag == "when" else "if"
        before, after = f"{{% {block} true %}}", f"{{% {BLOCKS[block]} %}}"
    elif mark.tag:
        return
    else:
        before = after = ""
    try:
        _environment().from_string(before + text + after)
    except Exception as error:
        yield _fault_of_reading(error, source, at=mark.start, shift=mark.start - len(before))


def _expressions(bound: BoundTemplate) -> Iterator[Expression]:
    context = RenderContext(bound)
    nodes: list[Node] = list(bound.nodes)
    while nodes:
        node = nodes.pop()
        nodes += node.children(context, include_partials=False)
        expressions = list(node.expressions())
        while expressions:
            expression = expressions.pop()
            expressions += expression.children()
            yield expression


def _fault_of_reading(error: Exception, source: str, *, at: int, shift: int = 0) -> TemplateFault:
    """Place an error; the library's sentences quote the template and are not passed on."""
    token = error.token if isinstance(error, LiquidError) else None
    place = token.start_index + shift if token is not None and token.start_index >= 0 else at
    return _fault(source, max(place, at), "template_syntax", "this cannot be read as Liquid.")


def _fault_of_rendering(error: Exception, source: str) -> TemplateFault:
    token = error.token if isinstance(error, LiquidError) else None
    at = token.start_index if token is not None and token.start_index >= 0 else 0
    if isinstance(error, UndefinedError):
        return _fault(source, at, "unknown_variable", "there is no such variable here, or it has no such part.")
    if isinstance(error, ResourceLimitError):
        return _fault(source, at, "template_limit", "too many rounds of loops, or too much text.")
    return _fault(source, at, "template_fails", "this fails when it is written out.")


def _fault(source: str, at: int, code: str, sentence: str) -> TemplateFault:
    at = min(at, len(source))
    line_start = source.rfind("\n", 0, at) + 1
    return TemplateFault(code, sentence, source.count("\n", 0, at) + 1, at - line_start + 1)
