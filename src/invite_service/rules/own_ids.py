"""Ids that nobody outside hears of."""

from uuid import UUID


class OwnId(UUID):
    """An id that is made once and handed on, so that being the same is being equal.

    Finding things by UUIDs is a quarter of what replaying them costs: theirs are compared in Python.
    """

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__
