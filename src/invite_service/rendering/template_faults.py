"""What may be wrong with a merchant's template, named without the language that templates are written in."""

from collections.abc import Collection
from typing import NamedTuple


class TemplateFault(NamedTuple):
    """One thing that is wrong with a template, and where: line and column count from 1, and are 0 for all of it."""

    code: str
    sentence: str
    line: int
    column: int

    @property
    def detail(self) -> str:
        """Say it with its place."""
        if not self.line:
            return self.sentence[:1].upper() + self.sentence[1:]
        return f"Line {self.line}, column {self.column}: {self.sentence}"


class TemplateFaultsError(Exception):
    """The template cannot be used; everything that is wrong with it is named."""

    def __init__(self, faults: Collection[TemplateFault]) -> None:
        super().__init__("; ".join(fault.detail for fault in faults))
        self.faults = tuple(faults)
