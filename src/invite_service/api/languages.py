"""In which language a merchant is told things: the one that is asked for, else the first accepted one, else English."""

from typing import Final

from invite_service.rendering.texts import FALLBACK_LANGUAGE, STORY_LANGUAGES
from invite_service.rules.languages import read_language

MAX_ENTRIES: Final = 10
"""Entries of an Accept-Language header that are looked at."""


def choose_language(asked: str | None, accepted: str | None) -> str:
    """Choose a story language by the parameter, which is one of them, and the Accept-Language header."""
    if asked is not None:
        return asked
    entries = [_read_entry(entry) for entry in (accepted or "").split(",")[:MAX_ENTRIES]]
    for weight, language in sorted(entries, key=lambda entry: -entry[0]):
        if weight > 0 and language in STORY_LANGUAGES:
            return language
    return FALLBACK_LANGUAGE


def _read_entry(entry: str) -> tuple[float, str]:
    """Read an entry such as `nb-NO;q=0.8`; one that cannot be read counts for nothing."""
    tag, _, parameter = entry.partition(";")
    name, _, value = parameter.partition("=")
    language = read_language(tag) or ""
    if not parameter:
        return 1.0, language
    try:
        return (float(value) if name.strip() == "q" else 0.0), language
    except ValueError:
        return 0.0, language
