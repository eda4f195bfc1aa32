"""What requests may say: the types of parameters and bodies, and what is wrong with one event.

Ids are opaque: any text of 1 to 1,024 bytes without NUL. Times are ISO-8601 (UTC where no zone is given) or
seconds since the epoch.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictStr,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)  # fmt: skip
from starlette.convertors import PathConvertor, register_url_convertor

from catalog.documents import checked_id
from catalog.errors import DataError
from catalog.records import Interaction, ItemId, UserId
from catalog.schema import DatasetSchema
from serving.http.problems import message_of
from serving.recommend.likeness import Weights

MAX_ROWS = 1000
MAX_CANDIDATES = 500
LATEST = 4_102_444_800.0
"""2100-01-01; anything later is milliseconds taken for seconds."""


def _id(value: str) -> str:
    try:
        return checked_id(value, "an id")
    except DataError as exc:
        raise ValueError(str(exc)) from None


def _id_text(value: object) -> str:
    """Integers are accepted for ids: many clients hold numeric ones. Longer ones are no integers to JSON's reader."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("expected an id: a text, or a whole number of at most 64 bits")


def to_epoch(value: object) -> float:
    """Seconds since the epoch of a time in either form; ValueError says what was expected."""
    wanted = "expected a time in ISO-8601 or in seconds since the epoch, 1970 to 2100"
    if isinstance(value, str):
        try:
            seconds = float(value)
        except ValueError:
            try:
                moment = datetime.fromisoformat(value.strip())
                seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            except (ValueError, OverflowError):
                raise ValueError(wanted) from None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise ValueError(wanted)
    if not 0 <= seconds < LATEST:
        raise ValueError(f"{wanted} (is this one in milliseconds?)" if seconds >= LATEST else wanted)
    return seconds


def _whole(value: object) -> object:
    """A whole number, however it is written: those who count with floats send 10.0 for 10."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
        raise ValueError("expected a whole number")
    return int(value)


_ID_SCHEMA = {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 1024}, {"type": "integer"}]}
Id = Annotated[
    StrictStr, Field(min_length=1, max_length=1024), AfterValidator(_id), BeforeValidator(_id_text),
    WithJsonSchema(_ID_SCHEMA),
]  # fmt: skip
PathId = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_id)]
Count = Annotated[int, BeforeValidator(_whole)]
"""Of a body; in a query pydantic takes `10` and `10.0` by itself."""
_TIME_SCHEMA = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}
Time = Annotated[float, BeforeValidator(to_epoch), WithJsonSchema(_TIME_SCHEMA)]


class _IdConvertor(PathConvertor):
    """`{name:id}` in the path of a route: any text, as `path`, and lines that end as well."""

    regex = "(?s:.*)"


register_url_convertor("id", _IdConvertor())


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


Weight = Annotated[float | None, Field(default=None, ge=0, le=1000)]


class PageIn(BaseModel):
    """Which part of a ranked list."""

    limit: int = Field(default=10, ge=1, le=500, description="items wanted; fewer come where fewer are left")
    offset: int = Field(default=0, ge=0, le=10_000, description="items to leave out at the top")
    category: list[str] = Field(default=[], description="only items of any of these")


class ListIn(PageIn):
    """Which ranked list: by the model's own order, or by a likeness whose weights are given."""

    exclude: list[Id] = Field(default=[], description="items to leave out; unknown ids are ignored")
    diversity: float = Field(default=0.0, ge=0, le=1, description="0: best first; 1: as unlike as possible")
    w_text: Weight = Field(description="how much likeness of text counts; any `w_…` ranks by fused cosine")
    w_image: Weight = Field(description="how much likeness of pictures counts")
    w_behaviour: Weight = Field(description="how much likeness of the learned vectors counts")

    @property
    def weights(self) -> Weights | None:
        """How modalities are weighed; None where nothing was said of it."""
        given = (self.w_text, self.w_image, self.w_behaviour)
        return None if given == (None, None, None) else Weights(*(weight or 0.0 for weight in given))

    @model_validator(mode="after")
    def _something_counts(self) -> ListIn:
        if self.weights is not None and not any(self.weights.array()):
            raise ValueError("expected one of w_text, w_image and w_behaviour above 0")
        return self


class RecommendationsIn(ListIn):
    """The query of a recommendation."""

    time: Time | None = Field(
        default=None,
        description="answer as of then, from events strictly before it; ISO-8601 or epoch seconds",
    )
    explain: bool = Field(
        default=False, description="say which items of the history each is like, and what speaks for it"
    )


class SimilarIn(ListIn):
    """The query for similar items."""

    by: Literal["likeness", "covisitation"] = Field(
        default="likeness",
        description="likeness: by the learned vectors, or as the weights say; covisitation: taken by the same users",
    )


class PictureSearchIn(PageIn):
    """The query of a search by picture."""

    user_id: Id | None = Field(default=None, description="in whose eyes; what suits them comes sooner")


class SearchIn(PictureSearchIn):
    """The query of a search by text."""

    q: str = Field(min_length=1, max_length=1000, description="words, a name, or a description")
    explain: bool = Field(default=False, description="say what was searched besides the words")

    @field_validator("q")
    @classmethod
    def _says_something(cls, value: str) -> str:
        value = " ".join(value.encode("utf-8", "replace").decode().split())
        if not value:
            raise ValueError("expected at least one character that is not blank")
        return value


class InteractionIn(_Body):
    """One event, as it is posted."""

    user_id: Id
    item_id: Id | None = Field(
        default=None, description="may be unknown: the item may come later; none where the event is a search"
    )
    type: StrictStr = Field(description="one of the data set's declared types")
    query: StrictStr | None = Field(
        default=None, max_length=1000, description="the words, for types that are searches"
    )
    value: FiniteFloat | None = Field(default=None, description="for types that carry one, as a rating does")
    timestamp: Time | None = Field(default=None, description="ISO-8601 or epoch seconds; now where absent")
    event_id: Id | None = Field(default=None, description="makes a retry change nothing")
    request_id: Id | None = Field(default=None, description="of the answer that showed the item")


class CandidateIn(BaseModel):
    """One candidate with whatever else the caller knows of it; only the id is read today."""

    model_config = ConfigDict(extra="allow")

    item_id: Id


class RankIn(_Body):
    """What to rank for whom."""

    user_id: Id
    candidates: list[Id | CandidateIn] = Field(
        max_length=MAX_CANDIDATES,
        description="ids, or objects with `item_id`; repeated ones are answered once",
    )
    context: dict[str, Any] | None = Field(default=None, description="kept for rankers that read it")


class RankMoviesIn(BaseModel):
    """Titles to rank for a user; other keys are ignored, as the service of this shape did."""

    user_id: Id
    candidate_movies: list[str] = Field(max_length=MAX_CANDIDATES)


_EVENT = TypeAdapter(InteractionIn)


def read_event(document: object, schema: DatasetSchema, now: float, sequence: int) -> Interaction:
    """One posted event as a record.

    Raises:
        EventError: a field is wrong, the type is not declared, or the value does not suit the type.
    """
    try:
        event = _EVENT.validate_python(document)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        raise EventError(".".join(str(part) for part in first["loc"]), message_of(first)) from None
    kind = schema.interactions.get(event.type)
    if kind is None:
        known = ", ".join(schema.interactions)
        raise EventError("type", f"expected one of {known}; found {event.type[:80]!r}")
    if kind.value and kind.minimum is not None and kind.maximum is not None:
        if event.value is None or not kind.minimum <= event.value <= kind.maximum:
            bounds = f"{kind.minimum:g} to {kind.maximum:g}"
            raise EventError(
                "value", f"expected a number from {bounds} with {event.type}; found {event.value}"
            )
    elif event.value is not None:
        raise EventError("value", f"expected no value with {event.type}; found {event.value}")
    words = None
    if kind.query:
        words = " ".join((event.query or "").encode("utf-8", "replace").decode().split())
        if not words:
            raise EventError("query", f"expected the words of a {event.type}")
        if event.item_id is not None:
            raise EventError("item_id", f"expected no item with {event.type}")
    elif event.item_id is None:
        raise EventError("item_id", f"expected the id of an item with {event.type}")
    elif event.query is not None:
        raise EventError("query", f"expected no words with {event.type}")
    return Interaction(
        UserId(event.user_id), ItemId(event.item_id or ""), event.type,
        now if event.timestamp is None else event.timestamp, event.value,
        event.event_id, event.request_id, sequence, query=words,
    )  # fmt: skip


class EventError(Exception):
    """One event that cannot be taken, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
