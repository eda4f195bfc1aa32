"""One file of settings, `towerbridge.toml`, with an environment variable for every key.

What a flag says wins over the environment, which wins over the file, which wins over the default. The key
`port` of section `serve` is `TOWERBRIDGE_SERVE_PORT`; a key outside the sections, `data`, is
`TOWERBRIDGE_DATA`. An unknown key in the file is an error, because it is a typo; an unknown variable is not,
because orchestrators invent some (Kubernetes sets `TOWERBRIDGE_PORT` beside a service called towerbridge).
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from catalog.errors import ConfigError
from serving.sources.shares import DECAY, read_shares

FILE = "towerbridge.toml"
PREFIX = "TOWERBRIDGE_"

Device = Literal["auto", "cpu", "cuda"]


class Section(BaseModel):
    """Base of the sections: closed to unknown keys, and never changed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MongoDB(Section):
    """Where the catalogue and the events live."""

    uri: str | None = Field(
        default=None,
        description="address of a MongoDB; without one, a mongod is started on loopback under `home`",
    )


class Simulated(Section):
    """The generated data set `simulated`."""

    items: int = Field(default=2_000, ge=50, description="items, with titles and written descriptions")
    users: int = Field(default=1_500, ge=10, description="users of known taste")
    events: int = Field(default=100_000, ge=100, description="time-stamped events")
    seed: int = Field(default=7, ge=0, description="the same seed generates the same data")
    pictures: int = Field(default=20_000, ge=0, description="at most so many items get a drawn picture")


class Encoders(Section):
    """What turns the content of items into vectors."""

    text: str = Field(
        default="all-MiniLM-L6-v2",
        description="a sentence-transformers name or folder, `hashing` (no weights), or `none`",
    )
    image: str = Field(
        default="auto",
        description="`auto` (what `tune-encoder` made, else a pretrained ViT-tiny, else a small one that learns "
        "here), a timm name or .safetensors file, `hashing` (no weights), or `none`",
    )
    text_precision: Literal["fp32", "int8"] = Field(
        default="fp32",
        description="how the service reads: int8 takes half the time and a quarter of the memory",
    )
    batch_size: int | None = Field(
        default=None, ge=1, le=8192, description="items encoded at once; the default suits the device"
    )


class Train(Section):
    """What the towers and the ranker learn with."""

    epochs: int | None = Field(
        default=None, ge=1, description="passes over the events, at most; the default suits MovieLens-100k"
    )
    batch_size: int | None = Field(default=None, ge=1, description="histories a step of the towers")
    learning_rate: float | None = Field(default=None, gt=0, description="of the towers")
    embedding_size: int | None = Field(
        default=None, ge=4, le=1024, description="length of user and item vectors"
    )
    ranker: Literal["tfrs", "logistic", "catboost"] | None = Field(
        default=None, description="what puts candidates in order; the default suits the data set"
    )
    seed: int = Field(default=0, ge=0, description="the same seed on the same machine trains the same model")
    tracking: bool = Field(
        default=True,
        description="record runs in MLflow, where it is installed: in a file under `home`, or at MLFLOW_TRACKING_URI",
    )


class Serve(Section):
    """The HTTP service."""

    bundle: Path | None = Field(default=None, description="a bundle folder, instead of the promoted one")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="0 takes any free one")
    workers: int = Field(default=1, ge=1, le=64, description="processes that answer")
    candidates: int = Field(
        default=500, ge=1, le=10_000, description="items that the ranker scores per request"
    )
    new_every: int = Field(
        default=10, ge=0, le=1000,
        description="of so many places of a list one goes to an item that came after the training; 0: to none",
    )  # fmt: skip
    shares: Annotated[dict[str, float], BeforeValidator(read_shares)] = Field(
        default={},
        description="part of them that each source proposes, as two_tower=0.6,popular=0.4 or as a table "
        "[serve.shares]; by default what the bundle says",
    )
    trending_decay: float = Field(
        default=DECAY,
        gt=0,
        lt=1,
        description="of what an event is worth to trending, what is left after an hour",
    )
    trending_seconds: float = Field(
        default=2.0, gt=0, description="between two looks at what users of all workers did"
    )
    history_limit: int = Field(
        default=1000, ge=1, le=10_000, description="latest events of a user that are read"
    )
    user_seconds: float = Field(
        default=5.0, ge=0, description="how long a user's side features are remembered"
    )
    read_seconds: float = Field(default=1.0, gt=0, description="longest wait for MongoDB in a read")
    write_seconds: float = Field(default=5.0, gt=0, description="longest wait for MongoDB in a write")
    retry_seconds: float = Field(
        default=2.0, gt=0, description="pause after MongoDB failed before the next try"
    )
    max_body_bytes: int = Field(default=2_000_000, ge=1024, description="largest request body")
    max_upload_bytes: int = Field(
        default=12_000_000, ge=1024, description="largest request body where a picture may be in it"
    )
    max_held_bytes: int = Field(
        default=256_000_000,
        ge=1024,
        description="all request bodies together that a worker holds at a moment",
    )
    synonyms: Path | None = Field(
        default=None,
        description="a file of words that mean the same, instead of the bundle's or the packaged one",
    )
    impressions: float = Field(
        default=0.1, ge=0, le=1, description="share of the lists shown that is kept; 0 keeps none"
    )
    impression_days: float = Field(default=30.0, gt=0, description="how long they are kept")
    image_hosts: str = Field(
        default="", description="hosts that pictures are fetched from, parted by commas; none by default"
    )
    fetch_seconds: float = Field(default=5.0, gt=0, description="longest wait for a picture from such a host")


class Schedule(Section):
    """When `towerbridge schedule` runs which job: five fields of a crontab, in UTC, or `never`."""

    trending: str = Field(default="0 * * * *", description="looks whether events arrive")
    profiles: str = Field(default="0 2 * * *", description="encodes the content that has no vector yet")
    retrain: str = Field(
        default="30 3 * * *", description="trains, builds, and promotes what passes the gate"
    )
    tolerance: float = Field(
        default=0.05, ge=0, lt=1,
        description="share of the serving model's validation figure that a retrained one may lack",
    )  # fmt: skip
    keep: int = Field(
        default=10, ge=1,
        description="so many of the latest versions and runs are left by a retraining and by `towerbridge prune`; "
        "what serves, and the version before it, always stay",
    )  # fmt: skip


class Config(Section):
    """Every setting of Towerbridge."""

    dataset: str = Field(default="simulated", description="name of a data set, or path of a dataset.toml")
    data: Path | None = Field(
        default=None, description="folder that holds data sets by name; else they are fetched"
    )
    sql: str | None = Field(
        default=None,
        description="database whose tables stand for the files of a data set, as postgresql://user:password@host/name",
    )
    home: Path = Field(default=Path(".towerbridge"), description="folder of the database, runs and bundles")
    device: Device = Field(default="auto", description="where encoders and towers compute: auto, cpu or cuda")
    admin_key: str | None = Field(
        default=None,
        description="what administrators send as X-Admin-Key; without one, only this machine is answered",
    )
    mongodb: MongoDB = MongoDB()
    simulated: Simulated = Simulated()
    encoders: Encoders = Encoders()
    train: Train = Train()
    serve: Serve = Serve()
    schedule: Schedule = Schedule()


def load(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object] | None = None) -> Config:
    """The settings by file, environment and flags (`{"serve.port": 9000}`; None means not given).

    An empty text, in the file or the environment, leaves the default. Without `file`, `towerbridge.toml` of
    the current folder is read where there is one.
    Raises ConfigError with one sentence that names the key, the place it was set in and what was expected.
    """
    values: dict[str, object] = {}
    places: dict[str, str] = {}
    keys = dict(_keys())
    for key, value in _read(file):
        if value == "" or (value == {} and key in Config.model_fields):
            continue
        if key not in keys:
            raise ConfigError(f"{file or FILE}: unknown key {key!r}; {_nearest(key, list(keys))}")
        values[key], places[key] = value, str(file or FILE)
    for key in keys:
        variable = variable_of(key)
        if environ.get(variable, ""):
            values[key], places[key] = environ[variable], variable
    for key, value in (flags or {}).items():
        assert key in keys, f"a flag sets {key!r}, which is no setting"
        if value is not None:
            values[key], places[key] = value, "--" + key.rsplit(".", 1)[-1].replace("_", "-")
    try:
        return Config.model_validate(_nested(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        what = f"{first['msg'][0].lower()}{first['msg'][1:]}"
        raise ConfigError(f"{places.get(key, 'settings')}: {key} = {first['input']!r}: {what}") from None


def variable_of(key: str) -> str:
    """The environment variable of a dotted key: `serve.port` is TOWERBRIDGE_SERVE_PORT."""
    return PREFIX + key.replace(".", "_").upper()


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Variables that look like settings and are none, sorted."""
    known = {variable_of(key) for key, _ in _keys()} | {PREFIX + "CONFIG"}
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def commented() -> str:
    """A whole `towerbridge.toml`, every key commented out and at its default."""
    lines = [
        "# Settings of Towerbridge. Every key is here with its default; uncomment what you change.",
        "# The variable TOWERBRIDGE_<KEY>, or TOWERBRIDGE_<SECTION>_<KEY>, overrides it; a flag overrides both.",
    ]
    section = ""
    for key, field in _keys():
        parent, _, name = key.rpartition(".")
        if parent != section:
            section = parent
            lines += ["", f"[{parent}]  # {Config.model_fields[parent].annotation.__doc__}"]
        else:
            lines.append("")
        if field.description:
            lines.append(f"# {field.description[0].upper()}{field.description[1:]}.")
        lines.append(f"# {name} = {_toml(field.default)}")
    return "\n".join(lines) + "\n"


def _keys() -> Iterator[tuple[str, FieldInfo]]:
    """All settings as dotted keys, those outside the sections first."""
    sections: list[tuple[str, type[Section]]] = []
    for name, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            sections.append((name, field.annotation))
        else:
            yield name, field
    for name, section in sections:
        for key, field in section.model_fields.items():
            yield f"{name}.{key}", field


def _read(file: Path | None) -> Iterator[tuple[str, object]]:
    path = file or Path(FILE)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if file is not None:
            raise ConfigError(f"{file}: there is no such settings file") from None
        return
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from error
    for name, value in document.items():
        if isinstance(value, dict) and value:
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
        else:
            yield name, value


def _nearest(key: str, keys: list[str]) -> str:
    near = difflib.get_close_matches(key, keys, 1)
    return f"did you mean {near[0]!r}?" if near else "`towerbridge config` prints all that there are"


def _nested(values: Mapping[str, object]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (document.setdefault(section, {}) if section else document)[name] = value
    return document


def _toml(value: object) -> str:
    """A default as TOML; nothing by default is shown as an empty text."""
    return json.dumps("" if value in (None, {}) else value if isinstance(value, int | float) else str(value))
