"""What is wrong with a subset is said when its template is saved."""

from __future__ import annotations

import pytest

from hfitd.errors import TemplateInvalid
from hfitd.export.template.parse import parse_template

TEXT = """hfitVersion: 1
templateName: t
exports:
  {key}: {{type: subset, dbms: p, roots: [{{table: a}}], virtual_keys: [{{from: "{source}", to: "{target}"}}]}}
"""


def test_a_subset_that_is_not_sql_is_refused() -> None:
    with pytest.raises(TemplateInvalid, match=r"has to end in \.sql"):
        parse_template(TEXT.format(key="a.csv", source="a.b", target="c.d"))


@pytest.mark.parametrize("target", ["other:public.c.d", "other/db:c.d", "other:c.d->>'a'", "c.d"])
def test_a_virtual_key_may_lead_to_another_provider(target: str) -> None:
    assert parse_template(TEXT.format(key="a.sql", source="a.b", target=target)).exports


def test_a_json_path_that_is_none_is_refused_behind_a_providers_name_too() -> None:
    with pytest.raises(TemplateInvalid, match=r"/virtual_keys/0/to: has a JSON path"):
        parse_template(TEXT.format(key="a.sql", source="a.b", target="other:c.d->>e"))


def test_a_json_path_that_is_none_is_refused() -> None:
    with pytest.raises(TemplateInvalid, match=r"/virtual_keys/0/from: has a JSON path"):
        parse_template(TEXT.format(key="a.sql", source="a.b->>c", target="c.d"))
