"""The address of the web console with a ticket in it, and how it gets to a browser without anybody else reading it.

1. The ticket stands behind the ``#`` of the address, which browsers send to nobody: no log and no Referer holds it.
2. It works once and within a minute, and the page asks before it uses it.
3. A browser is not given the address on its command line, which other users of the machine can read, but the name of
   a private file that leads there.
4. Of the server's answer only the ticket is taken, and only if it looks like one; where it leads is the client's own
   setting, so that a server cannot send the browser elsewhere.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import quote

from hfit.answers import json_object
from hfit.credentials.private_files import write_private
from hfit.errors import AnswerMalformed
from hfit.gateway import Gateway

FILE_NAME = "console.html"
_TICKET = re.compile(r"[A-Za-z0-9_-]{43}")
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>Hot Fixture Tool</title>
<p><a href="{address}">Open the console</a></p>
</html>
"""


def console_address(gateway: Gateway) -> str:
    """A fresh address that opens the console once, for whoever has it (1). Raises what ``Gateway`` raises."""
    with gateway.open("POST", "/auth/console-ticket") as response:
        answer = json_object(response.read())
    email, ticket = answer.get("email"), answer.get("ticket")
    if not isinstance(email, str) or not isinstance(ticket, str) or not _TICKET.fullmatch(ticket):  # 4
        raise AnswerMalformed("The server's answer holds no ticket.")
    return f"{gateway.origin}/console/enter#{quote(email, safe='')}~{ticket}"


def write_redirect(config_dir: Path, address: str) -> Path:
    """The private file that leads a browser to the address (3); each one replaces the one before."""
    path = config_dir.absolute() / FILE_NAME
    write_private(path, _PAGE.format(address=html.escape(address)).encode())
    return path
