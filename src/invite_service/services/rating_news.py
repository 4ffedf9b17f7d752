"""What merchants' systems are told of a rating: ids, stars and states; the words are for whoever asks with a key."""

from invite_service.domain.decision import JsonFigure
from invite_service.domain.feedback import Rating


def rating_told(rating: Rating) -> dict[str, JsonFigure]:
    """Tell of a rating as it stands now."""
    return {
        "rating_id": str(rating.id),
        "product_id": rating.product_id,
        "stars": rating.stars,
        "state": rating.state.value,
        "review_state": rating.review_state.value if rating.review_state is not None else None,
    }
