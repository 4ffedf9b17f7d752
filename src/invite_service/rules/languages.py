"""In which language a customer is written to (RULES.md section 3, "Language")."""

from functools import lru_cache

from invite_service.domain.policy import AUTOMATIC_LANGUAGE, SUPPORTED_LANGUAGES, Policy

_BY_PRIMARY_SUBTAG = {language.split("-")[0].lower(): language for language in SUPPORTED_LANGUAGES} | {
    "no": "nb",
    "nn": "nb",
    "cz": "cs",
    "dk": "da",
}
"""Primary subtags read alike with any region; `pt` → pt-BR comes from the supported languages themselves."""

_BARE_ONLY = {"br": "pt-BR", "se": "sv"}
"""Country codes that shops send as languages; with a region they are Breton and Northern Sami."""


@lru_cache(maxsize=1024)
def read_language(tag: str | None) -> str | None:
    """Read a BCP 47 tag, in any case and with `_` or `-`, as a supported language, or None."""
    if tag is None:
        return None
    primary, *rest = tag.strip().lower().replace("_", "-").split("-")
    if not rest and primary in _BARE_ONLY:
        return _BARE_ONLY[primary]
    return _BY_PRIMARY_SUBTAG.get(primary)


def decide_language(policy: Policy, order_language: str | None) -> str:
    """Decide the language: the policy's fixed one, else the order's, else the fallback."""
    if policy.language != AUTOMATIC_LANGUAGE:
        return policy.language
    return read_language(order_language) or policy.fallback_language
