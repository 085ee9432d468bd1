"""Who you are, settings, and what is wrong: login, config, doctor, init; and errors."""

from __future__ import annotations

from typing import Annotated, TypedDict


class Failure(TypedDict):
    """An error, on standard error of every command and as the body of HTTP errors."""

    category: Annotated[str, "NOT_FOUND, AUTHENTICATION, PERMISSION_DENIED, VALIDATION_ERROR, RATE_LIMIT ..."]
    code: Annotated[str, "which one; docs/errors.md lists them"]
    message: str
    resource: Annotated[str | None, "what it is about"]
    suggestions: list[str]
    timestamp: str
    request_id: Annotated[str | None, "in the log of the server; null when it is the client's own"]


class LoggedIn(TypedDict):
    """hfit login."""

    server: str
    email: str
    key_fingerprint: str
    pinned: Annotated[list[str], "fingerprints of package keys that were pinned now"]


class LoggedOut(TypedDict):
    """hfit logout."""

    logged_out: Annotated[bool, "false when there was no token"]


class Loan(TypedDict):
    """A role for a while."""

    role: str
    ends: str
    request: Annotated[str, "the request that it was granted for"]


class Person(TypedDict):
    """hfit whoami."""

    email: str
    roles: list[str]
    loans: list[Loan]
    key_fingerprint: str
    expires_in: Annotated[int, "seconds that the token lives"]


class OfferedKey(TypedDict):
    """One package key of the gateway."""

    public_key: Annotated[str, "an OpenSSH line"]
    fingerprint: str
    current: Annotated[bool, "whether packages are signed with it today"]
    endorsement: Annotated[str | None, "what the key before it signed of it (SSHSIG); null of the first"]


class OfferedKeys(TypedDict):
    """The package keys as the gateway lists them; whether they are what they claim to be is another question."""

    keys: list[OfferedKey]


class Project(TypedDict):
    """hfit init."""

    written: Annotated[list[str], "files"]
    package: Annotated[str, "its name in hfit.toml"]
    template: str
    into: str


class SettingValue(TypedDict):
    """One setting."""

    value: str
    source: Annotated[str, "flag, environment, file or default"]


Settings = TypedDict("Settings", {"config-dir": str, "settings": dict[str, SettingValue]})


class SettingHelp(TypedDict):
    """One setting that there is."""

    key: str
    env: str
    help: str


class SettingWritten(TypedDict):
    """hfit config set."""

    key: str
    value: Annotated[str | None, "null when it was removed"]
    path: Annotated[str, "the settings file"]


class Check(TypedDict):
    """hfit doctor, an array of these."""

    check: str
    state: Annotated[str, "ok, warning or failed"]
    words: str
    advice: str


class Address(TypedDict):
    """hfit web."""

    address: Annotated[str, "works once, within a minute"]
