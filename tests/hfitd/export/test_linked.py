"""Which masked columns may be compared by what they hide."""

from __future__ import annotations

import pytest

from hfitd.export.linked import may_link
from hfitd.model import Column, Json, Kind, MaskedColumn, MaskRule, Relation, Table, TableName


def _relation(mask: str, **options: Json) -> Relation:
    column = Column("c", "text", Kind.TEXT)
    rule = MaskRule(mask, options) if mask else None
    return Relation("p", Table(TableName("s", "t"), "table", (column,)), (MaskedColumn(column, rule),))


@pytest.mark.parametrize(
    ("here", "there", "allowed"),
    [
        (_relation("hash"), _relation("hash"), True), (_relation(""), _relation(""), True),
        (_relation("hash", fold="case"), _relation("hash"), True), (_relation("hash"), _relation(""), False),
        (_relation("hash", length=16), _relation("hash"), False), (_relation("email"), _relation("hash"), False),
        (_relation("noise", percent=10), _relation("noise", amount=3), False),
        (_relation("date_shift"), _relation("date_shift"), False), (_relation("null"), _relation("null"), False),
        (_relation("bucket", step=10), _relation("bucket", step=10), False),
    ],
)  # fmt: skip
def test_s23_columns_are_compared_only_where_their_pseudonyms_say_the_same(here, there, allowed):
    assert may_link(here, ("c",), there, ("c",)) is allowed
