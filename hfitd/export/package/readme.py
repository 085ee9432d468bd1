"""The README inside every package: what it is and how to load it. The same inputs give the same text."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from hfitd.export.items.interface import Member
from hfitd.export.package.context import PackageContext

LOADERS = {
    "postgresql": 'psql -v ON_ERROR_STOP=1 -d "$DATABASE" -f {path}',
    "mysql": 'mysql "$DATABASE" < {path}',
    "mariadb": 'mysql "$DATABASE" < {path}',
    "sqlite": 'sqlite3 "$DATABASE" < {path}',
}


def write_readme(context: PackageContext, members: Sequence[Member], orders: Mapping[str, int]) -> bytes:
    """Markdown for a person who finds the folder without having asked for it."""
    lines = [f"# {context.package_name}", ""]
    if context.description:
        lines += [context.description, ""]
    lines += [
        f"A package of Hot Fixture Tool, made from the template `{context.template_name}`.",
        "Check it with `hfit verify .`; `METADATA/manifest.json` lists every file with its digest and masks.",
        "",
        "## Parameters",
        "",
        *([f"- `{name}` = `{value}`" for name, value in sorted(context.parameters.items())] or ["None."]),
        "",
        "## Files",
        "",
    ]
    for member in sorted(members, key=lambda m: m.path.encode()):
        masks = ", ".join(f"{column} ({mask})" for column, mask in sorted(member.masks.items()))
        lines.append(f"- `{member.path}`: {_what(member)}" + (f"; masked: {masks}" if masks else ""))
    if gaps := list(_left_out(members)):
        lines += ["", "## Not in this package", "", *gaps]
    if needs := list(_requirements(members)):
        lines += ["", "## What it needs", "", *needs]
    commands = _load_commands(context, members, orders)
    if commands:
        lines += ["", "## Load", "", "Into an empty database, in this order:", "", "```sh", *commands, "```"]
    return ("\n".join(lines) + "\n").encode()


def _left_out(members: Sequence[Member]) -> Iterator[str]:
    """What the source has and the package does not."""
    for member in sorted(members, key=lambda m: m.path.encode()):
        listed = member.details.get("left_out")
        for item in listed if isinstance(listed, list) else []:
            if isinstance(item, dict):
                yield f"- {item['what']} `{item['name']}` of `{item['table']}` (`{member.path}`): {item['reason']}"


def _requirements(members: Sequence[Member]) -> Iterator[str]:
    """Servers that can take what not every server can."""
    for member in sorted(members, key=lambda m: m.path.encode()):
        listed = member.details.get("requires")
        for item in listed if isinstance(listed, list) else []:
            if isinstance(item, dict) and isinstance(item["releases"], dict):
                servers = " or ".join(f"{product} {release}" for product, release in sorted(item["releases"].items()))
                when = "or later, should rows hold it" if item["if_held"] else "or later"
                place = f" of `{item['table']}`" if item["table"] else ""
                yield f"- {item['what']} `{item['name']}`{place} (`{member.path}`): {servers} {when}"


def _what(member: Member) -> str:
    if member.kind == "ddl":
        return "statements that create the tables"
    if member.kind == "constraints":
        return "foreign keys of tables that refer to each other in a circle, added after the data"
    if member.kind == "file":
        return "a file of a volume"
    if member.kind == "metadata":
        return "how each row of a subset was reached; read it with `hfit explain`"
    if member.kind == "data" and member.table is None:
        return "rows of several tables that belong together, parents first"
    if member.table is None:
        return "rows"
    return f"rows of {member.table}"


def _load_commands(context: PackageContext, members: Sequence[Member], orders: Mapping[str, int]) -> list[str]:
    commands: list[str] = []
    for member in sorted((m for m in members if m.path in orders), key=lambda m: orders[m.path]):
        engine = context.sources[member.source].engine if member.source else ""
        if engine in LOADERS:
            commands.append(LOADERS[engine].format(path=shell_word(member.path)))
    return commands


def shell_word(path: str) -> str:
    """The path as one word of a shell: whoever wrote the template chose it, and somebody else pastes the line."""
    return shlex.quote(path) if set(path) & set("$`!") else f'"{path}"'
