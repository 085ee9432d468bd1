"""What a verified package does to a database, read from its members before anything is touched."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hfit.errors import PackageInvalid, TargetRefused, UsageMistake
from hfit.load.interface import Need, Part, Passed, Script, ServerName, TableRef, Target
from hfit.load.script import CopyBlock, Statement, read_script
from hfit.load.statements import Kind, copy_head, created_table, insert_head, kind_of
from hfit.package.manifest import Manifest, Member

_REMEMBERED = 1_000_000  # statements of a member; one with more is looked through again when it is loaded
ENGINES = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite"}


@dataclass(frozen=True, slots=True)
class Loadable:
    """The SQL members of one provider, in load order."""

    provider: str
    engine: str
    database: str
    members: tuple[Member, ...]
    source: ServerName | None = None


def loadable_members(manifest: Manifest) -> list[Loadable]:
    """The package's SQL by provider; UsageMistake when there is none. CSV and NDJSON are never loaded."""
    members = [member for member in manifest.members.values() if member.load_order is not None]
    if not members:
        raise UsageMistake(
            "The package has no SQL to load.",
            reason="Only members that end in .sql are loaded; CSV and NDJSON are data for programs.",
        )
    found: dict[str, list[Member]] = {}
    for member in sorted(members, key=lambda item: (item.load_order or 0, item.path.encode())):
        found.setdefault(member.provider or "", []).append(member)
    return [_loadable(provider, listed, manifest) for provider, listed in sorted(found.items())]


def check_dangling(loadables: Sequence[Loadable], *, allowed: bool) -> None:
    """Refuse a package whose manifest says that rows refer to nothing (contract 8.4), unless that is allowed."""
    for loadable in loadables:
        for member in loadable.members:
            listed = member.details.get("dangling")
            dangling = [entry for entry in listed if not _is_harmless(entry)] if isinstance(listed, list) else []
            if dangling and not allowed:
                first = dangling[0] if isinstance(dangling[0], dict) else {}
                raise TargetRefused(
                    f"{member.path} holds rows that refer to rows outside of the package.",
                    reason=f"{first.get('table')} by {first.get('foreign_key')}: {first.get('rows')} of them.",
                    suggestions=["Export a subset, which follows its keys, or load with --allow-dangling."],
                )


def _is_harmless(entry: object) -> bool:
    """Whether it is of a key that only the template knows, perhaps into another database, or of one that is as broken
    in the source, where it was never validated: no constraint breaks."""
    return isinstance(entry, dict) and (entry.get("virtual") is True or entry.get("in_source") is True)


def choose_targets(loadables: Sequence[Loadable], targets: Mapping[str, Target]) -> list[tuple[Loadable, Target]]:
    """Which provider goes where. UsageMistake for a provider without a target or a target without a provider."""
    known = {loadable.provider for loadable in loadables}
    names = ", ".join(sorted(known))
    if unknown := targets.keys() - known - {""}:
        raise UsageMistake(
            f"The package has no SQL of the provider '{min(unknown)}'.", suggestions=[f"It has: {names}"]
        )
    left = [loadable.provider for loadable in loadables if loadable.provider not in targets]
    if "" in targets and len(left) != 1:
        raise UsageMistake(
            "It is not clear which provider goes where.", suggestions=[f"Say --into PROVIDER=URL for each of: {names}"]
        )
    if left and "" not in targets:
        raise UsageMistake(f"Where '{left[0]}' goes is not said.", suggestions=[f"--into {left[0]}=URL"])
    chosen = [(loadable, targets.get(loadable.provider) or targets[""]) for loadable in loadables]
    for loadable, target in chosen:
        if loadable.engine != target.engine:
            raise TargetRefused(
                f"The package's SQL is for {loadable.engine}, the target is {target.engine}.",
                suggestions=[f"Give the URL of a {loadable.engine} database."],
            )
    return chosen


def read_plan(loadable: Loadable, folder: Path, databases: Mapping[str, str], *, prove: bool = True) -> Script:
    """Go through every member once. PackageInvalid for statements that no package holds.

    Without ``prove``, whether rows of MySQL are literals is left to who loads them.
    """
    parts = [_part(member, loadable, folder, databases, prove=prove) for member in loadable.members]
    labels = {table.label: table for part in parts for table in part.tables}
    rows: dict[TableRef, int] = {}
    masked: dict[TableRef, frozenset[str]] = {}
    for number, member in enumerate(loadable.members):
        for label, count, masks in _counts(member):
            if label not in labels:
                if count:
                    raise PackageInvalid(f"{member.path} does not hold the rows that the manifest lists.")
                labels[label] = table = _empty_table(label, loadable, databases)
                parts[number] = replace(parts[number], tables={**parts[number].tables, table: ()})
            rows[labels[label]] = rows.get(labels[label], 0) + count
            masked[labels[label]] = masked.get(labels[label], frozenset()) | masks
    if missing := labels.keys() - {table.label for table in rows}:
        raise PackageInvalid(f"The manifest does not list the rows of {min(missing)}.")
    needs = tuple(need for member in loadable.members for need in _needs(member))
    return Script(loadable.provider, loadable.engine, tuple(parts), rows, masked, databases, loadable.source, needs)


def _needs(member: Member) -> list[Need]:
    """What the definitions of a DDL member ask of a target. A target that is there decides about rows by itself."""
    listed = member.details.get("requires") if member.details.get("kind") == "ddl" else None
    needs = []
    for item in listed if isinstance(listed, list) else []:
        releases = item.get("releases") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(releases, dict):
            raise PackageInvalid("The manifest of the package is malformed.", reason="Its 'requires' are wrong.")
        if item.get("if_held") is not True:
            known = {str(product): str(release) for product, release in releases.items()}
            needs.append(Need(str(item.get("what")), str(item.get("name")), str(item.get("table")), known))
    return needs


@dataclass(slots=True)
class _Found:
    tables: dict[TableRef, tuple[str, ...]] = field(default_factory=dict)
    creates: dict[TableRef, bool] = field(default_factory=dict)

    def fill(self, table: TableRef, columns: tuple[str, ...], path: str) -> None:
        if self.tables.setdefault(table, columns) != columns:
            raise PackageInvalid(f"{path} fills {table} with different columns.")


def _part(member: Member, loadable: Loadable, folder: Path, databases: Mapping[str, str], *, prove: bool) -> Part:
    engine, found, path = loadable.engine, _Found(), folder / member.path
    passed: list[Passed] = []
    with path.open("rb") as file:
        for item in read_script(file, engine, member.path, prove=prove):
            if isinstance(item, CopyBlock):
                table, columns = copy_head(item.head, member.path, item.line)
                found.fill(_place(table, loadable, databases), columns, member.path)
                continue
            kind = kind_of(item, engine, member.path, prove=prove)
            if engine == "mysql" and len(passed) <= _REMEMBERED:
                passed.append(_passed(item))
            if kind is Kind.CREATE_TABLE:
                table, guarded = created_table(item, engine)
                found.creates[_place(table, loadable, databases)] = guarded
            elif kind is Kind.INSERT:
                table, columns, _ = insert_head(item.text, engine)
                found.fill(_place(table, loadable, databases), columns, member.path)
    is_ddl = member.details.get("kind") in ("ddl", "constraints")
    remembered = tuple(passed) if len(passed) <= _REMEMBERED else ()
    return Part(member.path, path, is_ddl, found.tables, found.creates, remembered)


def _passed(item: Statement) -> Passed:
    digest = hashlib.sha256(item.text).digest()
    return Passed(item.offset, len(item.text), item.line, item.rows_at, digest, item.proved)


def _place(table: TableRef, loadable: Loadable, databases: Mapping[str, str]) -> TableRef:
    """The table where the target has it, labelled as the manifest names it."""
    source = table.schema or (loadable.database if loadable.engine == "mysql" else "main")
    placed = replace(table, label=f"{source}.{table.name}")
    return replace(placed, schema=databases.get(table.schema, table.schema)) if loadable.engine == "mysql" else placed


def _empty_table(label: str, loadable: Loadable, databases: Mapping[str, str]) -> TableRef:
    """A table without rows stands in no statement of MySQL and SQLite."""
    own = loadable.database if loadable.engine == "mysql" else "main"
    if loadable.engine != "postgresql" and label.startswith(own + "."):
        return TableRef("", label.removeprefix(own + "."), label)
    schema, _, name = label.partition(".")
    return TableRef(databases.get(schema, schema), name, label)


def _loadable(provider: str, members: Sequence[Member], manifest: Manifest) -> Loadable:
    engines = {ENGINES.get(str(member.details.get("engine")), "") for member in members}
    if len(engines) != 1 or "" in engines:
        raise PackageInvalid("The manifest does not say for which engine its SQL is.")
    sources = manifest.document.get("sources")
    named = [
        source
        for source in (sources if isinstance(sources, list) else [])
        if isinstance(source, dict) and source.get("provider") == provider
    ]
    database = str(named[0].get("database")) if len(named) == 1 else ""
    return Loadable(provider, engines.pop(), database, tuple(members), _server_of(named))


def _server_of(sources: Sequence[Mapping[str, object]]) -> ServerName | None:
    facts = [(source.get("engine"), source.get("version")) for source in sources]
    return next((ServerName(str(engine), str(version)) for engine, version in facts if engine and version), None)


def _counts(member: Member) -> list[tuple[str, int, frozenset[str]]]:
    listed = member.details.get("tables")
    found = []
    for item in listed if isinstance(listed, list) else []:
        masks = item.get("masks") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(item.get("rows"), int) or not isinstance(masks, dict):
            raise PackageInvalid("The manifest of the package is malformed.", reason="Its 'tables' are wrong.")
        found.append((str(item.get("table")), int(item["rows"]), frozenset(masks)))
    return found
