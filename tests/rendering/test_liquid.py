"""Merchants' Liquid: what is taken, what is refused and where, and that nothing can run long or grow large."""

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.rendering.liquid import (
    MAX_FAULTS,
    MAX_OUTPUT_BYTES,
    read_template,
)
from invite_service.rendering.template_faults import TemplateFault, TemplateFaultsError
from invite_service.rendering.text_variables import NamedProduct

NAMES = frozenset({"customer_name", "products", "product_count"})

VARIABLES: dict[str, object] = {
    "customer_name": "Kari",
    "products": [NamedProduct("Mug"), NamedProduct("Tent")],
    "product_count": 2,
}

MARKS = ("{{", "}}", "{%", "%}", "{%-", "-}}")
TAGS = ("if", "endif", "for p in", "endfor", "else", "elsif", "case", "when", "endcase", "unless", "raw", "include 'x'")
WORDS = ("customer_name", "products", "product_count", "forloop.parentloop", "nil", "now", "x", "99999999999999999999")
SIGNS = (" ", "\n", "|", ".", "'", "==", "<", "contains", "and", "[0]", "['name']", ".name", "(1..99999999999)")
FILTERS = ("upcase", "truncate: 3", "default: 'x'", "size", "limit: 2", "offset: 99", "reversed")
PIECES = st.sampled_from((*MARKS, *TAGS, *WORDS, *SIGNS, *FILTERS))

FOREIGN_TAGS = (
    *("assign x = 1", "capture x", "include 'x'", "render 'x'", "tablerow x in products", "cycle 1, 2", "increment x"),
    *("liquid if true", "echo 1", "raw", "comment", "doc", "# x", "extends 'x'", "block x", "macro x", "break"),
)


def write(source: str, **variables: object) -> str:
    return read_template(source, names=NAMES).render({**VARIABLES, **variables})


def faults_of(source: str) -> list[tuple[str, int, int]]:
    with pytest.raises(TemplateFaultsError) as raised:
        write(source)
    return [(fault.code, fault.line, fault.column) for fault in raised.value.faults]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hi {{ customer_name }}!", "Hi Kari!"),
        ("{{ customer_name | upcase | truncate: 3, '.' }}", "KA."),
        ("{{ missing_is_nil }}", None),
        ("{% for p in products %}{{ p.name }}{% unless forloop.last %}, {% endunless %}{% endfor %}", "Mug, Tent"),
        ("{% for p in products limit: 1 %}{{ p }}{% else %}none{% endfor %}", "Mug"),
        ("{% if product_count > 1 and customer_name %}several{% elsif true %}x{% else %}one{% endif %}", "several"),
        ("{% case product_count %}{% when 1 %}one{% when 2, 3 %}few{% else %}many{% endcase %}", "few"),
        ("{{ products.first.name }} {{ products[1] }} {{ products.size }}", "Mug Tent 2"),
        ("a {%- if true -%} b {%- endif -%} c", "abc"),
        ("100 % & <b>", "100 % & <b>"),
    ],
)
def test_what_merchants_need_can_be_written(source: str, text: str | None) -> None:
    if text is None:
        assert faults_of(source) == [("unknown_variable", 1, 4)]
    else:
        assert write(source) == text


def test_missing_name_has_a_stand_in() -> None:
    assert write("Hi {{ customer_name | default: 'you' }}", customer_name=None) == "Hi you"
    assert write("{% if customer_name %}x{% endif %}", customer_name=None) == ""


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ("Hi {{ customer_name }", [("template_syntax", 1, 4)]),
        ("Hi }}", [("template_syntax", 1, 4)]),
        ("{{ a }}\n {{ b }}", [("unknown_variable", 1, 4), ("unknown_variable", 2, 5)]),
        ("{{ customer_name | join: 'x' }}", [("unknown_filter", 1, 20)]),
        ("{{ a | b }}", [("unknown_variable", 1, 4), ("unknown_filter", 1, 8)]),
        ("{{ customer_name | }}\n{{ | }}", [("template_syntax", 1, 1), ("template_syntax", 2, 4)]),
        ("{% if customer_name = 'x' %}{% endif %}", [("template_syntax", 1, 21)]),
        ("x\n  {% if true %}", [("template_syntax", 2, 3)]),
        ("{% if true %}{% endfor %}", [("template_syntax", 1, 1), ("template_syntax", 1, 14)]),
        ("{% else %}{% when 1 %}", [("template_syntax", 1, 1), ("template_syntax", 1, 11)]),
        ("{% %}", [("unknown_tag", 1, 1)]),
        ("{% for p in products %}{{ p.nmae }}{% endfor %}", [("unknown_variable", 1, 27)]),
        ("{{ products[7].name }}", [("unknown_variable", 1, 4)]),
        ("{% if customer_name < 3 %}{% endif %}", [("template_fails", 1, 21)]),
        ("{{ customer_name | truncate: 'x' }}", [("template_fails", 1, 20)]),
        ("{{ now }}{{ today }}{{ ['now'] }}", [("unknown_variable", 1, at) for at in (4, 13, 24)]),
        ("{{ customer_name.__class__ }}", [("unknown_variable", 1, 4)]),
    ],
)
def test_every_fault_is_named_with_line_and_column(source: str, faults: list[tuple[str, int, int]]) -> None:
    assert faults_of(source) == faults


@pytest.mark.parametrize("tag", FOREIGN_TAGS)
def test_no_tag_but_the_documented_ones_exists(tag: str) -> None:
    assert faults_of(f"{{% {tag} %}}") == [("unknown_tag", 1, 1)]


@pytest.mark.parametrize(
    "source",
    [
        "{% for x in (1..99999999999) %}{% endfor %}",
        "{% for x in (1..99999999999) limit: 5 offset: 99999999990 %}{% endfor %}",
        "{% for x in (1..999999999) reversed %}{% endfor %}",
        "{{ (1..999999999) | size }}",
        "{% if (1..999999999) contains 5 %}{% endif %}",
        "{% for a in products %}" * 5 + "x" + "{% endfor %}" * 5,
        "{% for a in products %}" * 7 + "x" + "{% endfor %}" * 7,
        "{% if true %}" * 7 + "{% endif %}" * 7,
        "{{ customer_name " + "| upcase " * 200 + "}}",
        "{{" + " " * 2000 + "}}",
        "{%if" + " " * 2000 + "true%}{%endif%}",
    ],
)
def test_endless_or_deep_templates_are_refused_at_once(source: str) -> None:
    began = perf_counter()
    assert faults_of(source)[0][0] in {"template_limit", "template_syntax"}
    assert perf_counter() - began < 2


def test_large_output_is_refused() -> None:
    source = "{% for a in products %}{% for b in products %}{{ a.name }}{% endfor %}{% endfor %}"
    many = [NamedProduct("漢" * 120)] * 12
    with pytest.raises(TemplateFaultsError) as raised:
        write(source, products=many)
    assert [fault.code for fault in raised.value.faults] == ["template_limit"]


def test_no_more_faults_are_named_than_anybody_reads() -> None:
    assert len(faults_of("{{ a }}" * 100)) == MAX_FAULTS


def test_what_is_said_of_a_fault_repeats_nothing_of_the_template() -> None:
    source = "{{ secret }} {{ customer_name | secret }} {% secret %} {{ 'secret }} {% if secret secret %}{% endif %}"
    with pytest.raises(TemplateFaultsError) as raised:
        read_template(source, names=NAMES)
    assert "secret" not in str(raised.value)


@given(st.lists(PIECES, max_size=40).map(" ".join))
def test_any_template_is_read_or_refused_and_then_written_small_or_refused(source: str) -> None:
    text = ""
    faults: tuple[TemplateFault, ...] = ()
    try:
        text = write(source)
    except TemplateFaultsError as error:
        faults = error.faults
    lines = source.split("\n")
    assert all(1 <= fault.line <= len(lines) for fault in faults)
    assert all(1 <= fault.column <= len(lines[fault.line - 1]) + 1 for fault in faults)
    assert len(text.encode()) <= MAX_OUTPUT_BYTES


SIMPLE = st.lists(
    st.one_of(
        st.text(max_size=5).filter(lambda text: not any(mark[:1] in text for mark in ("{", "}", "%"))),
        st.sampled_from(
            (
                "{{ customer_name }}",
                "{{- customer_name -}}",
                "{{ customer_name | default: 'you' }}",
                "{{ customer_name | default: 'you' | upcase }}",
                "{{ customer_name | upcase }}",
                "{{ products }}",
                "{{ product_count }}",
                "{{ 'x' }}",
            )
        ),
    ),
    max_size=8,
).map("".join)


@given(SIMPLE, st.one_of(st.none(), st.just(""), st.text(max_size=10)))
def test_simple_template_is_written_as_liquid_writes_it(source: str, name: str | None) -> None:
    template = read_template(source, names=NAMES)
    variables = {**VARIABLES, "customer_name": name}
    assert template.render(variables).splitlines() == template._bound.render(variables).splitlines()


def test_simple_template_has_the_same_limit() -> None:
    with pytest.raises(TemplateFaultsError) as raised:
        write("{{ customer_name }}" * 30, customer_name="漢" * 200)
    assert raised.value.faults[0].code == "template_limit"


@given(st.text(max_size=300))
def test_text_without_marks_is_written_as_it_is(text: str) -> None:
    if not any(mark in text for mark in MARKS):
        assert write(text) == text
