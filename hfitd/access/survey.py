"""What class a column seems to have, and which mask would fit: proposals for its owner, nothing that decides.

1. Two opinions are heard: the name and type (``classification``), and a sample of values (``personal_values``).
2. The verdict says how sure it is: ``high`` when both agree or nearly every value has the form, ``medium`` when one
   speaks alone, ``low`` for hints that somebody should look at.
3. Numbers with check digits are believed when four of five values pass; those that random numbers pass too often
   need the name as well.
4. A mask is proposed only if it fits the column: type, length, NOT NULL, keys. ``drop`` is the last resort.
5. A reason counts values and never repeats one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hfitd.access.checksums import NATIONAL
from hfitd.access.classification import FREE_WRITING, PERSON_NAME, is_person_table, name_words, personal_class
from hfitd.access.given_names import GIVEN_NAMES
from hfitd.access.personal_values import (
    ADDRESS,
    BANK,
    BIRTH,
    CARD,
    EMAIL,
    NATIONAL_NUMBER,
    NETWORK,
    PHONE,
    SECRET,
    classes_within,
    national_numbers,
    value_class,
)
from hfitd.errors import MaskDoesNotFit
from hfitd.masks.table import bind_mask
from hfitd.model import Column, Json, Kind, MaskRule

HIGH, MEDIUM, LOW = "high", "medium", "low"
FEW = 5  # values below which a sample says little
_LONG_TEXT = 60  # characters on average: writing, not words

# class -> masks to try, in this order; then null, const and drop
_PREFERRED: Mapping[str, tuple[tuple[str, Mapping[str, Json]], ...]] = {
    EMAIL: (("email", {}), ("email", {"short": True}), ("hash", {"length": 16})),
    PHONE: (("phone", {}), ("integer", {})),
    PERSON_NAME: (("person_name", {}), ("hash", {"length": 16}), ("redact", {"first": 1})),
    ADDRESS: (("street", {}), ("digits", {}), ("redact", {"first": 1})),
    CARD: (("card", {}), ("digits", {}), ("integer", {})),
    BANK: (("iban", {}), ("digits", {}), ("hash", {"length": 16})),
    NATIONAL_NUMBER: (("digits", {}), ("integer", {}), ("hash", {"length": 16})),
    NETWORK: (("ip", {}), ("hash", {"length": 16})),
    "income": (("bucket", {"size": 1000}),),
}  # fmt: skip
_EMPTY: Mapping[Kind, Json] = {
    Kind.TEXT: "", Kind.BYTES: "", Kind.INTEGER: 0, Kind.NUMBER: 0, Kind.DATE: "1970-01-01",
    Kind.TIMESTAMP: "1970-01-01 00:00:00", Kind.TIME: "00:00:00", Kind.JSON: "{}",
}  # fmt: skip
_POST_CODES = frozenset({"zip", "zipcode", "postal", "postcode", "postalcode", "plz", "postleitzahl", "postnummer"})
_CHECKED_BY_FORM = frozenset({EMAIL, CARD, BANK})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a column seems to hold; ``kind`` is empty when nothing speaks for a person."""

    kind: str = ""
    confidence: str = ""
    reason: str = ""
    paths: tuple[tuple[str, str], ...] = ()  # of a JSON column: where what was found


def judge_column(table: str, column: Column, values: Sequence[str]) -> Verdict:
    """The verdict on a column of a table of this bare name. ``values`` are samples as text, NULLs left out."""
    named = personal_class(table, column)
    seen = _judge_values(column, values, named)
    if named is None:
        return seen if seen.kind else _judge_rest(table, column, values)
    name_says = f"the name says {named}"
    if seen.kind == named:
        return Verdict(named, HIGH, f"{name_says}; {seen.reason}", seen.paths)
    if seen.kind and seen.confidence == HIGH:
        return Verdict(seen.kind, HIGH, f"{seen.reason}, though {name_says}", seen.paths)
    if named in _CHECKED_BY_FORM and len(values) >= FEW and not seen.kind:
        return Verdict(named, LOW, f"{name_says}, but none of {len(values)} sampled values has that form")
    return Verdict(named, MEDIUM, name_says + (f"; {seen.reason}" if seen.reason else ""), seen.paths)


def fitting_mask(verdict: Verdict, column: Column, *, unique: bool) -> MaskRule:
    """The first mask of the verdict's class that the column can hold (4)."""
    if column.kind is Kind.JSON and verdict.paths:
        paths: dict[str, Json] = {path: _name_of_mask(kind) for path, kind in verdict.paths}
        candidates = [MaskRule("json", {"paths": paths})]
    else:
        candidates = [MaskRule(mask, options) for mask, options in _PREFERRED.get(verdict.kind, ())]
        if verdict.kind == ADDRESS and _POST_CODES & set(name_words(column.name)):
            candidates.insert(0, MaskRule("digits"))
    candidates.append(MaskRule("null"))
    if column.kind in _EMPTY:
        candidates.append(MaskRule("const", {"value": _EMPTY[column.kind]}))
    if column.kind in {Kind.TEXT, Kind.BYTES}:
        candidates.append(MaskRule("hash", {"length": 16}))
    for rule in candidates:
        try:
            bind_mask(rule, column, b"only to see whether it fits", unique=unique)
        except MaskDoesNotFit:
            continue
        return rule
    return MaskRule("drop")


def _name_of_mask(kind: str) -> str:
    return _PREFERRED.get(kind, (("null", {}),))[0][0]


def _judge_values(column: Column, values: Sequence[str], named: str | None) -> Verdict:
    if not values or column.kind in {Kind.BYTES, Kind.BOOLEAN, Kind.DATE, Kind.TIMESTAMP, Kind.TIME, Kind.UUID}:
        return Verdict()
    if column.kind is Kind.JSON:
        return _judge_documents(values)
    whole = Counter(kind for value in values if (kind := value_class(value)))
    numeric = column.kind in {Kind.INTEGER, Kind.NUMBER}
    if whole and not (numeric and whole.most_common(1)[0][0] not in {CARD, named}):
        kind, count = whole.most_common(1)[0]
        share = count / len(values)
        reason = f"{count} of {len(values)} sampled values are of this form: {kind}"
        if share >= 0.8 and len(values) >= FEW:
            return Verdict(kind, HIGH, reason)
        if share >= 0.2:
            return Verdict(kind, MEDIUM, reason)
    return _judge_national(values, named) or _judge_texts(values)


def _judge_national(values: Sequence[str], named: str | None) -> Verdict | None:
    distinct = set(values)
    if len(distinct) < FEW:
        return None
    passed = Counter(name for value in distinct for name in national_numbers(value))
    for name, count in passed.most_common():
        if count >= 0.8 * len(distinct) and (named == NATIONAL_NUMBER or not NATIONAL[name][1]):  # 3
            return Verdict(NATIONAL_NUMBER, HIGH, f"{count} of {len(distinct)} sampled values pass as {name}")
    return None


def _judge_texts(values: Sequence[str]) -> Verdict:
    first_words = [value.split()[0].strip(",.").casefold() for value in values if value.strip()]
    named = sum(word in GIVEN_NAMES for word in first_words)
    short = sum(map(len, values)) / len(values) < _LONG_TEXT
    if short and len(set(values)) >= FEW and named >= 0.4 * len(values):
        return Verdict(PERSON_NAME, MEDIUM, f"{named} of {len(values)} sampled values begin with a given name")
    inside = Counter(kind for value in values for kind in set(classes_within(value)))
    if inside:
        kind, count = inside.most_common(1)[0]
        return Verdict(FREE_WRITING, MEDIUM, f"{count} of {len(values)} sampled texts hold something like: {kind}")
    return Verdict()


def _judge_rest(table: str, column: Column, values: Sequence[str]) -> Verdict:
    """Hints, where neither the name nor the form of the values says anything."""
    if column.kind is Kind.TEXT and column.max_length is None and values:
        mean = sum(map(len, values)) / len(values)
        if mean >= _LONG_TEXT and sum(value.count(" ") for value in values) >= 6 * len(values):
            return Verdict(FREE_WRITING, LOW, f"long writing, {mean:.0f} characters on average")
    if column.kind is Kind.DATE and is_person_table(table) and len(values) >= FEW:
        years = sorted(int(value[:4]) for value in values if value[:4].isdigit())
        if years and 1920 <= years[len(years) // 2] <= 2005:
            return Verdict(BIRTH, LOW, "dates of past decades in a table of persons")
    if column.kind is Kind.TEXT and len(values) >= FEW and all(_is_token(value) for value in values):
        return Verdict(SECRET, LOW, "every sampled value is a long random-looking word: a digest, or a secret")
    return Verdict()


def _is_token(value: str) -> bool:
    return 32 <= len(value) <= 512 and value.isascii() and value.isalnum() and len(set(value)) >= 10


def _judge_documents(values: Sequence[str]) -> Verdict:
    found: dict[str, Counter[str]] = {}
    for value in values:
        try:
            document = json.loads(value)
        except (ValueError, RecursionError):
            continue
        for path, leaf in _leaves(document, "$"):
            key = path.rpartition(".")[2].removesuffix("[*]")
            kind = personal_class("", Column(key, "text", Kind.TEXT)) or value_class(leaf)
            if kind:
                found.setdefault(path, Counter())[kind] += 1
    if not found:
        return Verdict()
    paths = tuple((path, kinds.most_common(1)[0][0]) for path, kinds in sorted(found.items()))
    kinds = ", ".join(sorted({kind for _, kind in paths}))
    return Verdict(paths[0][1], MEDIUM, f"{len(paths)} paths of the sampled documents look like: {kinds}", paths)


def _leaves(document: Json, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    if depth > 12:
        return
    if isinstance(document, str):
        yield path, document
    elif isinstance(document, Mapping):
        for key, item in document.items():
            if key.isidentifier():
                yield from _leaves(item, f"{path}.{key}", depth + 1)
    elif isinstance(document, Sequence):
        for item in document[:20]:
            yield from _leaves(item, f"{path}[*]", depth + 1)
