"""How much of the pool each candidate source fills first: by default, and as settings and manifests say it.

    two_tower=0.6,item_item=0.3,popular=0.1

It knows names, not sources, so that settings can be read before anything is opened.
"""

from __future__ import annotations

from collections.abc import Mapping

from catalog.errors import ConfigError

NAMES = (
    "new", "two_tower", "item_item", "item_item_long", "rules", "tfidf", "taxonomy", "trending", "popular",
    "best_value", "top_categories", "diverse",
)  # fmt: skip
"""In order of precedence. A bundle need not carry all of them."""
SHARES: Mapping[str, float] = {"new": 0.05, "two_tower": 0.6, "item_item": 0.3, "popular": 0.1}
"""Of the pool, what each fills first; the others only fill gaps, or answer when they are asked for by name."""


DECAY = 0.95
"""Of what an event is worth to trending, what is left after an hour."""


def read_shares(given: object) -> dict[str, float]:
    """Shares from a table of settings, or from one line of text.

    Raises:
        ConfigError: neither of both, an unknown name, or a share that is none.
    """
    if isinstance(given, Mapping):
        return checked(given)
    if not isinstance(given, str):
        raise ConfigError(f"expected shares like two_tower=0.6,popular=0.4; found {given!r}")
    shares: dict[str, object] = {}
    for part in filter(None, map(str.strip, given.split(","))):
        name, equals, share = (each.strip() for each in part.partition("="))
        if not equals or name in shares:
            raise ConfigError(
                f"expected shares like two_tower=0.6,popular=0.4, each source once; found {part!r}"
            )
        shares[name] = share
    return checked(shares)


def written(shares: Mapping[str, float]) -> str:
    """Shares as one line of text."""
    return ",".join(f"{name}={share:g}" for name, share in shares.items())


def checked(shares: Mapping[str, object]) -> dict[str, float]:
    """Shares that a pool can be filled by; ConfigError for others."""
    found: dict[str, float] = {}
    for name, given in shares.items():
        if name not in NAMES:
            raise ConfigError(f"shares: expected sources among {', '.join(NAMES)}; found {name!r}")
        try:
            share = float(given)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            share = float("nan")
        if not 0 <= share <= 1:
            raise ConfigError(f"shares: expected a number from 0 to 1 for {name}, found {given!r}")
        found[name] = share
    if found and not any(found.values()):
        raise ConfigError("shares: expected one above 0 at least, found none; nothing would be proposed")
    return found
