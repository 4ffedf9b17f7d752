"""The language of an invitation: RULES.md section 3, the paragraph 'Language'."""

import re

SUPPORTED = frozenset(
    ("cs", "da", "de", "en", "es", "et", "fi", "fr", "it", "ja", "lv", "nb", "nl", "pl", "pt-BR", "ru", "sk", "sv")
)

WITH_ANY_REGION = {"no": "nb", "nn": "nb", "pt": "pt-BR", "cz": "cs", "dk": "da"}
"""Primary subtags that mean another supported language, whatever follows them."""

BARE_ONLY = {"br": "pt-BR", "se": "sv"}
"""Country codes taken for languages; with a region they are Breton and Northern Sami."""

TAG = re.compile(r"[a-z]{2,8}([-_][a-z0-9]{1,8})*")


def read_language(text: str | None) -> str | None:
    """Return the supported language that a tag of any case means; None when it means none."""
    tag = (text or "").strip().lower()
    if TAG.fullmatch(tag) is None:
        return None
    primary, *rest = re.split("[-_]", tag)
    if primary in WITH_ANY_REGION:
        return WITH_ANY_REGION[primary]
    if primary in BARE_ONLY:
        return None if rest else BARE_ONLY[primary]
    return primary if primary in SUPPORTED else None


def choose_language(policy_language: str, order_language: str | None, fallback_language: str) -> str:
    """Return the policy's fixed language, else the order's, else the fallback."""
    if policy_language != "automatic":
        return policy_language
    return read_language(order_language) or fallback_language
