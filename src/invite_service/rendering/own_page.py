"""What a merchant's own page asks its customers with: our words, and a script that opens a dialog with them.

A script of a version that was released stays as it is, byte by byte: pages name it by its hash.
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha384
from importlib.resources import files
from typing import Final

from invite_service.rendering.pages import PageFrame
from invite_service.rules.feedback import HIGHEST_STARS, LOWEST_STARS

SCRIPT_VERSIONS: Final = (1,)
"""Of the script, the newest last."""

_STYLE: Final = "STYLE"
"""Stands in the script for its style sheet."""

_LINE_END: Final = re.compile(r"([{(\[,;])\n+")
"""Where a line may go on: the script has no text with such an end."""

_PLAIN: Final = (
    "ask_title",
    "ask_lead",
    "close",
    "failed_title",
    "failed_lead",
    "not_received_noted_title",
    "not_received_title",
    "thanks_title",
    "thanks_published",
    "thanks_waiting",
)
_NAMED: Final[Mapping[str, str]] = {
    "yes": "ask_yes",
    "no": "ask_no",
    "missing": "rate_missing",
    "publish": "rate_publish",
    "publish_again": "rate_publish_again",
    "report": "not_received_report",
    "review": "rate_review_label",
    "saved": "rate_saved",
    "too_old": "fault_too_old_to_change",
    "unnamed": "unnamed_product",
}
"""Texts by the names they have on the page, where these are others than in the catalogue."""


def own_page_texts(frame: PageFrame, *, is_product: bool, count: int) -> dict[str, str | Sequence[str]]:
    """Write the texts for a page about so many products, or about the service, in the invitation's language.

    `stars` are the labels of one to five of them, `direction` is ltr or rtl, all others are sentences.
    """
    texts, merchant = frame.words(is_html=False), frame.brand.name
    shown = frame.displayed_name
    name_line = texts("rate_name_shown", name=shown) if shown else texts("rate_name_hidden")
    lead = ("rate_lead" if count == 1 else "rate_lead_many") if is_product else "rate_service_lead"
    return {
        "direction": texts.locale.text_direction,
        "stars": tuple(texts("star_count", count=stars) for stars in range(LOWEST_STARS, HIGHEST_STARS + 1)),
        **{key: texts(key) for key in _PLAIN},
        **{name: texts(key) for name, key in _NAMED.items()},
        "consent": f"{texts('rate_consent', merchant=merchant)} {name_line}",
        "contact": texts("page_contact", merchant=merchant),
        "rate_title": texts("rate_title") if is_product else texts("rate_service_title", merchant=merchant),
        "rate_lead": texts(lead),
        "service": texts("rate_service_subject", merchant=merchant),
    }


@dataclass(frozen=True, slots=True)
class Script:
    """A script as it is served."""

    content: bytes
    integrity: str
    """For the attribute of that name (Subresource Integrity)."""


@cache
def script_of(version: int) -> Script:
    """Put a version of the script together: without what only its readers need."""
    folder = files("invite_service.rendering") / "scripts"
    style = (folder / f"invite-{version}.css").read_text(encoding="utf-8")
    for long, short in ((" { ", "{"), (" }", "}"), (": ", ":"), ("; ", ";"), ("\n", "")):
        style = style.replace(long, short)
    lines = (folder / f"invite-{version}.js").read_text(encoding="utf-8").splitlines()
    code = _LINE_END.sub(r"\1", "\n".join(line.strip() for line in lines))
    for long, short in ((" => ", "=>"), (" = ", "="), (", ", ","), ("{ ", "{"), (" }", "}")):
        code = code.replace(long, short)
    content = code.replace(_STYLE, style).encode()
    return Script(content, f"sha384-{b64encode(sha384(content).digest()).decode()}")
