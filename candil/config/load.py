"""Reading ``candil.toml`` and ``CANDIL_*`` into Settings. Nothing wrong gets past the start."""

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from candil.config.rules import problems_of
from candil.config.settings import Settings
from candil.errors import ConfigError


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Settings from a file (which may be absent when ``path`` is None) and the environment.

    Raises ConfigError whose message lists every problem, each with its fix.
    """
    document = _read(path) if path is not None else {}
    problems: list[str] = []
    sections: dict[str, Any] = {}
    known = {f.name: typing.cast(type, f.type) for f in dataclasses.fields(Settings)}
    for name in document.keys() - known.keys():
        problems.append(f"[{name}] is not a section. Sections are: {', '.join(known)}.")
    for name, cls in known.items():
        values = _with_environment(name, cls, document.get(name, {}), environ, problems)
        sections[name] = _build(cls, values, f"[{name}]", problems)
    _unknown_variables(known, environ, problems)
    if not problems:
        settings = Settings(**sections)
        problems = problems_of(settings)
        if not problems:
            return settings
    raise ConfigError("config_invalid", "The configuration cannot be used:\n" + "\n".join(f"  - {p}" for p in problems))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("config_missing", f"There is no file {path}. Copy candil.example.toml there.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config_unreadable", f"{path} cannot be read ({error}). Check who may read it.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("config_syntax", f"{path} is not TOML: {error}.") from None


def _variable(section: str, name: str) -> str:
    return f"CANDIL_{section}_{name}".upper()


def _with_environment(
    section: str, cls: type, values: object, environ: Mapping[str, str], problems: list[str]
) -> dict[str, Any]:
    if not isinstance(values, dict):
        problems.append(f"[{section}] must be a section, written [{section}] on a line of its own.")
        values = {}
    merged = dict(values)
    for field in dataclasses.fields(cls):
        text = environ.get(_variable(section, field.name))
        if text is not None:
            merged[field.name] = text
    return merged


def _unknown_variables(known: dict[str, type], environ: Mapping[str, str], problems: list[str]) -> None:
    valid = {_variable(s, f.name) for s, cls in known.items() for f in dataclasses.fields(cls)} | {"CANDIL_CONFIG"}
    for name in sorted(set(environ) - valid):
        if name.startswith("CANDIL_"):
            problems.append(f"{name} is not a setting. See docs/configuration.md for the names.")


def _build(cls: type, values: dict[str, Any], where: str, problems: list[str]) -> Any:
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for name in values.keys() - fields.keys():
        problems.append(f"{where} {name} is not a setting. Settings here are: {', '.join(fields)}.")
    made: dict[str, Any] = {}
    for name, field in fields.items():
        if name in values:
            try:
                made[name] = _convert(values[name], hints[name], f"{where} {name}", problems)
            except ValueError as error:
                problems.append(f"{where} {name} {error}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(f"{where} {name} is missing.")
    try:
        return cls(**made)
    except TypeError:
        return None  # a missing field, already told


def _convert(value: object, hint: Any, where: str, problems: list[str]) -> Any:
    """``value`` as ``hint``; ValueError's text completes the sentence "[section] name ..."."""
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(map(str, choices))}; it is {value!r}.")
        return value
    if origin in (typing.Union, types.UnionType):  # Path | None
        return None if value in (None, "") else _convert(value, typing.get_args(hint)[0], where, problems)
    if origin is tuple:
        return _convert_list(value, typing.get_args(hint)[0], where, problems)
    return _convert_scalar(value, hint)


def _convert_list(value: object, item: Any, where: str, problems: list[str]) -> tuple[Any, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list):
        raise ValueError("must be a list.")
    if dataclasses.is_dataclass(item):
        if not all(isinstance(part, dict) for part in value):
            raise ValueError("must be written as [[section.name]] blocks.")
        return tuple(_build(typing.cast(type, item), part, f"{where}[{i}]", problems) for i, part in enumerate(value))
    return tuple(_convert(part, item, where, problems) for part in value)


def _convert_scalar(value: object, hint: Any) -> Any:
    if hint is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise ValueError("must be true or false.")
    if hint in (int, float):
        if isinstance(value, bool):
            raise ValueError("must be a number.")
        try:
            return hint(typing.cast(Any, value))
        except (TypeError, ValueError):
            raise ValueError(f"must be a number; it is {value!r}.") from None
    if not isinstance(value, str):
        raise ValueError("must be text in quotes.")
    return Path(value) if hint is Path else value
