"""The addresses that a message leads to."""

from typing import NamedTuple
from urllib.parse import quote

from invite_service.rendering.cleaning import web_address


class Links(NamedTuple):
    """Where one message's links lead: absolute https (locally http) addresses, each carrying its own token.

    The page may be the merchant's own, so that its address may have a query already.
    """

    page: str
    unsubscribe: str

    @property
    def query_mark(self) -> str:
        """What joins the page's address and a query: `?`, or `&` where it has one."""
        return "&" if "?" in self.page else "?"

    def check(self) -> None:
        """Raise ValueError for an address that could break out of a header or a message."""
        if any(web_address(link) != link for link in self):
            raise ValueError("a link is not a plain web address")


def product_query(product_id: str) -> str:
    """Write what follows `stars=4` in a query to say which product they are for."""
    return f"&product_id={quote(product_id, safe='')}"
