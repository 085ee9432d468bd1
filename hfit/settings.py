"""Settings of the client: flag over environment over ``<config-dir>/config.toml`` over default."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hfit.credentials.private_files import write_private
from hfit.errors import UsageMistake
from hfit.text import visible
from hfit.transport import parse_origin

KEYS: Mapping[str, str] = {
    "server-url": "address of the gateway, https://HOST[:PORT]",
    "email": "who you are there",
    "private-key-path": "SSH private key to log in with (a .pub file means: the key of that name in ssh-agent)",
    "timeout": "seconds to wait for the server, 60 by default",
    "verify-ssl": "true or false: whether the server's certificate is checked",
}
DEFAULTS: Mapping[str, str] = {"timeout": "60", "verify-ssl": "true"}
MAX_TIMEOUT_SECONDS = 86_400
MAX_FILE_BYTES = 65_536
_BOOLEANS = dict.fromkeys(("true", "yes", "1", "on"), "true") | dict.fromkeys(("false", "no", "0", "off"), "false")


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it came from: flag, environment, file or default."""

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one run."""

    config_dir: Path
    values: Mapping[str, Setting]

    def get(self, key: str) -> str | None:
        """The value of ``key``, or None when it is set nowhere."""
        setting = self.values.get(key)
        return setting.value if setting else None

    @property
    def server_url(self) -> str:
        """The address of the server; UsageMistake when nobody gave one."""
        url = self.get("server-url")
        if not url:
            raise UsageMistake(
                "No server is set.",
                suggestions=["Run: hfit config set server-url https://hfit.example.com", "or use --server-url."],
            )
        return url

    @property
    def timeout_seconds(self) -> float:
        """How long to wait for the server."""
        return float(self.get("timeout") or DEFAULTS["timeout"])

    @property
    def verify_tls(self) -> bool:
        """Whether certificates are checked."""
        return self.get("verify-ssl") != "false"


def default_config_dir(environment: Mapping[str, str]) -> Path:
    """``HFIT_CONFIG_DIR``, else ``~/.hfit``."""
    return Path(environment.get("HFIT_CONFIG_DIR") or Path.home() / ".hfit")


def config_path(config_dir: Path) -> Path:
    """Where the settings file lies."""
    return config_dir / "config.toml"


def environment_name(key: str) -> str:
    """``server-url`` is ``HFIT_SERVER_URL``."""
    return "HFIT_" + key.upper().replace("-", "_")


def load_settings(
    config_dir: Path | None = None,
    flags: Mapping[str, str | None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Bring the four sources together; every value is checked, whichever source it has."""
    environment = os.environ if environment is None else environment
    directory = config_dir or default_config_dir(environment)
    values = {key: Setting(value, "default") for key, value in DEFAULTS.items()}
    layers: list[tuple[str, Mapping[str, str | None]]] = [
        ("file", read_file(directory)),
        ("environment", {key: environment.get(environment_name(key)) for key in KEYS}),
        ("flag", flags or {}),
    ]
    for source, layer in layers:
        for key, value in layer.items():
            if value:
                values[key] = Setting(check_value(key, value), source)
    return Settings(directory, values)


def read_file(config_dir: Path) -> dict[str, str | None]:
    """The settings file; empty when there is none. Unknown keys and broken TOML are mistakes that are named."""
    path = config_path(config_dir)
    try:
        with path.open("rb") as file:
            data = tomllib.loads(file.read(MAX_FILE_BYTES).decode())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageMistake(
            f"{path} cannot be read.", reason=visible(error), suggestions=["Correct it, or remove it and set again."]
        ) from error
    for key, value in data.items():
        check_key(key)
        if not isinstance(value, str | int | float | bool):
            raise UsageMistake(f"'{key}' in {path} is not a plain value.")
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in data.items()}


def check_key(key: str) -> str:
    """Refuse a key that does not exist, and name those that do."""
    if key not in KEYS:
        raise UsageMistake(
            f"There is no setting '{visible(key, limit=80)}'.", suggestions=["The settings are: " + ", ".join(KEYS)]
        )
    return key


def check_value(key: str, value: str) -> str:
    """The value in its one spelling; UsageMistake when it cannot be right."""
    check_key(key)
    if key == "server-url":
        return str(parse_origin(value))
    if key == "timeout":
        try:
            seconds = float(value)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= MAX_TIMEOUT_SECONDS:
            raise UsageMistake("timeout is a number of seconds above 0.", reason=f"It is '{visible(value, limit=40)}'.")
        return f"{seconds:g}"
    if key == "verify-ssl":
        if value.lower() not in _BOOLEANS:
            raise UsageMistake("verify-ssl is true or false.", reason=f"It is '{visible(value, limit=40)}'.")
        return _BOOLEANS[value.lower()]
    return value


def write_setting(config_dir: Path, key: str, value: str) -> None:
    """Set one key in the file; an empty value removes it. The file is replaced atomically."""
    check_key(key)
    settings = read_file(config_dir)
    settings.pop(key, None)
    if value:
        settings[key] = check_value(key, value)
    lines = [f"{name} = {json.dumps(settings[name])}\n" for name in KEYS if name in settings]
    write_private(config_path(config_dir), "".join(lines).encode())
