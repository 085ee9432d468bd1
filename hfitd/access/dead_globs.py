"""What of a policy means nothing in the databases that are there: for ``hfitd check``, nothing here decides.

1. A glob of a mask, a clearance, a row filter or a grant that matches nothing is probably misspelt, or its table is
   gone; then the column that was meant is not covered. The nearest name is offered.
2. A mask that comes after others which cover all that it matches never counts.
3. A mask that its column cannot hold refuses every export of it (MASK_DOES_NOT_FIT).
4. Columns that look personal and have no class are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hfitd.access.classification import looks_personal
from hfitd.access.compiled import Compiled
from hfitd.access.globs import Glob, compile_glob, escape, table_object
from hfitd.access.grants import TABLE_ACTIONS
from hfitd.access.policy import Policy
from hfitd.config.mistakes import did_you_mean
from hfitd.errors import MaskDoesNotFit
from hfitd.masks.table import bind_mask
from hfitd.model import Catalog

_NAMED = 3  # columns that are named as examples


@dataclass(frozen=True, slots=True)
class Shapes:
    """The catalogues of providers. ``whole``: of every provider that is configured."""

    catalogs: Mapping[str, Sequence[Catalog]]
    whole: bool

    def tables(self) -> dict[str, list[str]]:
        """Columns by table, both as they stand in objects."""
        found: dict[str, list[str]] = {}
        for provider, catalogs in self.catalogs.items():
            for catalog in catalogs:
                for table in catalog.tables.values():
                    found[table_object(provider, table.name)] = [escape(column.name) for column in table.columns]
        return found

    def knows(self, glob: str) -> bool:
        """Whether every provider that the glob can mean was looked at."""
        provider = glob.split("/", maxsplit=1)[0]
        return self.whole if set("*?") & set(provider) else provider in self.catalogs


def find_dead(compiled: Compiled, shapes: Shapes) -> list[str]:
    """1 and 2: one sentence for each glob that means nothing."""
    tables = shapes.tables()
    problems = [
        f"{where}: {glob.text} matches nothing{_suggest(glob, tables)}"
        for where, glob in _globs(compiled)
        if shapes.knows(glob.text) and not any(_covered(glob, tables))
    ]
    taken: set[str] = set()
    for glob, rule in compiled.masks.masks:
        places = set(_covered(glob, tables))
        if places and places <= taken:
            problems.append(f"policy.mask: {glob.text} never counts; earlier masks cover all it matches ({rule.mask})")
        taken |= places
    return list(dict.fromkeys(problems))


def find_unfit(policy: Policy, shapes: Shapes) -> list[str]:
    """3 and 4, by provider."""
    problems: list[str] = []
    for provider, catalogs in shapes.catalogs.items():
        for catalog in catalogs:
            problems += _misfits(policy, provider, catalog)
            naked = list(_unclassified(policy, provider, catalog))
            if naked:
                few = ", ".join(naked[:_NAMED]) + (" ..." if len(naked) > _NAMED else "")
                problems.append(
                    f"{len(naked)} columns look personal and have no class ({few});"
                    f" `hfitd policy scan {provider}` proposes classes"
                )
    return problems


def _globs(compiled: Compiled) -> Iterator[tuple[str, Glob]]:
    for glob, _ in compiled.masks.masks:
        yield "policy.mask", glob
    for glob in compiled.masks.clear:
        yield "policy.clear", glob
    for row_filter in compiled.row_filters:
        yield "policy.row_filter", row_filter.table
    for role, grants in compiled.grants.items():
        for grant in grants:
            if grant.action in TABLE_ACTIONS:
                yield f"roles.{role}", grant.glob


def _covered(glob: Glob, tables: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for path, columns in tables.items():
        if glob.covers_path(path):
            yield from (f"{path}.{column}" for column in columns if glob.covers(path, column))


def _suggest(glob: Glob, tables: Mapping[str, Sequence[str]]) -> str:
    """The nearest object: a column of the tables that match, else a table."""
    near: Iterable[str] = [
        f"{path}.{column}" for path, columns in tables.items() if glob.covers_path(path) for column in columns
    ]
    if not near:
        head, _, last = glob.text.rpartition("/")
        column = last.partition(".")[2]
        schemas = compile_glob(f"{head}/*") if head else None
        found = [path for path in tables if schemas is None or schemas.covers_path(path)] or list(tables)
        near = [f"{path}.{column}" if column else path for path in found]
    return did_you_mean(glob.text, near)


def _misfits(policy: Policy, provider: str, catalog: Catalog) -> Iterator[str]:
    for (name, word), rule in sorted(policy.classes(provider, catalog).rules.items(), key=lambda item: item[0]):
        table = catalog.tables[name]
        column = table.column(word)
        if column is None:
            continue
        unique = any(word in key.columns for key in table.keys)
        try:
            bind_mask(rule, column, b"only to see whether it fits", unique=unique, table=table)
        except MaskDoesNotFit as error:
            yield f"{table_object(provider, name, word)}: {error.message}"


def _unclassified(policy: Policy, provider: str, catalog: Catalog) -> Iterator[str]:
    classes = policy.classes(provider, catalog)
    for name, table in sorted(catalog.tables.items()):
        for column in table.columns:
            place = (name, column.name)
            known = place in classes.rules or place in classes.clear
            if not known and (place in classes.derived or looks_personal(name.name, column)):
                yield table_object(provider, name, column.name)
