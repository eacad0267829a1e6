"""Somebody of the clinic at a browser without scripts: signs in, reads pages, sends forms."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from candil.consults import accounts
from candil.consults.permissions import Role
from candil.passwords import hash_password
from candil.store import audit
from candil.store.staff import StaffRow
from tests.support.web_app import PASSWORD, WebApp

HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}


class Desk:
    def __init__(self, app: WebApp, http: aiohttp.ClientSession) -> None:
        self.app, self.http = app, http
        self.csrf = ""

    async def sign_in(self, login: str = "doctora", password: str = PASSWORD) -> aiohttp.ClientResponse:
        answer = await self.http.post(
            self.app.url + "/login", data={"login": login, "password": password}, headers=HTML, allow_redirects=False
        )
        if answer.status == 303:
            self.csrf = token_of(await self.text("/board"))
        return answer

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        return await self.http.get(self.app.url + path, headers=HTML | headers, allow_redirects=False)

    async def text(self, path: str) -> str:
        answer = await self.get(path)
        assert answer.status == 200, (path, answer.status)
        return await answer.text()

    async def post(
        self, path: str, fields: dict[str, str] | None = None, *, csrf: str | None = None, **headers: str
    ) -> aiohttp.ClientResponse:
        """A form as the page sends it; keyword arguments are headers with _ for -."""
        data = {"csrf": self.csrf if csrf is None else csrf, **(fields or {})}
        sent = HTML | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(self.app.url + path, data=data, headers=sent, allow_redirects=False)

    async def acts(self, consult_id: str) -> list[str]:
        """What the audit trail of a consult holds."""
        return [row.act for row in await self.app.ctx.db.read(lambda tx: audit.of_consult(tx, consult_id))]


@asynccontextmanager
async def desk(app: WebApp) -> AsyncIterator[Desk]:
    async with aiohttp.ClientSession() as http:
        yield Desk(app, http)


async def add_staff(app: WebApp, login: str, role: Role) -> StaffRow:
    """Another account of the clinic, with the same password."""
    new = accounts.NewStaff(login, login.title(), role, hash_password(PASSWORD), "urn:x", "MPPS-2")
    return await app.do(accounts.add, new, clinic_id=app.ctx.settings.clinic.id, ids=app.ids)


def token_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found, "the page has no form"
    return found[1]


def link_in(page: str) -> str:
    """The token of the link that a share page shows."""
    found = re.search(r'value="http[^"]*/i/([A-Za-z0-9]+)"', page)
    assert found, "the page shows no link"
    return found[1]
