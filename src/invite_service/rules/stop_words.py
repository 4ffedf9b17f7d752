"""Answers to an SMS that mean "no more": words, by language, that stand alone in the message.

The list holds the opt-out keywords of the CTIA, the words that advertising by SMS names in each country, and what
customers of each language write; docs/operations.md shows it. Words are compared whole, so that "stop by the shop" in
an answer stops nothing.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

STOP_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "optout", "opt out", "revoke"),
    "nb": ("stopp", "avslutt", "meld av", "avmeld"),
    "da": ("stop", "afmeld", "frameld"),
    "sv": ("stopp", "sluta", "avsluta", "avanmäl"),
    "fi": ("stop", "seis", "lopeta", "peru", "peruuta"),
    "de": ("stopp", "abmelden", "abbestellen", "ende"),
    "nl": ("stop", "afmelden", "uitschrijven"),
    "fr": ("stop", "arret", "arreter", "desabonner", "desabonnement"),
    "es": ("alto", "baja", "parar", "cancelar"),
    "it": ("basta", "ferma", "annulla", "disiscrivi", "cancellami"),
    "pt-BR": ("pare", "parar", "sair", "cancelar", "descadastrar"),
    "pl": ("rezygnuje", "wypisz", "koniec", "anuluj"),
    "cs": ("konec", "zrusit", "odhlasit"),
    "sk": ("koniec", "zrusit", "odhlasit"),
    "et": ("lopeta", "loobu", "tuhista"),
    "lv": ("beigt", "atteikties", "partraukt"),
    "ru": ("стоп", "отписаться", "отписка", "отмена"),
    "ja": ("停止", "配信停止", "解除", "ストップ"),
}
"""By supported language, folded: lower case, and in Latin script without marks."""

_LONGEST: Final = 40
"""Characters of a message that may be nothing but such a word and its marks."""

_AROUND: Final = re.compile(r"^[\W_]+|[\W_]+$")
_BETWEEN: Final = re.compile(r"[\W_]+")


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("ł", "l"))
    plain = "".join(character for character in decomposed if not "\u0300" <= character <= "\u036f")
    return _BETWEEN.sub(" ", _AROUND.sub("", unicodedata.normalize("NFKC", plain)))


_FOLDED: Final = frozenset(_fold(word) for words in STOP_WORDS.values() for word in words)


def means_stop(text: str) -> bool:
    """Say whether an SMS that a customer sent back is nothing but a word that means stop."""
    return len(text.strip()) <= _LONGEST and _fold(text.strip()) in _FOLDED
