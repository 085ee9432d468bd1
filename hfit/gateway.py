"""The gateway as a Python object: one method per route. ``hfit.Client`` adds what is done with packages locally."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from hfit.answers import json_body, json_object, json_value, malformed, server_error
from hfit.credentials.token_file import StoredToken, forget_token, read_token
from hfit.documents.catalog import FileEntry, Table
from hfit.documents.packages import Plan
from hfit.documents.session import OfferedKey, OfferedKeys, Person
from hfit.documents.shapes import shaped, shaped_list
from hfit.documents.templates import Template, TemplateResult, ValidTemplate
from hfit.errors import AuthenticationFailed, ConnectionLost, UsageMistake
from hfit.patience import Patience
from hfit.settings import Settings, load_settings
from hfit.streams import checked_lines, split_lines
from hfit.text import visible
from hfit.transport import Response, Transport, parse_origin

BASE = "/api/v1"
PACKAGE_FIRST_BYTE_SECONDS = 900
MAX_TEMPLATE_BYTES = 1 << 20
Parameters = Mapping[str, object] | Sequence[object]
_T = TypeVar("_T")


class Gateway:
    """Speaks to one gateway with one user's token, which is renewed silently with the same SSH key.

    Every argument left out comes from the environment (``HFIT_*``) or ``<config_dir>/config.toml``. ``ask_passphrase``
    is asked for the passphrase of a key file; without it ``HFIT_KEY_PASSPHRASE`` is used. ``warn`` gets lines for a
    person. Methods raise subclasses of ``hfit.errors.HfitClientError`` and nothing else on purpose.
    """

    def __init__(
        self,
        server_url: str | None = None,
        *,
        config_dir: str | Path | None = None,
        email: str | None = None,
        private_key_path: str | Path | None = None,
        timeout_seconds: float | None = None,
        verify_tls: bool | None = None,
        settings: Settings | None = None,
        ask_passphrase: Callable[[str], str | None] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        flags = {
            "server-url": server_url,
            "email": email,
            "private-key-path": None if private_key_path is None else str(private_key_path),
            "timeout": None if timeout_seconds is None else str(timeout_seconds),
            "verify-ssl": None if verify_tls is None else str(verify_tls).lower(),
        }
        self.settings = settings or load_settings(Path(config_dir) if config_dir else None, flags)
        self._ask_passphrase = ask_passphrase or (lambda _: os.environ.get("HFIT_KEY_PASSPHRASE"))
        self._warn = warn or (lambda _: None)
        self._transport = Transport(
            parse_origin(self.settings.server_url),
            timeout_seconds=self.settings.timeout_seconds,
            verify_tls=self.settings.verify_tls,
            warn=self._warn,
        )
        self._token: StoredToken | None = None
        self._renewing = threading.Lock()  # several threads may share a gateway: one of them renews the token

    @property
    def origin(self) -> str:
        """The normalised address of the gateway."""
        return str(self._transport.origin)

    # --- who -------------------------------------------------------------------------------------------------------

    def login(self) -> tuple[StoredToken, str, tuple[str, ...]]:
        """Log in with an SSH key; gives the token, where the key lives, and the fingerprints of newly pinned keys."""
        email = self.settings.get("email")
        if not email:
            hint = "Use --email, or: hfit config set email you@example.com"
            raise UsageMistake("No e-mail address is set.", suggestions=[hint])
        return self._log_in(email, "")

    def logout(self) -> bool:
        """Have the token denied by the server and remove it here. False when there was none."""
        token = read_token(self.settings.config_dir, self.origin)
        if token is None:
            return False
        try:
            self._token = token
            if token.is_fresh():
                self._once("POST", "/auth/logout", token=token.token).close()
        finally:
            self._token = None
            forget_token(self.settings.config_dir)
        return True

    def whoami(self) -> Person:
        """``email``, ``roles``, ``key_fingerprint``, ``expires_in``."""
        return self._object(Person, "GET", "/auth/whoami")

    def package_keys(self) -> list[OfferedKey]:
        """The gateway's package keys as it lists them; ``credentials.pins`` judges them."""
        return self._object(OfferedKeys, "GET", "/package-keys")["keys"]

    # --- databases -------------------------------------------------------------------------------------------------

    def dbmss(self) -> list[str]:
        """Names of the database providers you may see."""
        return self._names("/db/dbmss")

    def dbs(self, provider: str) -> list[str]:
        """Databases of a provider."""
        return self._names(f"/db/{_segment(provider)}/dbs")

    def tables(self, provider: str, database: str) -> list[str]:
        """Tables of a database, as other calls accept them."""
        return self._names(f"/db/{_segment(provider)}/{_segment(database)}/tables")

    def describe(self, provider: str, database: str, table: str) -> Table:
        """Columns, types, keys, foreign keys and masks of a table."""
        return self._object(Table, "GET", f"/db/{_segment(provider)}/{_segment(database)}/{_segment(table)}")

    def table_exists(self, provider: str, database: str, table: str) -> bool:
        """Whether the table is there for you."""
        path = f"/db/{_segment(provider)}/{_segment(database)}/{_segment(table)}/rows"
        with self.open("HEAD", path, accept=(404,)) as response:
            return response.status != 404

    def rows(
        self,
        provider: str,
        database: str,
        table: str,
        *,
        filter: str = "",
        order: str = "",
        limit: int | None = None,
        csv: bool = False,
    ) -> Iterator[bytes]:
        """Masked rows as bytes: NDJSON lines, whose end record is checked and dropped, or CSV in pieces."""
        query = _given({"filter": filter, "order": order, "limit": "" if limit is None else str(limit)})
        path = f"/db/{_segment(provider)}/{_segment(database)}/{_segment(table)}/rows"
        accept = "text/csv" if csv else "application/x-ndjson"
        with self.open("GET", path, query=query, headers={"Accept": accept}) as response:
            yield from response.chunks() if csv else checked_lines(split_lines(response.chunks()), end_required=True)

    # --- volumes ---------------------------------------------------------------------------------------------------

    def volumes(self) -> list[str]:
        """Names of the volumes you may see."""
        return self._names("/volumes")

    def files(self, volume: str, filters: Mapping[str, list[str]] | None = None) -> Iterator[FileEntry]:
        """Entries of a volume: ``name``, ``path``, ``size``, ``modtime``, ``isdir``."""
        with self.open("GET", f"/files/{_segment(volume)}", query=dict(filters or {})) as response:
            for line in checked_lines(split_lines(response.chunks()), end_required=False):
                yield shaped(json_value(line), FileEntry)

    def open_file(self, volume: str, query: Mapping[str, str | list[str]], headers: Mapping[str, str]) -> Response:
        """Start a download of one file: by ``path``, or the best match of filters. 416 is left to the caller."""
        wanted = {"Want-Repr-Digest": "sha-256=1", **headers}
        path = f"/files/{_segment(volume)}/download"
        return self.open("GET", path, query=query, headers=wanted, accept=(416,), slow=True)  # it may be masked first

    # --- templates -------------------------------------------------------------------------------------------------

    def templates(self) -> list[Template]:
        """The templates you may see, with state, digest and parameters."""
        return shaped_list(self._document("GET", "/packtmpl"), Template)

    def template(self, name: str) -> str:
        """The YAML of a template."""
        return self._text("GET", _template(name))

    def create_template(self, text: bytes) -> Template:
        """Store a new template. An existing name is refused."""
        return self._object(Template, "POST", "/packtmpl", body=text, headers=_YAML)

    def validate_template(self, text: bytes) -> ValidTemplate:
        """Check a template without storing it."""
        return self._object(ValidTemplate, "POST", "/packtmpl", query={"dry_run": "1"}, body=text, headers=_YAML)

    def update_template(self, name: str, text: bytes) -> Template:
        """Replace a template."""
        return self._object(Template, "PUT", _template(name), body=text, headers=_YAML)

    def diff_template(self, name: str, text: bytes) -> str:
        """The unified diff that ``update_template`` would make; empty when there is none."""
        return self._text("PATCH", _template(name), body=text, headers=_YAML)

    def delete_template(self, name: str) -> None:
        """Remove a template."""
        self.open("DELETE", _template(name)).close()

    def push_templates(self, bundle: bytes, *, dry_run: bool = False) -> list[TemplateResult]:
        """Store a ``.tar.gz`` of templates, all or nothing; says ``new``, ``updated`` or ``untouched`` of each."""
        query = {"dry_run": "1"} if dry_run else None
        headers = {"Content-Type": "application/gzip"}
        pushed = self._document("POST", "/packtmpl-bundle", query=query, body=bundle, headers=headers)
        return shaped_list(pushed, TemplateResult)

    def share_template(self, name: str) -> Template:
        """Let others run a template."""
        return self._object(Template, "POST", _template(name) + "/share")

    # --- packages --------------------------------------------------------------------------------------------------

    def plan(
        self, template_name: str, parameters: Parameters = (), *, prepare: bool = False, watch: str = ""
    ) -> Plan:
        """What a download would do, without reading a data row. ``watch`` names it for ``hfit.building``."""
        body = json_body({"template_name": template_name, "parameters": _plain(parameters), "prepare": prepare})
        headers = {**_JSON, **_given({"X-Hfit-Watch": watch})}
        return self._object(Plan, "POST", "/packplan", body=body, headers=headers, repeat=True)

    def open_package(
        self,
        template_name: str,
        parameters: Parameters = (),
        *,
        compression: str = "gzip",
        refresh: bool = False,
        known_digest: str = "",
        watch: str = "",
    ) -> Response:
        """Start a package download, named ``watch``. 304 when ``known_digest`` is the digest of what would be sent."""
        document = {"template_name": template_name, "parameters": _plain(parameters)}
        body = json_body({**document, "compression": compression, "refresh": refresh})
        headers = {**_JSON, **_given({"X-Hfit-Known-Digest": known_digest, "X-Hfit-Watch": watch})}
        return self.open("POST", "/packdownload", body=body, headers=headers, accept=(304,), repeat=True, slow=True)

    def reopen_package(self, package_id: str, headers: Mapping[str, str]) -> Response:
        """Ask for a package again by its id, usually with a Range. 404 and 416 are left to the caller."""
        path = f"/packages/{_segment(package_id)}"
        return self.open("GET", path, headers=headers, accept=(404, 416), slow=True)

    # --- the one way out -------------------------------------------------------------------------------------------

    def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Sequence[int] = (),
        repeat: bool = False,
        slow: bool = False,
    ) -> Response:
        """One authenticated exchange. Statuses of 2xx and ``accept`` come back, others become typed errors.

        A 401 renews the token and tries once more; ``patience`` says when a GET, a HEAD or a ``repeat`` call is
        repeated. ``slow`` is for packages: fifteen minutes until the first byte, and ninety seconds of patience.
        """
        token, renewed, may_repeat = self._bearer(), False, repeat or method in ("GET", "HEAD")
        patience = Patience(package=slow, warn=self._warn)
        while True:
            try:
                response = self._once(method, path, query=query, body=body, headers=headers, token=token, slow=slow)
            except ConnectionLost:
                if may_repeat and patience.after_loss():
                    continue
                raise
            if 200 <= response.status < 300 or response.status in accept:
                return response
            error = server_error(response)
            if error.status == 401 and not renewed:
                token, renewed = self._renew(token), True
                continue
            if not may_repeat or not patience.after_answer(response, error):
                raise error

    def _once(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str = "",
        slow: bool = False,
    ) -> Response:
        sent = {"Accept": "application/json", **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        waiting = PACKAGE_FIRST_BYTE_SECONDS if slow else None
        return self._transport.exchange(
            method, BASE + path, query=query, body=body, headers=sent, first_byte_seconds=waiting
        )

    def _bearer(self) -> str:
        if self._token is None:
            self._token = read_token(self.settings.config_dir, self.origin)
        if self._token is None:
            raise AuthenticationFailed(f"You are not logged in to {self.origin}.", suggestions=["Run: hfit login"])
        return self._token.token if self._token.is_fresh() else self._renew(self._token.token)

    def _renew(self, spent: str) -> str:
        """A token after ``spent``: the one that another thread got meanwhile, else a new one."""
        with self._renewing:
            if self._token is None:
                raise AuthenticationFailed(f"You are not logged in to {self.origin}.", suggestions=["Run: hfit login"])
            if self._token.token != spent:
                return self._token.token
            return self._log_in(self._token.email, self._token.fingerprint, self._token.key_path)[0].token

    def _log_in(self, email: str, fingerprint: str, key_path: str = "") -> tuple[StoredToken, str, tuple[str, ...]]:
        from hfit.session import LoginRequest, log_in  # noqa: PLC0415 - lazy start-up: SSH libraries cost 200 ms

        path = self.settings.get("private-key-path") or key_path
        request = LoginRequest(
            origin=self.origin,
            email=email,
            config_dir=self.settings.config_dir,
            private_key_path=Path(path).expanduser() if path else None,
            ask_passphrase=self._ask_passphrase,
            fingerprint=fingerprint,
        )
        result = log_in(request, self._post_open)
        self._token = result.token
        return result.token, result.key_origin, tuple(key.fingerprint for key in result.learned)

    def _post_open(self, path: str, document: Mapping[str, object]) -> Mapping[str, object]:
        response = self._once("POST", path, body=json_body(document), headers=_JSON)
        with response:
            if not 200 <= response.status < 300:
                raise server_error(response)
            return json_object(response.read())

    def _document(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool = False,
    ) -> object:
        with self.open(method, path, query=query, body=body, headers=headers, repeat=repeat, slow=repeat) as response:
            return json_value(response.read())

    def _object(
        self,
        kind: type[_T],
        method: str,
        path: str,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool = False,
    ) -> _T:
        return shaped(self._document(method, path, query=query, body=body, headers=headers, repeat=repeat), kind)

    def _names(self, path: str) -> list[str]:
        names = self._document("GET", path)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise malformed()
        return names

    def _text(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> str:
        with self.open(method, path, body=body, headers={**(headers or {}), "Accept": "*/*"}) as response:
            data = response.read(MAX_TEMPLATE_BYTES)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise malformed() from error


_JSON = {"Content-Type": "application/json"}
_YAML = {"Content-Type": "application/yaml"}


def _segment(name: str) -> str:
    """One path segment. A name of dots only would be a step in the path, so it is refused."""
    if not name or set(name) <= {"."}:
        raise UsageMistake(f"'{visible(name)}' is not a name.")
    return quote(name, safe="")


def _template(name: str) -> str:
    return "/packtmpl/" + _segment(name)


def _given(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _plain(parameters: Parameters) -> object:
    return dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
