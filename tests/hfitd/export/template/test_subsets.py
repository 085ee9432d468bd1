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


def test_a_virtual_key_to_another_provider_is_refused_in_words() -> None:
    with pytest.raises(TemplateInvalid, match=r"/virtual_keys/0/to: names another provider"):
        parse_template(TEXT.format(key="a.sql", source="a.b", target="other:public.c.d"))


def test_a_json_path_that_is_none_is_refused() -> None:
    with pytest.raises(TemplateInvalid, match=r"/virtual_keys/0/from: has a JSON path"):
        parse_template(TEXT.format(key="a.sql", source="a.b->>c", target="c.d"))
