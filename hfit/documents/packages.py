"""Plans and packages: planned, downloaded, verified, loaded, refreshed, purged."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from hfit.documents.session import Failure


class PlanTemplate(TypedDict):
    """Which template a plan is of."""

    name: str
    digest: str


class PlanKey(TypedDict):
    """A foreign key or virtual key between tables of an export."""

    name: str
    columns: list[str]
    to: str
    to_columns: list[str]
    followed: Annotated[Any, "how the subset follows it"]
    provider: NotRequired[str]
    database: NotRequired[str]


class PlanTable(TypedDict):
    """What an export does with a table."""

    table: str
    provider: NotRequired[str]
    database: NotRequired[str]
    path: Annotated[list[str], "from the root, with the foreign keys"]
    columns: list[str]
    estimated_rows: int | None
    estimated_bytes: int | None
    masks: dict[str, str]
    keys: list[PlanKey]


class Gap(TypedDict):
    """What is left out of a definition."""

    what: str
    name: str
    table: str
    reason: str


class Requirement(TypedDict):
    """What a server has to be to take a part of the package."""

    what: str
    name: str
    table: str
    releases: Annotated[dict[str, Any], "product to the first release that has it"]
    if_held: Annotated[bool, "only where rows hold such values"]


class PlanExport(TypedDict):
    """One export of a plan."""

    key: str
    type: str
    provider: str | None
    database: str | None
    volume: str | None
    tables: list[PlanTable]
    left_out: list[Gap]
    requires: list[Requirement]
    refusals: list[Any]


class Plan(TypedDict):
    """hfit pkg-plan."""

    template: PlanTemplate
    plan_digest: str
    policy_version: str
    package_name: str
    variables: Annotated[dict[str, str | None], "null while a prepare step would have to run"]
    exports: list[PlanExport]
    approval: dict[str, Any] | None


class PackageReport(TypedDict):
    """hfit verify. `tables`: rows per table, with --target."""

    path: str
    kind: Annotated[str, "directory or archive"]
    package_name: str
    package_digest: str
    server: str
    key_fingerprint: str
    created: str
    expires: str | None
    members: int
    size: int
    tables: NotRequired[dict[str, int]]


class DownloadedPackage(PackageReport):
    """hfit pkg-download."""

    package_id: str
    cache: Annotated[str, "hit, miss or joined"]
    unchanged: Annotated[bool, "nothing was transferred"]
    insecure: bool


class LoadReport(TypedDict):
    """What one target got."""

    provider: str
    target: str
    mode: str
    rows: dict[str, int]
    notes: list[str]
    dry_run: bool
    steps: list[str]


class Loads(TypedDict):
    """hfit load."""

    loads: list[LoadReport]


class Link(TypedDict):
    """A row on the way from the root."""

    table: str
    key: dict[str, str]
    foreign_key: Annotated[str | None, "null for the root"]


class Chain(TypedDict):
    """hfit explain."""

    chain: list[Link]


class RefreshedPackage(TypedDict):
    """One package of hfit.toml."""

    name: str
    result: Annotated[str, "new, updated, untouched or failed"]
    path: str
    package_digest: str | None
    template_digest: str | None
    size: int | None
    transferred: bool
    error: Failure | None


class Refreshed(TypedDict):
    """hfit refresh."""

    mode: str
    packages: list[RefreshedPackage]
    exit_code: int


class Purged(TypedDict):
    """hfit purge, an array of these."""

    path: str
    package_name: str | None
    expires: str | None
    size: int
    removed: bool
    problem: str | None
