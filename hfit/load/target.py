"""Reading the URLs of targets, and the guard on hosts (fidelity requirement 20: never the wrong database).

``postgresql://user:password@host:port/database?host=/socket/dir&sslmode=...&sslrootcert=FILE``
``mysql://user:password@host:port/database?unix_socket=/path&tls=...&tls_ca=FILE`` (MariaDB too)
``sqlite:///relative.db`` and ``sqlite:////absolute.db``

``sslmode``/``sslrootcert`` (libpq), ``ssl-mode``/``ssl-ca`` (MySQL's clients) and ``tls``/``tls_ca`` mean the same. A
driver in the scheme (``postgresql+psycopg://``) is for the program whose URL it is. Parts are percent-decoded. Without
a password in the URL, ``PGPASSWORD`` or ``MYSQL_PWD`` is used. TLS is off or ``prefer`` on this machine and
``verify-full`` elsewhere unless the URL says otherwise. A mistake in a URL is UsageMistake and never repeats the URL,
which may hold a password.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from hfit.errors import TargetRefused, UsageMistake
from hfit.load.interface import Target

ENGINES = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
_PORTS = {"postgresql": 5432, "mysql": 3306}
_PASSWORDS = {"postgresql": "PGPASSWORD", "mysql": "MYSQL_PWD"}
_TLS = {
    "disable": "disable", "allow": "prefer", "prefer": "prefer", "require": "require",
    "verify-ca": "verify-full", "verify-full": "verify-full",
    "disabled": "disable", "preferred": "prefer", "required": "require",
    "verify_ca": "verify-full", "verify_identity": "verify-full",
}  # fmt: skip
_TLS_OPTIONS = {
    **dict.fromkeys(("tls", "sslmode", "ssl-mode", "ssl_mode"), "tls"),
    **dict.fromkeys(("tls_ca", "sslrootcert", "ssl-ca", "ssl_ca"), "tls_ca"),
}
_OPTIONS = {
    "postgresql": {"host": "socket", **_TLS_OPTIONS},
    "mysql": {"unix_socket": "socket", "socket": "socket", **_TLS_OPTIONS},
}
_EXAMPLES = (
    "postgresql://user:password@localhost:5432/database",
    "mysql://user:password@localhost:3306/database",
    "sqlite:///file.db",
)


def parse_target(url: str, environment: Mapping[str, str]) -> Target:
    """The target that a URL names. UsageMistake says what is wrong with it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _mistake("It is not a URL.") from error
    scheme = parts.scheme.partition("+")[0]
    if scheme == "sqlite":
        return _sqlite(parts)
    if scheme not in ENGINES:
        raise _mistake("It has to begin with postgresql://, mysql:// or sqlite:///.")
    engine = ENGINES[scheme]
    database = unquote(parts.path.removeprefix("/"))
    if not database or parts.fragment:
        raise _mistake("It has to name the database, so that nothing is loaded into the wrong one.")
    options = _options(parts.query, engine)
    host = unquote(parts.hostname or "") or "localhost"
    socket = options.get("socket", "") or (host if host.startswith("/") else "")
    remote = not (socket or _is_loopback(host))
    return Target(
        engine=engine,
        database=database,
        host=host,
        port=port or _PORTS[engine],
        user=unquote(parts.username or "") or _own_name(),
        password=_password(parts, engine, environment),
        socket=socket,
        tls=_tls(options.get("tls"), remote=remote),
        tls_ca=Path(options["tls_ca"]) if "tls_ca" in options else None,
    )


def check_host(target: Target, *, allow_remote: bool) -> None:
    """Refuse a host that is not this machine, unless that was asked for."""
    if target.is_local or allow_remote:
        return
    raise TargetRefused(
        f"{target.host} is not this machine.",
        reason="Fixtures belong into databases of one's own; another host may be somebody's real one.",
        suggestions=["If it is the right one, say so with --allow-remote."],
    )


def parse_intos(values: Sequence[str], environment: Mapping[str, str]) -> dict[str, Target]:
    """``[PROVIDER=]URL`` values by provider; "" is for whichever provider is left. UsageMistake for one given twice."""
    found: dict[str, Target] = {}
    for value in values:
        scheme = value.find("://")
        equals = value.find("=")
        named = 0 <= equals < scheme
        provider, url = (value[:equals], value[equals + 1 :]) if named else ("", value)
        if provider in found:
            raise UsageMistake(f"--into is given twice for '{provider}'." if provider else "--into is given twice.")
        found[provider] = parse_target(url, environment)
    return found


def parse_databases(values: Sequence[str]) -> dict[str, str]:
    """``A=B`` values: database A of the package is B of the target."""
    found: dict[str, str] = {}
    for value in values:
        old, equals, new = value.partition("=")
        if not (old and equals and new) or old in found:
            raise UsageMistake("--map-database takes OLD=NEW, once for each database of the package.")
        found[old] = new
    return found


def _sqlite(parts: SplitResult) -> Target:
    path = unquote(parts.path).removeprefix("/")
    if parts.netloc or not path or parts.query or parts.fragment:
        raise _mistake("An SQLite URL has three slashes and a path, four for an absolute one.")
    return Target("sqlite", path, tls="disable")


def _options(query: str, engine: str) -> dict[str, str]:
    found = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS[engine]:
            raise _mistake(f"Its option '{name}' is not known; known are {', '.join(sorted(_OPTIONS[engine]))}.")
        found[_OPTIONS[engine][name]] = value
    return found


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:  # a container's user may have none
        raise _mistake("It has to name the user, because yours has no name on this machine.") from error


def _is_loopback(host: str) -> bool:
    return Target("", "", host=host).is_local


def _password(parts: SplitResult, engine: str, environment: Mapping[str, str]) -> str:
    if parts.password is not None:
        return unquote(parts.password)
    return environment.get(_PASSWORDS[engine], "")


def _tls(wanted: str | None, *, remote: bool) -> str:
    if wanted is None:
        return "verify-full" if remote else "prefer"
    if wanted.lower() not in _TLS:
        raise _mistake("Its TLS mode has to be one of disable, prefer, require, verify-full.")
    return _TLS[wanted.lower()]


def _mistake(reason: str) -> UsageMistake:
    return UsageMistake("The URL of the target cannot be used.", reason=reason, suggestions=_EXAMPLES)
