"""What the shop's clients may send, as strictly as the shop has always been: 400 for what is malformed.

What is missing or of another type is a 422 as everywhere; limits are clamped and never refused.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, StrictStr, WithJsonSchema
from starlette.exceptions import HTTPException

from serving.http.problems import BODY_RESPONSES, RESPONSES

USER, PRODUCT = r"^[a-zA-Z0-9]{1,50}$", r"^[A-Z0-9]{10}$"
LONGEST_QUERY = 255
MALFORMED: dict[int | str, dict[str, Any]] = {
    **RESPONSES, 400: {**RESPONSES[422], "description": "An id or a query is malformed; `detail` says how."}
}  # fmt: skip
MALFORMED_BODY = {**BODY_RESPONSES, **MALFORMED}


def _clamped(most: int) -> AfterValidator:
    return AfterValidator(lambda limit: min(max(limit, 1), most))


def _whole(default: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "default": default, "description": f"clamped to 1 … {most}"}


Few = Annotated[int, _clamped(60), WithJsonSchema(_whole(20, 60))]
Many = Annotated[int, _clamped(6000), WithJsonSchema(_whole(2000, 6000))]


class HomeIn(BaseModel):
    """The query of the home page."""

    user_id: str = Field(json_schema_extra={"pattern": USER})
    response_limit: Few = 20


class ProductIn(BaseModel):
    """The query of a product's page."""

    response_limit: Few = 20


class ShopSearchIn(BaseModel):
    """The query of the search page."""

    query: str = Field(
        description=f"1 to {LONGEST_QUERY} characters after trimming", json_schema_extra={"pattern": r"\S"}
    )
    response_limit: Many = 2000


class ShopEventIn(BaseModel):
    """What a user did: clicked on a product, or searched."""

    user_id: StrictStr = Field(pattern=USER)
    event_type: Literal["product_click", "search_query"]
    product_id: Annotated[StrictStr, Field(pattern=PRODUCT)] | None = Field(
        default=None, description="of a product_click"
    )
    query: StrictStr | None = Field(
        default=None, description=f"of a search_query: 1 to {LONGEST_QUERY} characters after trimming"
    )


class DaysIn(BaseModel):
    """How far back."""

    days: float = Field(default=30, gt=0, le=36_525, description="only the last so many days")


def user_of(text: str) -> str:
    """A user's id; 400 where it is none."""
    return _of(USER, text, "user_id", "1 to 50 letters and digits")


def product_of(text: str) -> str:
    """A product's id; 400 where it is none."""
    return _of(PRODUCT, text, "product_id", "10 capital letters and digits")


def query_of(text: str | None) -> str:
    """The words of a search, trimmed; 400 where there are none, or too many."""
    words = (text or "").strip().encode("utf-8", "replace").decode()
    if not 1 <= len(words) <= LONGEST_QUERY:
        raise HTTPException(
            400, f"query: expected 1 to {LONGEST_QUERY} characters after trimming, found {len(words)}"
        )
    return words


def _of(pattern: str, text: str, name: str, wanted: str) -> str:
    if re.fullmatch(pattern.strip("^$"), text) is None:
        raise HTTPException(400, f"{name}: expected {wanted}, found {text[:80]!a}")
    return text
