"""What a scan of a provider found: one finding a column, and the fragment of configuration that its owner reviews.

1. A column that has a class already is only listed; nothing is proposed against its owner's word.
2. Proposals that are ``high`` or ``medium`` stand ready to be pasted; ``low`` ones are remarks, for somebody should
   look first. Nothing is ever applied.
3. The fragment holds names of columns, masks and counts. No sampled value is in it.
4. Whoever may make a table chooses its name: what cannot be printed on one line is spelt out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hfitd.access.globs import table_object
from hfitd.access.masking import Classes
from hfitd.access.policy import Policy
from hfitd.access.survey import LOW, Verdict, fitting_mask, judge_column
from hfitd.engines.interface import Engine
from hfitd.export.survey.samples import ROWS, Samples, read_samples
from hfitd.model import Column, Json, Table

MASKED, CLEARED, PROPOSED, LOOK, HARMLESS = "masked", "cleared", "proposed", "look", "harmless"


@dataclass(frozen=True, slots=True)
class Finding:
    """One column. ``status`` says what there is to do with it."""

    object: str
    type_name: str
    status: str
    mask: str = ""
    options: Mapping[str, Json] = field(default_factory=dict)
    kind: str = ""
    confidence: str = ""
    reason: str = ""

    def document(self) -> dict[str, Json]:
        """As ``--json`` prints it; what is empty is left out."""
        document: dict[str, Json] = {
            "column": self.object, "type": self.type_name, "status": self.status, "mask": self.mask,
            "options": dict(self.options), "class": self.kind, "confidence": self.confidence, "reason": self.reason,
        }  # fmt: skip
        return {name: value for name, value in document.items() if value not in ("", {})}


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that was found, by table and column."""

    provider: str
    findings: tuple[Finding, ...]
    unread: tuple[str, ...]  # tables that gave no sample

    def document(self, *, only_new: bool) -> dict[str, Json]:
        """For the admin socket: the findings and the fragment."""
        kept = [item for item in self.findings if not only_new or item.status not in {MASKED, CLEARED}]
        return {
            "provider": self.provider,
            "columns": [item.document() for item in kept],
            "unread": list(self.unread),
            "fragment": write_fragment(self.provider, kept, self.unread),
        }


async def survey_provider(policy: Policy, engine: Engine, database: str) -> Survey:
    """Sample a database and judge every column. Raises what opening the database raises."""
    samples = await read_samples(engine, database)
    classes = policy.classes(engine.name, samples.catalog)
    findings = [
        _find(engine.name, table, column, samples, classes)
        for _, table in sorted(samples.catalog.tables.items())
        if table.kind not in {"partition", "sequence"}
        for column in table.columns
    ]
    unread = tuple(table_object(engine.name, name) for name in samples.failed)
    return Survey(engine.name, tuple(findings), unread)


def _find(provider: str, table: Table, column: Column, samples: Samples, classes: Classes) -> Finding:
    place, object_ = (table.name, column.name), table_object(provider, table.name, column.name)
    rule = classes.rules.get(place)
    if rule is not None:  # 1
        return Finding(object_, column.type_name, MASKED, rule.mask, rule.options)
    if place in classes.clear:
        return Finding(object_, column.type_name, CLEARED)
    if place in classes.derived:
        verdict = Verdict("derived", LOW, "the view computes from columns that have a mask")
    else:
        values = samples.values.get(table.name, {}).get(column.name, ())
        verdict = judge_column(table.name.name, column, values)
    if not verdict.kind:
        return Finding(object_, column.type_name, HARMLESS)
    unique = any(column.name in key.columns for key in table.keys)
    mask = fitting_mask(verdict, column, unique=unique)
    status = LOOK if verdict.confidence == LOW else PROPOSED
    return Finding(
        object_, column.type_name, status, mask.mask, mask.options, verdict.kind, verdict.confidence, verdict.reason
    )


def write_fragment(provider: str, findings: Sequence[Finding], unread: Sequence[str]) -> str:
    """TOML to be reviewed and pasted into the configuration."""
    tables = {item.object.rpartition(".")[0] for item in findings}
    lines = [
        f"# hfitd policy scan {provider}: {len(findings)} columns of {len(tables)} tables, up to {ROWS} rows of each.",
        "# Review every entry before you paste it into the configuration. Nothing of this is in force.",
    ]
    lines += [f"# not sampled, judged by names alone: {_in_remark(name)}" for name in unread]
    writable = [item for item in findings if item.object.isprintable()]
    lines += [f"# cannot be written as a glob: {_in_remark(item.object)}" for item in findings if item not in writable]
    for item in writable:
        if item.status == PROPOSED:
            lines += ["", f"# {_words(item)}", *_entry(item)]
    lines += _listed(writable, LOOK, "Somebody should look at these:")
    lines += _listed(writable, MASKED, "Classified already:")
    lines += _listed(writable, CLEARED, "Cleared already:")
    harmless = [item.object for item in writable if item.status == HARMLESS]
    if harmless:
        lines += ["", "# Nothing personal was seen in these. With unclassified_all = true they need this entry:"]
        lines += ["# [[policy.clear]]", "# columns = [", *(f"#   {_toml(name)}," for name in harmless), "# ]"]
    return "\n".join(lines) + "\n"


def _in_remark(name: str) -> str:
    """A name whose line breaks do not end the remark (4)."""
    return name if name.isprintable() else ascii(name)


def _listed(findings: Iterable[Finding], status: str, title: str) -> list[str]:
    found = [f"#   {item.object}: {_words(item)}".rstrip(": ") for item in findings if item.status == status]
    return ["", f"# {title}", *found] if found else []


def _words(item: Finding) -> str:
    return f"{item.kind}, {item.confidence}: {item.reason}" if item.kind else item.mask


def _entry(item: Finding) -> list[str]:
    options = [f"{_key(name)} = {_toml(value)}" for name, value in item.options.items()]
    return ["[[policy.mask]]", f"columns = {_toml(item.object)}", f"mask = {_toml(item.mask)}", *options]


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").isalnum() else _toml(name)


def _toml(value: Json) -> str:
    """A value as TOML 1.0 spells it; its basic strings have the escapes of JSON."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_toml(name)} = {_toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
