"""Every call of the service: what is sent, and what the answer is read as. Nothing is sent here.

A function per call returns a `Call`, which both clients send. Ids may be any text, also with slashes and dots.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote
from uuid import uuid4

from towerbridge.client import results

T = TypeVar("T")
Moment = datetime | float | str
"""A time: aware or in UTC, seconds since the epoch, or ISO-8601."""
Picture = bytes | str
"""The bytes of a picture file; or a `data:` URI, or an https address that the service may fetch from."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and the type of its answer."""

    method: str
    path: str
    answer: type[T]
    query: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    """JSON."""
    repeatable: bool = True
    """Whether sending it twice does what sending it once does."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """Something that a user did, to be recorded.

    Each gets an id of its own, so that one that is sent again is counted once.
    """

    user_id: str
    item_id: str
    type: str
    """One of the data set's declared types: `click`, `rating`, …"""
    value: float | None = None
    timestamp: Moment | None = None
    """None means when it arrives."""
    request_id: str | None = None
    """Of the answer that showed the item."""
    event_id: str = field(default_factory=lambda: uuid4().hex)


class Unset:
    """The type of `UNSET`."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()
"""Of a change: leave this field as it is, where None would empty it."""


def recommendations(
    user_id: str, *, limit: int = 10, offset: int = 0, category: Iterable[str] = (), exclude: Iterable[str] = (),
    diversity: float = 0.0, time: Moment | None = None, explain: bool = False,
    w_text: float | None = None, w_image: float | None = None, w_behaviour: float | None = None,
) -> Call[results.RankedList]:  # fmt: skip
    """The best items that a user has not seen; somebody unknown gets some too."""
    query = _query(
        limit=limit, offset=offset, category=category, exclude=exclude, diversity=diversity, time=_time(time),
        explain=explain, w_text=w_text, w_image=w_image, w_behaviour=w_behaviour,
    )  # fmt: skip
    return Call("GET", f"/v1/users/{_id(user_id)}/recommendations", results.RankedList, query)


def rank(user_id: str, candidates: Sequence[str]) -> Call[results.RankedList]:
    """Given items in the order that suits a user; unknown ones come last and are marked."""
    body = _json({"user_id": user_id, "candidates": list(candidates)})
    return Call("POST", "/v1/rank", results.RankedList, body=body)


def from_source(
    source: str, *, user_id: str | None = None, limit: int = 10, offset: int = 0, category: Iterable[str] = ()
) -> Call[results.RankedList]:
    """What one source proposes by itself: `trending`, `popular`, `best_value`, …; to a user, what is new to them."""
    query = _query(user_id=user_id, limit=limit, offset=offset, category=category)
    return Call("GET", f"/v1/lists/{_id(source)}", results.RankedList, query)


def similar(
    item_id: str, *, by: Literal["likeness", "covisitation"] = "likeness", limit: int = 10, offset: int = 0,
    category: Iterable[str] = (), exclude: Iterable[str] = (), diversity: float = 0.0,
    w_text: float | None = None, w_image: float | None = None, w_behaviour: float | None = None,
) -> Call[results.SimilarItems]:  # fmt: skip
    """What is like an item, or was taken by the same users."""
    query = _query(
        by=by, limit=limit, offset=offset, category=category, exclude=exclude, diversity=diversity,
        w_text=w_text, w_image=w_image, w_behaviour=w_behaviour,
    )  # fmt: skip
    return Call("GET", f"/v1/items/{_id(item_id)}/similar", results.SimilarItems, query)


def search(
    q: str, *, user_id: str | None = None, limit: int = 10, offset: int = 0, category: Iterable[str] = (),
    explain: bool = False,
) -> Call[results.SearchResults]:  # fmt: skip
    """Items by words and by meaning; with a user, what suits them comes sooner."""
    query = _query(q=q, user_id=user_id, limit=limit, offset=offset, category=category, explain=explain)
    return Call("GET", "/v1/search", results.SearchResults, query)


def search_picture(
    picture: bytes, *, user_id: str | None = None, limit: int = 10, offset: int = 0,
    category: Iterable[str] = (),
) -> Call[results.SearchResults]:  # fmt: skip
    """Items that look like a picture."""
    query = _query(user_id=user_id, limit=limit, offset=offset, category=category)
    return Call("POST", "/v1/search/image", results.SearchResults, query, _json({"image": _picture(picture)}))


def record(*interactions: Interaction) -> Call[results.Accepted]:
    """Store what users did, at most 1,000 at once; part of the very next answer, and durable.

    Good ones are stored where others are refused.
    """
    rows = [
        {name: value for name, value in asdict(each).items() if value is not None} | _at(each.timestamp)
        for each in interactions
    ]
    return Call("POST", "/v1/interactions", results.Accepted, body=_json(rows))


def interactions(user_id: str, *, days: float | None = None, limit: int = 100) -> Call[results.Events]:
    """What a user did, latest first; empty for somebody unknown."""
    path = f"/v1/users/{_id(user_id)}/interactions"
    return Call("GET", path, results.Events, _query(days=days, limit=limit))


def item(item_id: str) -> Call[results.StoredItem]:
    """An item's record."""
    return Call("GET", f"/v1/items/{_id(item_id)}", results.StoredItem)


def picture(item_id: str) -> Call[bytes]:
    """An item's picture, as the file that was imported or sent.

    NotFoundError where it has none, ElsewhereError where its record holds an address on the web.
    """
    return Call("GET", f"/v1/items/{_id(item_id)}/image", bytes)


def put_item(
    item_id: str, *, title: str = "", text: str = "", image: Picture | None = None,
    features: Mapping[str, Any] | None = None, available: bool = True,
) -> Call[results.WrittenItem]:  # fmt: skip
    """Add an item or replace it: in every answer within a second. What is left out is empty from then on."""
    body = {
        "title": title, "text": text, "image": _picture(image), "features": dict(features or {}),
        "available": available,
    }  # fmt: skip
    return Call("PUT", f"/v1/items/{_id(item_id)}", results.WrittenItem, body=_json(body))


def change_item(
    item_id: str, *, title: str | Unset = UNSET, text: str | Unset = UNSET,
    image: Picture | Unset | None = UNSET, features: Mapping[str, Any] | Unset | None = UNSET,
    available: bool | Unset = UNSET,
) -> Call[results.WrittenItem]:  # fmt: skip
    """Change what is named of an item, and leave the rest; `available=False` hides it from the next answer on."""
    given = {"title": title, "text": text, "features": features, "available": available}
    body = {name: value for name, value in given.items() if not isinstance(value, Unset)}
    if not isinstance(image, Unset):
        body["image"] = _picture(image)
    return Call("PATCH", f"/v1/items/{_id(item_id)}", results.WrittenItem, body=_json(body))


def delete_item(item_id: str) -> Call[results.RemovedItem]:
    """Let an item be gone from every answer; a second time it is not found, hence not repeated."""
    return Call("DELETE", f"/v1/items/{_id(item_id)}", results.RemovedItem, repeatable=False)


def users(q: str = "", *, limit: int = 20) -> Call[results.UserIds]:
    """Users that the model was trained on, by a part of their id. For administrators."""
    return Call("GET", "/v1/users", results.UserIds, _query(q=q, limit=limit))


def user(user_id: str) -> Call[results.StoredUser]:
    """A user's record."""
    return Call("GET", f"/v1/users/{_id(user_id)}", results.StoredUser)


def put_user(user_id: str, features: Mapping[str, Any] | None = None) -> Call[results.WrittenUser]:
    """Add a user's record or replace it."""
    body = _json({"features": dict(features or {})})
    return Call("PUT", f"/v1/users/{_id(user_id)}", results.WrittenUser, body=body)


def forget_user(user_id: str) -> Call[results.ForgottenUser]:
    """Remove a user's record and all their interactions; a second time they are not found, hence not repeated."""
    return Call("DELETE", f"/v1/users/{_id(user_id)}", results.ForgottenUser, repeatable=False)


def dataset() -> Call[results.Described]:
    """What is served: its size, its categories and features, and the types of interactions that people make."""
    return Call("GET", "/v1/dataset", results.Described)


def models() -> Call[results.Models]:
    """Every model version with its figures and its story; for administrators."""
    return Call("GET", "/v1/models", results.Models)


def promote(version: str) -> Call[results.Switched]:
    """Let a version answer, in every worker; RefusedError where it does not verify. For administrators."""
    return Call("POST", f"/v1/models/{_id(version)}/promote", results.Switched, repeatable=False)


def rollback() -> Call[results.Switched]:
    """Answer with the version that served before; twice would come back. For administrators."""
    return Call("POST", "/v1/models/rollback", results.Switched, repeatable=False)


def health() -> Call[results.Health]:
    """Whether there is a model that answers; UnavailableError with the reason before."""
    return Call("GET", "/health", results.Health)


def ready() -> Call[results.Readiness]:
    """Which model answers, and whether its store does; UnavailableError before."""
    return Call("GET", "/health/ready", results.Readiness)


def _id(name: str) -> str:
    """An id as one part of a path; dots too, for clients drop parts that are `.` or `..`."""
    return quote(name, safe="").replace(".", "%2E")


def _query(**given: object) -> list[tuple[str, str]]:
    """Parameters with values, several of one name for what is several."""
    pairs: list[tuple[str, str]] = []
    for name, value in given.items():
        if isinstance(value, str | int | float):
            pairs.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
        elif isinstance(value, Iterable):
            pairs += [(name, str(each)) for each in value]
    return pairs


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


def _at(moment: Moment | None) -> dict[str, float | str]:
    known = _time(moment)
    return {} if known is None else {"timestamp": known}


def _time(moment: Moment | None) -> float | str | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment


def _picture(picture: Picture | None) -> str | None:
    if isinstance(picture, bytes):
        return f"data:application/octet-stream;base64,{b64encode(picture).decode()}"
    return picture
