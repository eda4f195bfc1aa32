"""The settings of a serving process, from arguments, then the environment.

`TOWERBRIDGE_SERVE_<NAME>` sets a name; home, dataset and the MongoDB address are shared with the other commands
and have no `SERVE_` in theirs. Orchestrators invent variables such as TOWERBRIDGE_PORT (Kubernetes does for a
service of that name), hence the longer prefix.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from serving.sources.shares import DECAY, read_shares, written


class Settings(BaseSettings):
    """What a serving process is told; built inside `create_app` where none are given."""

    model_config = SettingsConfigDict(
        env_prefix="TOWERBRIDGE_SERVE_", extra="forbid", frozen=True, validate_by_name=True
    )

    home: Path = Field(default=Path(".towerbridge"), validation_alias="TOWERBRIDGE_HOME")
    dataset: str = Field(
        default="simulated", validation_alias="TOWERBRIDGE_DATASET", description="names the database"
    )
    mongodb_uri: str | None = Field(default=None, validation_alias="TOWERBRIDGE_MONGODB_URI")
    admin_key: str | None = Field(
        default=None, repr=False, validation_alias="TOWERBRIDGE_ADMIN_KEY",
        description="what administrators send as X-Admin-Key; without one, only this machine is answered",
    )  # fmt: skip
    counts: Path | None = Field(
        default=None, description="folder in which several workers count; `serve` makes one for them"
    )
    bundle: Path | None = Field(
        default=None, description="a bundle folder, instead of the promoted one of the data set"
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64, description="processes that answer")
    candidates: int = Field(
        default=500, ge=1, le=10_000, description="items that the ranker scores per request"
    )
    new_every: int = Field(
        default=10, ge=0, le=1000,
        description="of so many places of a list one goes to an item that came after the training; 0: to none",
    )  # fmt: skip
    shares: Annotated[dict[str, float], NoDecode, BeforeValidator(read_shares)] = Field(
        default={}, description="what part of them each source proposes; by default what the bundle says"
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
        default=2.0, gt=0, description="pause after MongoDB failed before it is asked again"
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
    impressions: float = Field(
        default=0.1, ge=0, le=1, description="share of the lists shown that is kept; 0 keeps none"
    )
    impression_days: float = Field(default=30.0, gt=0, description="how long they are kept")
    image_hosts: str = Field(
        default="", description="hosts that pictures are fetched from, parted by commas; none by default"
    )
    fetch_seconds: float = Field(default=5.0, gt=0, description="longest wait for a picture from such a host")
    synonyms: Path | None = Field(
        default=None,
        description="a file of words that mean the same, instead of the bundle's or the packaged one",
    )

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """`image_hosts` one by one."""
        return frozenset(name.strip().lower() for name in self.image_hosts.split(",") if name.strip())

    @property
    def bundles(self) -> Path:
        """The folder with all versions of the data set."""
        return self.home / "bundles" / self.dataset

    def environment(self) -> dict[str, str]:
        """The same settings as environment variables, for another process."""
        given = self.model_dump(mode="json", exclude_none=True) | {"shares": written(self.shares)}
        shared = {
            name: f"TOWERBRIDGE_{name.upper()}" for name in ("home", "dataset", "mongodb_uri", "admin_key")
        }
        return {
            shared.get(name, f"TOWERBRIDGE_SERVE_{name.upper()}"): str(value) for name, value in given.items()
        }
