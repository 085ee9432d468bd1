"""What a reviewer reads: what a template would do, without rows, and whether another run does no more than that.

An approval cannot name one actor's plan alone, as a template runs with the rights of whoever runs it. So a run is
covered when it does the same or less than what was read:

1. the policy is the same;
2. every part reads the same source, and no table that was not read then;
3. each table still has the shape it had;
4. no column is shown that was not, and each under the very same mask, files alike;
5. the rows are those of the same row filter, or the reviewer read all of them;
6. no part hides another: a prepare step has a name that no export can have, whose keys hold no colon.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from hfitd.export.items.interface import TablePlan
from hfitd.export.items.tables import plan_table
from hfitd.export.package.manifest import canonical_json
from hfitd.export.plan import Plan, table_shape
from hfitd.export.sources import SourceKey
from hfitd.export.template.model import VolumeFile, VolumeFiles, VolumeStep
from hfitd.model import Catalog, Json

Reading = Mapping[str, Json]


def read_plan(plan: Plan, catalogs: Mapping[SourceKey, Catalog], lifted: Callable[[str], bool]) -> Reading:
    """The plan as a document that can be kept, compared and shown.

    ``lifted`` says of a volume whether some of its files may be given without their masks.
    """
    parts: dict[str, Json] = {}
    for planned in plan.prepare:
        label = f"prepare:{planned.step.variable}"  # 6
        if planned.query is not None:
            tables = tuple(plan_table(relation) for relation in planned.query.query.relations.values())
            parts[label] = _part(planned.query.source, tables, catalogs)
        elif isinstance(planned.step, VolumeStep):
            parts[label] = {"source": planned.step.volume, "tables": {}, "raw": False}  # a name, no content
    for step in plan.steps:
        data = step.export.data
        if step.source is not None:
            parts[step.export.key] = _part(step.source, step.tables, catalogs)
        elif isinstance(data, VolumeFile | VolumeFiles):
            parts[step.export.key] = {"source": data.volume, "tables": {}, "raw": lifted(data.volume)}
    return {"policy": plan.policy_version, "parts": parts}


def beyond(read: Reading, found: Reading) -> str:
    """What a run would do that was not read, in words; '' when it is covered."""
    if read.get("policy") != found.get("policy"):
        return "the policy has changed since"  # 1
    parts = cast(Mapping[str, Any], read["parts"])
    for label, part in cast(Mapping[str, Any], found["parts"]).items():
        known = parts.get(label)
        if known is None or known["source"] != part["source"]:
            return f"{label} reads another source than then"  # 2
        if part.get("raw") and not known.get("raw"):
            return f"{label} would show files without their masks"  # 4
        for name, table in part["tables"].items():
            problem = _beyond_table(known["tables"].get(name), table)
            if problem:
                return f"{label}: the table {name} {problem}"
    return ""


def lines_of(read: Reading) -> list[str]:
    """The document as lines, one per column."""
    lines = [f"policy {read['policy']}"]
    for label, part in sorted(cast(Mapping[str, Any], read["parts"]).items()):
        if not part["tables"]:
            lines.append(f"{label}  {part['source']}{'  files as they are' if part.get('raw') else ''}")
        for name, table in sorted(part["tables"].items()):
            rows = f" (row filter {table['rows'][:12]})" if table["rows"] else ""
            lines.append(f"{label}  {part['source']}  {name}  shape {table['shape'][:12]}{rows}")
            columns = sorted(table["columns"].items())
            lines += [f"{label}  {part['source']}  {name}.{column}  {mask or 'as it is'}" for column, mask in columns]
    return lines


def changed_lines(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """The lines that went (``-``) and came (``+``)."""
    found = difflib.unified_diff(old, new, lineterm="", n=0)
    return [line for line in found if line[:1] in "+-" and line[:3] not in ("---", "+++")]


def _part(source: SourceKey, tables: Sequence[TablePlan], catalogs: Mapping[SourceKey, Catalog]) -> Json:
    return {"source": _spelt(source), "tables": dict(_tables(source, tables, catalogs))}


def _tables(
    source: SourceKey, tables: Sequence[TablePlan], catalogs: Mapping[SourceKey, Catalog]
) -> Iterator[tuple[str, Json]]:
    for table in tables:
        place = table.source or source  # a subset may lead into other databases
        shape = hashlib.sha256(canonical_json(table_shape(table.table, catalogs[place]))).hexdigest()
        columns: Json = {column: table.masks.get(column, "") for column in table.columns}
        name = table.table if place == source else f"{_spelt(place)}/{table.table}"
        yield name, {"shape": shape, "columns": columns, "rows": table.row_filter}


def _spelt(source: SourceKey) -> str:
    return f"{source.provider}/{source.database}"


def _beyond_table(known: Mapping[str, Any] | None, table: Mapping[str, Any]) -> str:
    if known is None:
        return "was not part of what was read"  # 2
    if known["shape"] != table["shape"]:
        return "has changed since"  # 3
    for column, mask in table["columns"].items():
        if column not in known["columns"]:
            return f"would show the column {column}, which was not read"  # 4
        if known["columns"][column] != mask:
            return f"would show the column {column} under another mask, or none"  # 4
    if known["rows"] and known["rows"] != table["rows"]:
        return "would be read beyond the rows that the reviewed roles see"  # 5
    return ""
