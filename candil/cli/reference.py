"""``candil settings``: the reference of every setting, made from the settings themselves."""

import argparse
import dataclasses
import inspect
import typing
from pathlib import Path

from candil.config import Settings

_HEAD = """# Configuration

Settings live in `candil.toml`, or in the environment as `CANDIL_SECTION_NAME`, which wins. A wrong one stops the
start and says how to mend it; `candil check` tests what they lead to. This page is printed by `candil settings`.
"""


def show(_settings: Settings, _options: argparse.Namespace) -> int:
    print(document(), end="")
    return 0


def document() -> str:
    """The reference as Markdown."""
    parts = [_HEAD]
    for section in dataclasses.fields(Settings):
        cls = typing.cast(type, section.type)
        parts.append(f"\n## [{section.name}]\n\n{inspect.cleandoc(cls.__doc__ or '')}\n")
        parts.append("\n| name | default | meaning |\n|---|---|---|\n")
        for field in dataclasses.fields(cls):
            parts.append(f"| `{field.name}` | {_default(field.default)} | {field.metadata['doc']} |\n")
    return "".join(parts)


def _default(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        text = ", ".join(str(getattr(item, "code", item)) for item in value)
    else:
        text = "" if value is None else str(value if not isinstance(value, Path) else value.as_posix())
    return f"`{text}`" if text else "(empty)"
