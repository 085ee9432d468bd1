"""A plan for a person: what it is, then each export with a line per table, then what is left out or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hfit.output.printer import Printer

_SHOWN_NEEDS = 5
_COLUMNS = ("table", "rows", "bytes", "path", "masks")


def show_plan(printer: Printer, plan: Mapping[str, object]) -> None:
    """Print it: data on standard output, warnings on standard error."""
    template = plan.get("template")
    fields = {
        "template": template.get("name") if isinstance(template, dict) else template,
        "package": plan.get("package_name"),
        "plan digest": plan.get("plan_digest"),
        "policy": plan.get("policy_version"),
        "approval": _approval_words(plan.get("approval")),
    }
    variables = plan.get("variables")
    if isinstance(variables, dict):
        fields |= {f"${{{name}}}": value for name, value in variables.items()}
    printer.fields(fields)
    exports = plan.get("exports")
    for export in exports if isinstance(exports, list) else []:
        if isinstance(export, dict):
            _show_export(printer, export)


def _show_export(printer: Printer, export: Mapping[str, object]) -> None:
    key, source = export.get("key"), _source(export)
    printer.line("")
    printer.heading(f"{key}: {export.get('type')}" + (f" from {source}" if source else ""))
    tables = export.get("tables")
    rows = [_row(table, source) for table in tables if isinstance(table, dict)] if isinstance(tables, list) else []
    if rows:
        printer.table(_COLUMNS, rows)
    for gap in _items(export.get("left_out")):
        printer.warn(f"{key} leaves out {_gap(gap)}")
    for line in _required_words(_items(export.get("requires"))):
        printer.note(f"{key} {line}")
    for refusal in _items(export.get("refusals")):
        printer.warn(f"{key}: {refusal if isinstance(refusal, str) else _words(refusal)}")


def _source(place: Mapping[str, object]) -> str:
    return "/".join(str(place[name]) for name in ("provider", "database", "volume") if place.get(name))


def _row(table: Mapping[str, object], source: str) -> list[object]:
    path, masks = table.get("path"), table.get("masks")
    steps = path if isinstance(path, list) else []
    shown = ", ".join(f"{column}: {mask}" for column, mask in masks.items()) if isinstance(masks, dict) else ""
    place = _source(table)
    name = f"{place}: {table.get('table')}" if place and place != source else table.get("table")
    return [name, table.get("estimated_rows"), table.get("estimated_bytes"), " > ".join(map(str, steps)), shown]


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _approval_words(approval: object) -> str:
    """Who approved it until when, or why it cannot run yet; '-' where nobody asks for approval."""
    if not isinstance(approval, dict):
        return "-"
    if approval.get("approver"):
        return f"by {approval['approver']} until {approval.get('expires')}"
    return f"required: {approval.get('why')}; {approval.get('problem')}" if approval.get("required") else "-"


def _gap(gap: object) -> str:
    if not isinstance(gap, dict):
        return str(gap)
    return f"{gap.get('what')} {gap.get('name')} of {gap.get('table')}: {gap.get('reason')}"


def _required_words(needs: Sequence[object]) -> list[str]:
    """Which servers can take it, one line for those that need the same; first what is certain."""
    groups: dict[tuple[bool, str], list[str]] = {}
    for need in needs:
        releases = need.get("releases") if isinstance(need, dict) else None
        if isinstance(need, dict) and isinstance(releases, dict):
            servers = " or ".join(f"{product} {release}" for product, release in sorted(releases.items()))
            named = f"{need.get('what')} " + ".".join(str(need[key]) for key in ("table", "name") if need.get(key))
            groups.setdefault((need.get("if_held") is True, servers), []).append(named)
    lines = []
    for (if_held, servers), names in sorted(groups.items()):
        more = f" and {len(names) - _SHOWN_NEEDS} more" if len(names) > _SHOWN_NEEDS else ""
        shown = ", ".join(names[:_SHOWN_NEEDS]) + more
        when = "needs, should rows hold it," if if_held else "needs"
        lines.append(f"{when} {servers} or later: {shown}")
    return lines


def _words(refusal: object) -> str:
    return str(refusal.get("message") or refusal) if isinstance(refusal, dict) else str(refusal)
