"""A process's memory of merchants' own texts: what they were at a version never changes, so it is read once."""

from collections import OrderedDict
from typing import Final

from invite_service.domain.merchant import MerchantId
from invite_service.rendering.own_texts import NO_OWN_TEXTS, OwnTexts
from invite_service.storage.stores import Stores

MAX_REMEMBERED: Final = 200
"""Merchants whose texts are kept at once, at one version each; all of them in all languages take a megabyte."""


class TextVersions:
    """Gives merchants' own texts, their templates read once per version.

    Which version is the current one is not remembered: it is read with the branding, for each batch and each page.
    """

    def __init__(self, max_remembered: int = MAX_REMEMBERED) -> None:
        self._max_remembered = max_remembered
        self._remembered: OrderedDict[MerchantId, tuple[int, OwnTexts]] = OrderedDict()

    async def get(self, stores: Stores, merchant_id: MerchantId, version: int) -> OwnTexts:
        """Get a merchant's texts as they were at a version; 0 is before there were any."""
        if version == 0:
            return NO_OWN_TEXTS
        remembered = self._remembered.get(merchant_id)
        if remembered is not None and remembered[0] == version:
            self._remembered.move_to_end(merchant_id)
            return remembered[1]
        texts = OwnTexts(await stores.texts.list_at(merchant_id, version))
        self._remembered[merchant_id] = (version, texts)
        self._remembered.move_to_end(merchant_id)
        if len(self._remembered) > self._max_remembered:
            self._remembered.popitem(last=False)
        return texts
