"""Static files: named by their content, compressed once, cached by browsers for a year."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
}
_MIN_GZIP_BYTES = 300
_COMMENTS = re.compile(rb"^[ \t]*(?:/\*\*(?:(?!\*/).)*\*/|//[^\n]*)[ \t]*\n", re.MULTILINE | re.DOTALL)
"""Whole lines of comment in a script: a fifth of what a phone would pay for."""


@dataclass(frozen=True)
class Asset:
    url: str
    content_type: str
    body: bytes
    gzipped: bytes | None


class Assets:
    """Every file under static/, read at start: serving one touches no disk."""

    def __init__(self) -> None:
        self._by_name: dict[str, Asset] = {}
        self._by_url: dict[str, Asset] = {}
        self._read(files("webapp") / "static", "")

    def _read(self, folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            name = prefix + entry.name
            if entry.is_dir():
                self._read(entry, name + "/")
            elif (suffix := "." + entry.name.rpartition(".")[2]) in TYPES:
                self._add(name, suffix, entry.read_bytes())

    def _add(self, name: str, suffix: str, body: bytes) -> None:
        if suffix == ".js":
            body = _COMMENTS.sub(b"", body)
        digest = hashlib.sha256(body).hexdigest()[:10]
        url = f"/static/{name.removesuffix(suffix)}.{digest}{suffix}"
        gzipped = gzip.compress(body, 9, mtime=0) if len(body) >= _MIN_GZIP_BYTES and suffix != ".png" else None
        asset = Asset(url, TYPES[suffix], body, gzipped)
        self._by_name[name] = self._by_url[url] = asset

    def url(self, name: str) -> str:
        """The address of a file under static/; KeyError at the first rendering when it does not exist."""
        return self._by_name[name].url

    async def serve(self, request: web.Request) -> web.Response:
        asset = self._by_url.get(request.path)
        if asset is None:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        body = asset.body
        if asset.gzipped and "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = asset.gzipped
        headers["Content-Type"] = asset.content_type
        return web.Response(body=body, headers=headers)
