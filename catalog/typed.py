"""Values that have a type already, of JSON, Parquet or a database, as the text that a cell of CSV would hold."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from catalog.tables import LIST


def text_of(value: Any) -> str:
    """The text of a value; empty for null and NaN, ISO-8601 for times, a list's entries apart by LIST."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        if value != value:
            return ""
        # Programs that have no missing integers turn a column of ids with gaps into numbers with a point.
        return str(int(value)) if value.is_integer() and abs(value) < 2**63 else repr(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, list | tuple | set):
        return LIST.join(text for each in value if (text := text_of(each)))
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
