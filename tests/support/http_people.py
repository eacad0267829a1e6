"""A doctor and a patient without a browser: the pages' own forms, tickets and sockets over HTTP."""

import re
from typing import Any

import aiohttp

from tests.support.signaling import PageSocket


class HttpPerson:
    """Somebody whose cookies go along to every process of the clinic; ``origin`` is the address people type."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.csrf = ""
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))  # processes are 127.0.0.1 here

    async def aclose(self) -> None:
        await self._http.close()

    async def read(self, url: str) -> str:
        async with self._http.get(url, headers={"Accept": "text/html"}) as answer:
            text = await answer.text()
            assert answer.status == 200, f"{url}: {answer.status} {text[:300]}"
            return text

    async def send(self, url: str, **fields: str) -> Any:
        """A form sent by a script of the page: what it answered."""
        headers = {"Accept": "application/json", "Origin": self.origin, "X-CSRF-Token": self.csrf}
        async with self._http.post(url, data=fields, headers=headers, allow_redirects=False) as answer:
            assert answer.status < 400, f"{url}: {answer.status} {(await answer.text())[:300]}"
            return await answer.json() if answer.content_type == "application/json" else answer.headers["Location"]

    async def socket(self, node_url: str, ticket_path: str, **hello: Any) -> PageSocket:
        """Connected to a process, with hello said and welcome heard."""
        ticket = (await self.send(node_url + ticket_path))["ticket"]
        page = PageSocket(await self._http.ws_connect(node_url + "/ws", origin=self.origin))
        await page.say("hello", versions=[1], ticket=ticket, client_id=page.client_id, **hello)
        await page.hear("welcome", timeout_s=30)
        return page

    async def synced(self, node_url: str, ticket_path: str, **hello: Any) -> PageSocket:
        page = await self.socket(node_url, ticket_path, **hello)
        await page.hear("sync", lambda m: not m["more"], timeout_s=30)
        return page


class HttpDoctor(HttpPerson):
    async def sign_in(self, node_url: str, login: str, password: str) -> None:
        await self.send(node_url + "/login", login=login, password=password)
        self.csrf = hidden(await self.read(node_url + "/board"), "csrf")

    async def open_consult(self, node_url: str, consult_id: str) -> PageSocket:
        return await self.synced(node_url, f"/consults/{consult_id}/ticket")


class HttpPatient(HttpPerson):
    participant = ""

    async def take_link(self, node_url: str, token: str) -> None:
        location = await self.send(f"{node_url}/i/{token}")
        self.participant = location.rsplit("/", 1)[1]

    async def arrive(self, node_url: str, token: str, name: str, media: str = "text") -> None:
        """From the link to the waiting room."""
        await self.take_link(node_url, token)
        base = f"{node_url}/v/{self.participant}"
        page = await self.read(base)
        self.csrf = hidden(page, "csrf")
        await self.send(base + "/consent", answer="accept", wording=hidden(page, "wording"), name=name)
        await self.send(base + "/media", media=media)
        await self.send(base + "/arrive")

    async def open_room(self, node_url: str) -> PageSocket:
        return await self.synced(node_url, f"/v/{self.participant}/ticket")


def hidden(page: str, name: str) -> str:
    """The value of a form's hidden field."""
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found, f"no field {name}"
    return found.group(1)
