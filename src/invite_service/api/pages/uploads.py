"""Pictures that come with a form: kept before what they go with is, and their faults told along with all others."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from invite_service.api.multipart import UploadedFile
from invite_service.api.pages.forms import FormItem
from invite_service.bootstrap import Factory
from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.domain.feedback import Feedback
from invite_service.rules.feedback import MAX_PICTURES

PICTURE_TYPE: Final = "image/jpeg"
"""Of every picture that is kept."""


async def with_pictures(token: str, items: Sequence[FormItem], services: Factory) -> list[Feedback]:
    """Translate items to the domain, their pictures on the shelf; where there is none, pictures are left out.

    Raises:
        InvalidInputError: with the faults of the pictures, and of everything else where there are such.
    """
    pictures = services.create_pictures()
    feedback: list[Feedback] = []
    faults: list[Fault] = []
    for index, item in enumerate(items):
        kept: list[UUID] = []
        pointer = f"/ratings/{index}/review/pictures"
        if len(item.uploads) > MAX_PICTURES:
            faults.append(Fault(pointer, "too_many_pictures", f"At most {MAX_PICTURES} pictures."))
        elif item.uploads and pictures.is_open:
            try:
                kept = await pictures.take(token, item.uploads)
            except InvalidInputError as error:
                faults += [Fault(pointer, fault.code, fault.detail) for fault in error.faults]
        feedback.append(item.to_feedback(pictures=kept))
    if faults:
        faults += await services.create_feedback().find_faults(token, feedback)
        raise InvalidInputError("The form has faults.", faults=faults)
    return feedback


def check_count(uploads: Sequence[UploadedFile]) -> Sequence[UploadedFile]:
    """Check how many pictures were uploaded before anything is done with them; raises InvalidInputError."""
    if uploads and len(uploads) <= MAX_PICTURES:
        return uploads
    code = "too_many_pictures" if uploads else "missing"
    raise InvalidInputError(
        "The pictures have faults.",
        faults=[Fault("/pictures", code, f"Upload 1 to {MAX_PICTURES} files as `picture`.")],
    )
