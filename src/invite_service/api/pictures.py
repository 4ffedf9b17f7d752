"""Pictures of reviews: to the merchant whatever their state, to everybody once their text is published."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from invite_service.api.caching import OpenRoute
from invite_service.api.dependencies import PictureId, RatingId, ReadsRatings, Services
from invite_service.api.openapi import answering, documented
from invite_service.api.pages.uploads import PICTURE_TYPE
from invite_service.api.routing import StrictRoute
from invite_service.domain.merchant import MerchantId

KEPT_FOR: Final = "public, max-age=86400, immutable"
"""A picture's address never shows another one; a day after it was taken down nobody shows it any more."""

_SHOWN: Final = {
    "Cache-Control": KEPT_FOR,
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
_PRIVATE: Final = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}

router = APIRouter(tags=["ratings"], route_class=StrictRoute)
open_router = APIRouter(tags=["public reviews"], route_class=OpenRoute)


@router.get(
    "/v1/ratings/{rating_id}/pictures/{picture_id}",
    **documented(
        "get_rating_picture",
        "Get a picture of a review",
        description="As JPEG, published or not.",
        problems=["rating_not_found", "picture_not_found", "pictures_closed", "pictures_unavailable"],
        scope="ratings:read",
    )
    | answering(PICTURE_TYPE),
)
async def get_rating_picture(
    caller: ReadsRatings, rating_id: RatingId, picture_id: PictureId, services: Services
) -> Response:
    content = await services.create_pictures().find_of_rating(caller.merchant.id, rating_id, picture_id)
    return Response(content, media_type=PICTURE_TYPE, headers=_PRIVATE)


@open_router.get(
    "/public/v1/{merchant_id}/pictures/{picture_id}",
    **documented(
        "get_public_picture",
        "Get a picture of a published review",
        description="As JPEG; may be kept for a day.",
        problems=["picture_not_found", "pictures_closed", "pictures_unavailable"],
        security=None,
    )
    | answering(PICTURE_TYPE),
)
async def get_public_picture(merchant_id: str, picture_id: PictureId, services: Services) -> Response:
    content = await services.create_pictures().find_published(MerchantId(merchant_id), picture_id)
    return Response(content, media_type=PICTURE_TYPE, headers=_SHOWN)
