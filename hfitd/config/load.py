"""Read config.toml: ``load_config`` gives a frozen Config or one ConfigError with every mistake in it.

Values come from the file, then from ``HFITD_<SECTION>__<KEY>``. Relative paths are relative to the file's folder.
Whether folders exist and servers answer is the business of ``hfitd check``, not of loading.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from marshmallow import Schema, ValidationError

from hfitd.config.addresses import normal_origin, origin_of
from hfitd.config.checks import find_mistakes
from hfitd.config.environment import apply_environment
from hfitd.config.fields import NAME, Insecure
from hfitd.config.mistakes import describe_unknown, did_you_mean, dotted, flatten_messages
from hfitd.config.model import (
    ArtifactsConfig,
    AuditConfig,
    AuthConfig,
    Config,
    LimitsConfig,
    LogConfig,
    PolicyConfig,
    ProviderConfig,
    RoleConfig,
    Secret,
    ServerConfig,
    StoreConfig,
    TracesConfig,
    VolumeConfig,
)
from hfitd.config.schema import NAMED, SECTIONS, ServerSchema
from hfitd.config.secrets import SecretProblem, resolve_secret
from hfitd.errors import ConfigError, Mistake

MAX_FILE_BYTES = 4 * 1024**2
Section = TypeVar("Section")


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """The configuration of the file under the environment.

    ConfigError when the file cannot be read, is not TOML, or holds anything that is wrong; it lists all of it.
    """
    path = Path(path).absolute()
    raw, mistakes = apply_environment(read_toml_file(path), environ)
    reader = Reader(path.parent, environ, raw, mistakes)
    config = reader.read()
    mistakes.extend(find_mistakes(config, raw))
    if mistakes:
        raise ConfigError(tuple(dict.fromkeys(mistakes)))
    return config


def read_toml_file(path: Path) -> dict[str, Any]:
    """The tables of the file; ConfigError with the line when it is not TOML."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError([Mistake("", f"{path.name} cannot be read: {error.strerror}")]) from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError([Mistake("", f"{path.name} is larger than 4 MB")])
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "not UTF-8 text or nested too deep"
        raise ConfigError([Mistake("", f"{path.name} is not TOML: {detail}")]) from error


@dataclass(slots=True)
class Reader:
    """One reading of one file: collects mistakes instead of stopping at the first."""

    folder: Path
    environ: Mapping[str, str]
    raw: Mapping[str, Any]
    mistakes: list[Mistake]
    insecure: frozenset[str] = field(default=frozenset())

    def read(self) -> Config:
        """Every section that is right, defaults in place of those that are not."""
        for name in self.raw:
            if name not in SECTIONS and name not in NAMED:
                self.mistakes.append(Mistake(name, f"is no section{did_you_mean(name, (*SECTIONS, *NAMED))}"))
        server = self.read_server()
        return Config(
            server=server,
            store=self.section("store", StoreConfig),
            artifacts=self.section("artifacts", ArtifactsConfig),
            auth=self.section("auth", AuthConfig),
            limits=self.section("limits", LimitsConfig),
            audit=self.section("audit", AuditConfig),
            log=self.section("log", LogConfig),
            traces=self.section("traces", TracesConfig),
            providers=self.named("providers", ProviderConfig),
            volumes=self.named("volumes", VolumeConfig),
            policy=self.section("policy", PolicyConfig),
            roles=self.named("roles", RoleConfig),
        )

    def read_server(self) -> ServerConfig:
        """``[server]`` comes first: ``insecure`` decides about secrets; the origin follows from ``listen``."""
        entry = self.raw.get("server", {})
        if isinstance(entry, dict) and "insecure" in entry:
            with contextlib.suppress(ValidationError):
                self.insecure = Insecure().deserialize(entry["insecure"]) or frozenset()
        values = self.load(ServerSchema(), entry, ("server",)) or {}
        server = ServerConfig(**values)
        if "origin" in values:
            return replace(server, origin=normal_origin(server.origin) or server.origin)
        encrypted = server.tls_certificate is not None
        return replace(server, origin=origin_of(server.listen, encrypted=encrypted) or "")

    def section(self, name: str, kind: Callable[..., Section]) -> Section:
        """One section as its dataclass."""
        values = self.load(SECTIONS[name](), self.raw.get(name, {}), (name,)) or {}
        if "clear" in values:
            values["clear"] = tuple(glob for entry in values["clear"] for glob in entry["columns"])
        return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})

    def named(self, title: str, kind: Callable[..., Section]) -> dict[str, Section]:
        """The entries of ``[providers.NAME]`` and the like."""
        entries = self.raw.get(title, {})
        if not isinstance(entries, dict):
            self.mistakes.append(Mistake(title, f"must be tables [{title}.NAME]"))
            return {}
        found: dict[str, Section] = {}
        for name, entry in entries.items():
            if not NAME.match(name):
                self.mistakes.append(Mistake(f"{title}.{name}", "a name is 1 to 64 letters, digits, _ and -"))
            values = self.load(NAMED[title](), entry, (title, name))
            if values is None:
                continue
            if "mask" in values:
                values["masks"] = tuple(values.pop("mask"))
            if values.get("type") == "sqlite":
                values["database"] = "main"
            found[name] = kind(name=name, **values)
        return found

    def load(self, schema: Schema, entry: object, path: tuple[str, ...]) -> dict[str, Any] | None:
        """The values of one table under the names of its dataclass; None when something in it is wrong."""
        try:
            values: dict[str, Any] = schema.load(entry)  # type: ignore[arg-type]
        except ValidationError as error:
            for inner, message in flatten_messages(error.messages):
                where = dotted((*path, *inner))
                self.mistakes.append(Mistake(where, describe_unknown(inner, message, schema) if inner else message))
            return None
        return {key: self.settle(value, key, path) for key, value in values.items()}

    def settle(self, value: Any, key: str, path: tuple[str, ...]) -> Any:
        """Make paths absolute and secrets secret."""
        if isinstance(value, Path):
            return self.folder / value.expanduser() if str(value).startswith("~/") else self.folder / value
        if key not in ("password", "mask_key"):
            return value
        try:
            return resolve_secret(value, self.environ, self.folder, self.insecure)
        except SecretProblem as problem:
            self.mistakes.append(Mistake(dotted((*path, key)), str(problem)))
            return Secret("?" * 64)
