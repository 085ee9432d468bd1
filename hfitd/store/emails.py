"""One spelling of an e-mail address, so that one person is one user (attack A18).

1. Only ASCII is accepted, checked before lower-casing: letters that merely look like others, full-width forms and
   the Kelvin sign (whose lower case is ``k``) never reach a comparison.
2. No blank, control character, wildcard or colon can pass the pattern; nothing is trimmed.
3. Case is folded, because two users must not differ by case alone.
"""

from __future__ import annotations

import re

from hfitd.errors import BadRequest

_ADDRESS = re.compile(
    r"(?P<local>[a-z0-9_%+'=/~-]+(?:\.[a-z0-9_%+'=/~-]+)*)"
    r"@(?P<domain>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)"
)
_MAX_LENGTH = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets
_MAX_LOCAL_LENGTH = 64


def normalise_email(text: str) -> str:
    """The address in its only spelling; BadRequest for everything that is not plainly an address."""
    if len(text) > _MAX_LENGTH or not text.isascii():  # 1
        raise BadRequest("This is not an e-mail address that can be a user: use ASCII letters, at most 254.")
    folded = text.lower()  # 3
    match = _ADDRESS.fullmatch(folded)  # 2
    if match is None or len(match["local"]) > _MAX_LOCAL_LENGTH:
        raise BadRequest("This is not an e-mail address: it has to look like name@example.org, without blanks.")
    return folded
