"""What a browser at the console sends, without a browser: the cookie, forms with their origin and token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from tests.live.daemon import Daemon, Person
from tests.support.http import Answer, Api

COOKIE = "hfit-console"


@dataclass(frozen=True)
class Browser:
    """What a browser with a session sends; ``origin`` is the page that it says a form comes from."""

    daemon: Daemon
    session: str

    async def get(self, path: str, **headers: str) -> Answer:
        """A page."""
        return await Api(self.daemon).get("/" + path, Cookie=f"{COOKIE}={self.session}", **headers)

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        """A form, as a page of ours sends it unless told otherwise."""
        sent = {"Cookie": f"{COOKIE}={self.session}", "Origin": self.daemon.origin} | headers
        sent["Content-Type"] = "application/x-www-form-urlencoded"
        kept = {name: value for name, value in sent.items() if value}
        return await Api(self.daemon).request("POST", "/" + path, data=urlencode(fields).encode(), headers=kept)

    async def send(self, path: str, fields: dict[str, str]) -> Answer:
        """A form of a page of ours, with the session's token."""
        return await self.post(path, {**fields, "form_token": await self.token()})

    async def token(self) -> str:
        """The token of its forms, as its pages have it."""
        found = re.search(rb'name="form_token" value="([^"]+)"', (await self.get("/console")).body)
        assert found is not None
        return found[1].decode()


async def ticket_of(daemon: Daemon, person: Person) -> str:
    """A fresh ticket."""
    return str((await Api(daemon, person).post("/auth/console-ticket", None)).json["ticket"])


async def enter(daemon: Daemon, email: str, ticket: str, **headers: str) -> Answer:
    """Show a ticket."""
    return await Browser(daemon, "").post("/console/enter", {"email": email, "ticket": ticket}, **headers)


async def opened(daemon: Daemon, person: Person) -> Browser:
    """A browser that is in."""
    answer = await enter(daemon, person.email, await ticket_of(daemon, person))
    assert (answer.status, answer.headers["Location"]) == (303, "/console")
    return Browser(daemon, answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0])
