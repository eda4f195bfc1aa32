"""A product as the shop's pages show it, made of whatever the data set declares."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from catalog.schema import BestValue, DatasetSchema
from serving.storefronts.pages import Page, category

USUAL = BestValue(discount="discount_ratio", rating="rating", reviews="rating_count")
"""Features that tell a bargain, where the data set does not say which do."""


class Product(BaseModel):
    """One product; null is what is not known of it."""

    id: str
    name: str
    category: str = Field(description="`main > sub`; empty where none is known")
    image: str | None = Field(description="where the picture is")
    price: float | None
    original_price: float | None
    rating: float | None
    reviews: int | None
    discount_ratio: float | None = Field(description="0 … 1, of the original price")


def product(page: Page, schema: DatasetSchema) -> dict[str, Any]:
    """The body of a Product."""
    value = schema.best_value or USUAL
    levels = (category(page, schema, "main_category"), page.word("sub_category"))
    reviews, discount = page.number(value.reviews), page.number(value.discount)
    return {
        "id": page.item_id, "name": page.title, "category": " > ".join(level for level in levels if level),
        "image": page.image, "price": page.number("discount_price", "price", "actual_price"),
        "original_price": page.number("actual_price", "price"), "rating": page.number(value.rating),
        "reviews": None if reviews is None else int(reviews),
        "discount_ratio": None if discount is None else round(discount, 4),
    }  # fmt: skip
