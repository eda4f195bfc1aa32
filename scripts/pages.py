"""The pages of the documents that are made of the code, and what MkDocs needs to know of this repository.

    python scripts/pages.py        writes docs/configuration.md anew

MkDocs loads this file as a hook (mkdocs.yml): the HTTP reference and the changelog are made while the site is built,
pages of the navigation that do not exist are left out, and links out of docs/ are pointed at where they lead.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT))
OUTSIDE = {"../README.md": "index.md", "../CHANGELOG.md": "changelog.md"}
"""Where links to files outside docs/ lead on the site."""
MADE = ("http-reference.md", "changelog.md")


def configuration() -> str:
    """The configuration reference: settings of the commands, and knobs of training."""
    from serving.settings import Settings
    from towerbridge import config
    from training.config import TrainConfig

    parts = [
        "# Configuration",
        "*Made of the settings classes by `python scripts/pages.py`; do not edit.*",
        "A flag wins over an environment variable, which wins over `towerbridge.toml`, which wins over the default. "
        "`towerbridge config --output towerbridge.toml` writes a file with every key; an unknown key in it is an "
        "error, and an empty value leaves the default. `--config FILE` names another file, and so does "
        "`TOWERBRIDGE_CONFIG`.",
        "## Everywhere",
    ]
    section, rows = "", [("key", "variable", "default", "meaning"), ("---",) * 4]
    for key, field in config._keys():
        parent, _, name = key.rpartition(".")
        if parent != section:
            parts += [_table(rows), f"## `[{parent}]`", config.Config.model_fields[parent].annotation.__doc__]
            section, rows = parent, rows[:2]
        rows.append((
            f"`{name}`", f"`{config.variable_of(key)}`", _default(field.default), _sentence(field.description)
        ))  # fmt: skip
    parts += [_table(rows), "## Of a serving process alone"]
    known = {*config.Serve.model_fields, *config.Config.model_fields, "mongodb_uri"}
    alone = [
        (f"`TOWERBRIDGE_SERVE_{name.upper()}`", _default(field.default), _sentence(field.description))
        for name, field in Settings.model_fields.items()
        if name not in known
    ]
    told = "These are read by the server itself, from the environment only; they have no key in the file."
    parts += (
        [told, _table([("variable", "default", "meaning"), ("---",) * 3, *alone])] if alone else ["None."]
    )
    parts += [
        "## Knobs of training",
        "What a training can be told in code and in presets. `[train]` above sets the most used of them, presets "
        "and `towerbridge tune` the others. Every run's knobs are written into its bundle's manifest.",
    ]
    for kind, prefix in _configs(TrainConfig, ""):
        known_of = _told(kind)
        rows = [("knob", "default", "meaning"), ("---",) * 3]
        for field in fields(kind):
            if field.default is not MISSING:
                rows.append((
                    f"`{prefix}{field.name}`", _default(field.default), _sentence(known_of.get(field.name, "")),
                ))  # fmt: skip
        parts += [f"### `{kind.__name__}`", str(kind.__doc__), _table(rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def http_reference(document: Mapping[str, Any]) -> str:
    """The HTTP reference of an OpenAPI document: every route with its parameters, bodies and answers."""
    schemas = document["components"]["schemas"]
    parts = [
        "# HTTP reference",
        "Made of the service's own OpenAPI document, which a running service has at `/openapi.json` and shows at "
        "`/docs`. Examples are on [another page](http.md).",
    ]
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            by_tag.setdefault(told.get("tags", ["others"])[0], []).append(_route(method, path, told, schemas))
    for tag, routes in by_tag.items():
        parts += [f"## {tag.capitalize()}", *routes]
    parts.append("## Shapes")
    for name, schema in sorted(schemas.items()):
        if "properties" in schema:
            parts += [f"### {name}", schema.get("description", ""), _properties(schema)]
    return "\n\n".join(part for part in parts if part) + "\n"


def on_config(config: Any) -> Any:
    """MkDocs: leave out pages of the navigation that are not there."""
    config.nav = list(_there(config.nav))
    return config


def on_files(files: Any, config: Any) -> Any:
    """MkDocs: add the pages that are made."""
    from mkdocs.structure.files import File

    from serving.app import create_app
    from serving.settings import Settings

    document = create_app(Settings(mongodb_uri="mongodb://nowhere")).openapi()
    made = {
        "http-reference.md": http_reference(document),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "]("),
    }
    for name in MADE:
        files.append(File.generated(config, name, content=made[name]))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """MkDocs: point links out of docs/ at pages of the site."""
    for outside, inside in OUTSIDE.items():
        markdown = markdown.replace(f"]({outside})", f"]({inside})")
    return markdown


def _there(nav: list[Any]) -> Iterator[Any]:
    for entry in nav:
        if isinstance(entry, str):
            if entry in MADE or (DOCS / entry).is_file():
                yield entry
            continue
        ((title, inner),) = entry.items()
        if isinstance(inner, str):
            kept: Any = inner if (DOCS / inner).is_file() else None
        else:
            kept = list(_there(inner))
        if kept:
            yield {title: kept}


def _configs(kind: type[Any], prefix: str) -> Iterator[tuple[type[Any], str]]:
    """A configuration class and those inside of it, with how their knobs begin."""
    yield kind, prefix
    for field in fields(kind):
        factory = field.default_factory
        if isinstance(factory, type) and is_dataclass(factory):
            yield from _configs(factory, f"{prefix}{field.name}.")


def _told(kind: type[Any]) -> dict[str, str]:
    """The strings that stand below the fields of a dataclass."""
    (body,) = (node for node in ast.parse(inspect.getsource(kind)).body if isinstance(node, ast.ClassDef))
    told = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(field.target, ast.Name)
            told[field.target.id] = inspect.cleandoc(ast.literal_eval(text.value))
    return told


def _route(method: str, path: str, told: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    parts = [f"### {method.upper()} {path}", told.get("description") or told.get("summary", "")]
    if parameters := told.get("parameters"):
        rows = [("parameter", "in", "type", "meaning"), ("---",) * 4]
        for each in parameters:
            need = "" if not each.get("required") else " (needed)"
            schema = each["schema"]
            rows.append(
                (f"`{each['name']}`{need}", each["in"], _type(schema), _sentence(_meaning(each, schema)))
            )
        parts.append(_table(rows))
    for kind, content in told.get("requestBody", {}).get("content", {}).items():
        parts += [f"Body, `{kind}`: {_type(content['schema'])}", _properties(content["schema"])]
    rows = [("answer", "shape", "meaning"), ("---",) * 3]
    for status, answer in sorted(told["responses"].items()):
        shapes = [_type(content.get("schema", {})) for content in answer.get("content", {}).values()]
        meaning = answer["description"].replace("Successful Response", "")
        rows.append((status, ", ".join(dict.fromkeys(shapes)), _sentence(meaning)))
    parts.append(_table(rows))
    return "\n\n".join(part for part in parts if part)


def _properties(schema: Mapping[str, Any]) -> str:
    rows = [("field", "type", "meaning"), ("---",) * 3]
    needed = schema.get("required", ())
    for name, each in schema.get("properties", {}).items():
        mark = " (needed)" if name in needed else ""
        rows.append((f"`{name}`{mark}", _type(each), _sentence(_meaning(each, each))))
    return _table(rows) if len(rows) > 2 else ""


def _meaning(told: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    words = told.get("description", "")
    if schema.get("default") not in (None, [], {}, ""):
        words += (
            f"; {json.dumps(schema['default'])} by default" if words else f"{schema['default']} by default"
        )
    return words


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    return str(schema.get("title") if schema.get("properties") else schema.get("type", "anything"))


def _table(rows: list[Any]) -> str:
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)


def _default(value: Any) -> str:
    return "none" if value is None or value == "" else f"`{value}`"


def _sentence(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip().rstrip(".;")


if __name__ == "__main__":
    (DOCS / "configuration.md").write_text(configuration(), "utf-8")
