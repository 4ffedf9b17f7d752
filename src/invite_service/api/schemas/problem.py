"""RFC 9457 problems as they stand on the wire."""

from dataclasses import dataclass

from invite_service.api.schemas.fields import Answer


@dataclass(frozen=True, slots=True)
class FaultResponse(Answer):
    """One thing that is wrong with a request; never the offending value."""

    pointer: str
    """RFC 6901 pointer into the JSON body, a question mark and the name of a query parameter, or a header's name."""
    code: str
    """A stable word, such as missing, unknown_field, too_long, out_of_range, invalid_type or invalid_format."""
    detail: str


@dataclass(frozen=True, slots=True)
class ProblemResponse(Answer):
    """Why a request was refused, with every fault at once."""

    type: str
    """A URI that names the kind of problem: urn:invite-service:problem: and the code."""
    title: str
    status: int
    code: str
    """A stable word that programs may compare."""
    detail: str
    request_id: str
    """What to quote to support; the same as the X-Request-ID header."""
    errors: tuple[FaultResponse, ...]
