"""Which mask each column of a catalogue has, and which columns the owner cleared.

1. The first ``[[policy.mask]]`` whose glob covers a column gives its rule. Globs fold case.
2. A mask wins over ``[[policy.clear]]``; clear globs must match exactly.
3. Partitions, inherited tables and their roots hold the same data, so a rule of one holds for the same column of all.
4. A rule on a key follows its foreign keys: to the columns that refer to it always, and, when the mask keeps equal
   values equal, to the column they refer to, so that joins survive. A column with a rule of its own keeps that one.
5. Where a key compares without case (or accents, or blanks at the end), ``hash`` folds them on all columns that share
   it, or joins would break.
6. A generated column that computes from a hidden column, or may, shows NULL, unless it has a rule of its own or is
   cleared.
7. A column of a view that computes from a hidden column has no class of its own yet, whatever its name looks like,
   unless it has a rule of its own or is cleared.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from hfitd.access.globs import Glob, compile_glob, escape, table_object
from hfitd.access.viewing import Sources, view_sources
from hfitd.config.model import MaskPolicy
from hfitd.masks.table import MASKS, rule_mistake
from hfitd.model import Catalog, Column, MaskRule, Table, TableName

Place = tuple[TableName, str]

# MySQL's and MariaDB's collations of Unicode that take a letter with an accent for the one without.
_WITHOUT_ACCENTS = re.compile(r"utf8(mb[34])?_((general|unicode(_520)?)(_nopad)?|0900_ai|uca1400(_nopad)?_ai)_ci")


@dataclass(frozen=True, slots=True)
class Classes:
    """What the policy says of every column of one catalogue; a column in neither is unclassified.

    ``derived`` are unclassified columns of views that show, or may show, what has a rule elsewhere.
    """

    rules: Mapping[Place, MaskRule]
    clear: frozenset[Place]
    derived: frozenset[Place] = frozenset()
    partitions: Mapping[TableName, tuple[TableName, ...]] = field(default_factory=dict)  # directly below each root
    sources: Mapping[TableName, Sources] = field(default_factory=dict)  # what each view reads in the end


@dataclass(frozen=True, slots=True)
class MaskGlobs:
    """The compiled ``[[policy.mask]]`` and ``[[policy.clear]]``."""

    masks: tuple[tuple[Glob, MaskRule], ...]
    clear: tuple[Glob, ...]


def compile_masks(masks: Sequence[MaskPolicy], clear: Sequence[str], mistakes: list[str]) -> MaskGlobs:
    """The globs ready to match; what cannot be read is added to ``mistakes``."""
    compiled: list[tuple[Glob, MaskRule]] = []
    for policy in masks:
        rule = MaskRule(policy.mask, policy.options, policy.filterable)
        mistake = rule_mistake(rule)
        if mistake:
            mistakes.append(f"policy.mask: {mistake}")
        if policy.filterable not in ("", "equality"):
            mistakes.append(f'policy.mask: filterable is "equality" or absent, not {policy.filterable!r}')
        compiled.extend((glob, rule) for glob in _globs(policy.columns, True, "policy.mask", mistakes))
    return MaskGlobs(tuple(compiled), tuple(_globs(clear, False, "policy.clear", mistakes)))


def _globs(texts: Iterable[str], fold: bool, where: str, mistakes: list[str]) -> list[Glob]:
    globs = []
    for text in texts:
        try:
            globs.append(compile_glob(text, columns=True, fold=fold))
        except ValueError as mistake:
            mistakes.append(f"{where}: {mistake}")
    return globs


def classify_columns(globs: MaskGlobs, provider: str, catalog: Catalog) -> Classes:
    """The rules and clearances of every column, by the steps of the module's argument."""
    own: dict[Place, MaskRule] = {}
    order: list[Place] = []
    clear: set[Place] = set()
    for table in catalog.tables.values():
        path = table_object(provider, table.name)
        masks = [item for item in globs.masks if item[0].covers_path(path)]
        clears = [glob for glob in globs.clear if glob.covers_path(path)]
        for column in table.columns:
            place, word = (table.name, column.name), escape(column.name)
            rule = next((rule for glob, rule in masks if glob.covers(path, word)), None)  # 1
            if rule is not None:
                own[place] = rule
                order.append(place)
            elif any(glob.covers(path, word) for glob in clears):  # 2
                clear.add(place)
    rules = _spread(own, order, catalog)
    _fold_keys(rules, catalog)
    hidden = {place[0] for place in rules}
    for name in hidden:
        while computed := list(_computed(catalog.tables[name], rules, clear)):  # one may compute from another
            rules.update({(name, column.name): MaskRule("null") for column in computed})  # 6
    sources = view_sources(catalog)
    unseen = _unseen(globs, provider, catalog, sources.values())
    derived = _derived(rules.keys() | unseen, clear, catalog)  # 7
    return Classes(rules, frozenset(clear - rules.keys()), derived, _partitions(catalog), sources)


def _partitions(catalog: Catalog) -> Mapping[TableName, tuple[TableName, ...]]:
    below: dict[TableName, tuple[TableName, ...]] = {}
    for table in catalog.tables.values():
        if table.kind == "partition":
            for parent in table.parents:
                below[parent] = (*below.get(parent, ()), table.name)
    return below


def _edges(catalog: Catalog) -> tuple[dict[Place, set[Place]], dict[Place, set[Place]]]:
    """Places a rule always follows to, and places it follows to only when the mask keeps equal values equal."""
    always: dict[Place, set[Place]] = {}
    keyed: dict[Place, set[Place]] = {}
    for key in catalog.foreign_keys:
        for column, target in zip(key.columns, key.target_columns, strict=True):
            child, parent = (key.table, column), (key.target, target)
            always.setdefault(parent, set()).add(child)
            keyed.setdefault(child, set()).add(parent)
    for table in catalog.tables.values():
        for parent_name in table.parents:
            root = catalog.tables.get(parent_name)
            for column_ in table.columns if root else ():
                if root and root.column(column_.name):
                    always.setdefault((parent_name, column_.name), set()).add((table.name, column_.name))  # 3
                    always.setdefault((table.name, column_.name), set()).add((parent_name, column_.name))
    return always, keyed


def _spread(own: Mapping[Place, MaskRule], order: Iterable[Place], catalog: Catalog) -> dict[Place, MaskRule]:
    always, keyed = _edges(catalog)
    rules = dict(own)
    waiting = deque(order)
    while waiting:  # breadth first: the nearest rule wins, then the one written for the earlier table
        place = waiting.popleft()
        rule = rules[place]
        mask = MASKS.get(rule.mask)
        targets = set(always.get(place, ()))
        if mask is not None and mask.keyed:
            targets |= keyed.get(place, set())
        for target in sorted(targets):  # 4
            if target not in rules and target[0] in catalog.tables:
                rules[target] = rule
                waiting.append(target)
    return rules


def _fold_keys(rules: dict[Place, MaskRule], catalog: Catalog) -> None:
    """Step 5: hash folds on every column that foreign keys join to one that compares without case or accents."""
    always, keyed = _edges(catalog)
    seen: set[Place] = set()
    for start in [place for place, rule in rules.items() if rule.mask == "hash"]:
        group = [] if start in seen else [start]
        seen.add(start)
        for place in group:
            near = (always.get(place, set()) | keyed.get(place, set())) - seen
            seen |= near
            group += sorted(near)
        words = {word for place in group for word in _folding(catalog, place).split()} if len(group) > 1 else set()
        if not words:
            continue
        fold = ("accents" if "accents" in words else "case") + (" pad" if "pad" in words else "")
        for place in group:
            rule = rules.get(place)
            if rule is not None and rule.mask == "hash":
                rules[place] = replace(rule, options={**rule.options, "fold": fold})


def _folding(catalog: Catalog, place: Place) -> str:
    """How the column compares text, as the option ``fold`` of the mask hash; empty when exactly."""
    column = catalog.tables[place[0]].column(place[1]) if place[0] in catalog.tables else None
    if column is None:
        return ""
    collation = (column.collation or "").lower()
    if collation == "nocase" or column.type_name.rpartition(".")[2] == "citext":
        return "case"
    if not collation.endswith("_ci"):
        return ""
    accents = "accents" if _WITHOUT_ACCENTS.fullmatch(collation) else "case"
    return accents if "0900" in collation or "nopad" in collation else f"{accents} pad"


def _computed(table: Table, rules: Mapping[Place, MaskRule], clear: set[Place]) -> Iterable[Column]:
    hidden = [column.name for column in table.columns if (table.name, column.name) in rules]
    for column in table.columns:
        place = (table.name, column.name)
        if column.generated and place not in rules and place not in clear and may_compute_from(column, hidden):
            yield column


def may_compute_from(column: Column, names: Iterable[str]) -> bool:
    """Whether a generated column may show something of these columns; yes when its expression is not known."""
    expression = column.expression or column.default
    if not expression:
        return True
    words = {word.lower() for word in re.findall(r"\w+", expression)}
    return any(name.lower() in words or name in expression for name in names)


def _unseen(globs: MaskGlobs, provider: str, catalog: Catalog, sources: Iterable[Sources]) -> set[Place]:
    """Masked columns that views read though the database role cannot see them: views have their owners' rights."""
    places = {(table, column) for read in sources for table, columns in read.items() for column in columns}
    return {
        (table, column)
        for table, column in places
        if table not in catalog.tables
        if any(glob.covers(table_object(provider, table), escape(column)) for glob, _ in globs.masks)
    }


def _derived(hidden: Set[Place], clear: set[Place], catalog: Catalog) -> frozenset[Place]:
    """Step 7; views over views are followed until nothing new is found."""
    views = [table for table in catalog.tables.values() if table.reads]
    derived: set[Place] = set()
    while True:
        found = {
            (view.name, column.name)
            for view in views
            if any(place in hidden or place in derived for place in view.reads)
            for column in view.columns
        }
        found -= hidden | clear
        if found <= derived:
            return frozenset(derived)
        derived |= found
