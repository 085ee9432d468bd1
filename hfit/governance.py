"""Review and access over the wire: what ``hfit pkg-tmpl approve`` and ``hfit request`` ask the gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from hfit.answers import json_body, json_value
from hfit.documents.governance import Request
from hfit.documents.shapes import shaped, shaped_list
from hfit.documents.templates import Approval, Review, Withdrawal
from hfit.errors import UsageMistake
from hfit.gateway import Gateway
from hfit.text import visible


@dataclass(frozen=True, slots=True)
class Governance:
    """One method per route. Raises what ``Gateway`` raises."""

    gateway: Gateway

    def read_review(self, name: str, roles: Sequence[str] = ()) -> Review:
        """What a reviewer reads of a template: text, plan, changes since the last approval."""
        return shaped(self._ask("GET", f"/packtmpl/{_segment(name)}/review", query={"role": list(roles)}), Review)

    def approve(self, name: str, decision: Mapping[str, object]) -> Approval:
        """Approve a template; ``decision`` is the body of the route, fields that are None are left out."""
        return shaped(self._ask("POST", f"/packtmpl/{_segment(name)}/approve", body=_given(decision)), Approval)

    def unapprove(self, name: str, reason: str) -> Withdrawal:
        """Withdraw the approval of a template."""
        return shaped(self._ask("POST", f"/packtmpl/{_segment(name)}/unapprove", body={"reason": reason}), Withdrawal)

    def request(self, wish: Mapping[str, object]) -> Request:
        """Ask for a role or a template."""
        return shaped(self._ask("POST", "/requests", body=_given(wish)), Request)

    def requests(self) -> list[Request]:
        """Your requests and those you may answer."""
        return shaped_list(self._ask("GET", "/requests"), Request)

    def show_request(self, request_id: str) -> Request:
        """One of those."""
        return shaped(self._ask("GET", f"/requests/{_segment(request_id)}"), Request)

    def answer(self, request_id: str, verb: str, body: Mapping[str, object]) -> Request:
        """``approve``, ``deny``, ``revoke`` or ``review`` a request."""
        return shaped(self._ask("POST", f"/requests/{_segment(request_id)}/{verb}", body=_given(body)), Request)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> object:
        headers = {} if body is None else {"Content-Type": "application/json"}
        data = None if body is None else json_body(body)
        with self.gateway.open(method, path, query=query, body=data, headers=headers, slow=True) as response:
            return json_value(response.read())


def _given(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value not in (None, ())}


def _segment(name: str) -> str:
    if not name or set(name) <= {"."}:
        raise UsageMistake(f"'{visible(name)}' is not a name.")
    return quote(name, safe="")
