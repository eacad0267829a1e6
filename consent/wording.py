"""The text a person reads before a visit: versioned files, filled in, hashed as shown.

A wording file never changes once a clinic has used it: a new text is a new file. The hash is taken
over the text *with the names in it*, so it proves what this person saw and not what a template said.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import Literal

from candil.errors import NotFound

BlockKind = Literal["title", "heading", "paragraph", "list"]
_VERSION = re.compile(r"\d{4}-\d{2}(-\d{2})?")
_PLACEHOLDERS = {"clinic", "doctor"}


@dataclass(frozen=True)
class Block:
    """One piece of the page. ``lines`` are plain text, to be escaped by the template:
    one line, or one per item of a list."""

    kind: BlockKind
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Wording:
    """The exact text for one visit."""

    version: str
    locale: str
    text: str
    sha256: str
    """Hex, of ``text`` as UTF-8."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        return parse_blocks(self.text)


class WordingCatalogue:
    """Every wording of this installation, by locale and version."""

    def __init__(self, texts: Mapping[tuple[str, str], str]) -> None:
        """``texts`` maps (locale, version) to the file's text; the newest version is the current one."""
        for (locale, version), text in texts.items():
            if not _VERSION.fullmatch(version):
                raise ValueError(f"wording {locale}/{version}: versions are YYYY-MM or YYYY-MM-DD")
            unknown = set(Template(text).get_identifiers()) - _PLACEHOLDERS
            if unknown or not Template(text).is_valid():
                raise ValueError(f"wording {locale}/{version}: unknown placeholder {', '.join(sorted(unknown))}")
        self._texts = dict(texts)

    @property
    def locales(self) -> frozenset[str]:
        return frozenset(locale for locale, _ in self._texts)

    def current_version(self, locale: str) -> str:
        versions = [version for known, version in self._texts if known == locale]
        if not versions:
            raise NotFound("no_wording", f"There is no consent wording in {locale}.")
        return max(versions)

    def wording(self, locale: str, *, clinic: str, doctor: str, version: str = "") -> Wording:
        """The text as this person will see it; the current version unless an older one is named."""
        version = version or self.current_version(locale)
        template = self._texts.get((locale, version))
        if template is None:
            raise NotFound("no_wording", f"There is no consent wording {version} in {locale}.")
        filled = Template(template).substitute(clinic=_one_line(clinic), doctor=_one_line(doctor))
        text = "\n".join(line.rstrip() for line in filled.strip().splitlines()) + "\n"
        return Wording(version=version, locale=locale, text=text, sha256=text_sha256(text))


def load_wordings() -> WordingCatalogue:
    """The wordings that ship with the program."""
    texts = {
        (locale.name, file.name.removesuffix(".md")): file.read_text("utf-8")
        for locale in files("consent").joinpath("wording").iterdir()
        if locale.is_dir()
        for file in locale.iterdir()
        if file.name.endswith(".md")
    }
    return WordingCatalogue(texts)


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _one_line(value: str) -> str:
    """A name cannot add lines, so it cannot add headings or list items either."""
    return " ".join(value.split()) or "-"


def parse_blocks(text: str) -> tuple[Block, ...]:
    """The small part of Markdown that wordings use: ``#``, ``##``, ``-`` lists and paragraphs.

    Everything else stays plain text. The result is data, not HTML.
    """
    blocks: list[Block] = []
    for chunk in re.split(r"\n[ \t]*\n", text.strip()):
        lines = [line.strip() for line in chunk.splitlines() if line.strip()]
        if lines:
            blocks.append(_block(lines))
    return tuple(blocks)


def _block(lines: list[str]) -> Block:
    if all(line.startswith("- ") for line in lines):
        return Block("list", tuple(line[2:].strip() for line in lines))
    joined = " ".join(lines)
    if joined.startswith("## "):
        return Block("heading", (joined[3:].strip(),))
    if joined.startswith("# "):
        return Block("title", (joined[2:].strip(),))
    return Block("paragraph", (joined,))
