"""Our own CSS, JavaScript and pictures, read once at the start and served from memory under a name that changes with them."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from api.access import public
from domain.errors import NotFoundError

router = APIRouter(include_in_schema=False)
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


class StaticFiles:
    """Name → content of every file in `static/`. The digest over all of them is part of each address: cached for ever."""

    def __init__(self) -> None:
        folder = files("api.pages") / "static"
        self._files = {one.name: one.read_bytes() for one in folder.iterdir() if one.name.rpartition(".")[2] in _TYPES}
        whole = b"".join(name.encode() + body for name, body in sorted(self._files.items()))
        self.digest = hashlib.sha256(whole).hexdigest()[:16]

    def address(self, name: str) -> str:
        """Where a page finds the file."""
        return f"/static/{self.digest}/{name}"

    def read(self, name: str) -> tuple[bytes, str]:
        """Content and media type.

        Raises:
            NotFoundError: there is no such file.
        """
        if name not in self._files:
            raise NotFoundError(f"there is no file {name!r}", suggestion="reload the page")
        return self._files[name], _TYPES[name.rpartition(".")[2]]


@router.get("/static/{digest}/{name}")
@public
def read_static_file(request: Request, digest: str, name: str) -> Response:
    """One file; under the digest of another release it is served too, but not to be kept."""
    static: StaticFiles = request.app.state.pages.static
    body, media_type = static.read(name)
    etag = f'"{static.digest}"'
    keep = "public, max-age=31536000, immutable" if digest == static.digest else "no-cache"
    headers = {"ETag": etag, "Cache-Control": keep}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
