"""Members and manifests of any content, signed: the plan of a load is made, or refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hfit.errors import HfitClientError
from hfit.load.mysql_values import read_values
from hfit.load.plan import check_dangling, loadable_members, read_plan
from hfit.load.statements import insert_head
from hfit.load.target import parse_target
from hfit.package.manifest import Manifest, Member
from tests.support.whole_packages import Content, Load, Packed

ENGINES = st.sampled_from(["postgresql", "mysql", "sqlite"])
TOKENS = st.sampled_from(
    [b"INSERT INTO ", b"VALUES\n", b"(1,'x')", b'"t"', b"`t`", b"t", b".", b",", b"(", b")", b";", b";\n", b"'", b'"',
     b"`", b"$$", b"$a$", b"--", b"/*", b"*/", b"\n", b"\\", b"\\.\n", b"COPY t FROM stdin;\n", b"CREATE TABLE ",
     b"IF NOT EXISTS ", b"[", b"]", b"E'\\", b"#", b"\xff", b"\0", b"BEGIN", b"SET x", b"/*!40101 SET @a=1 */", b" ",
     b"1\t2\n"]
)  # fmt: skip
SQL = st.lists(st.one_of(TOKENS, st.binary(max_size=5)), max_size=20).map(b"".join)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=5), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
)


def manifest_of(engine: object, details: dict[str, object], sources: object) -> Manifest:
    member = Member("1.sql", 1, "0" * 64, "shop", 1, {"engine": engine, **details})
    return Manifest("x", "0", "https://x", "", None, {"1.sql": member}, {"sources": sources}, None)  # type: ignore[arg-type]


@given(ENGINES, SQL)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@example("sqlite", b'INSERT INTO "t\xff" VALUES\n(1);')
@example("postgresql", b'COPY "t\xff" FROM stdin;\n1\n\\.\n')
@example("mysql", b"INSERT INTO `\xff` VALUES\n(1);")
@example("mysql", b"CREATE TABLE `\xff` (a int);")
def test_any_bytes_are_planned_or_refused(tmp_path: Path, engine: str, data: bytes) -> None:
    (tmp_path / "1.sql").write_bytes(data)
    counted = [{"table": "public.t", "rows": 1, "masks": {}}]
    (loadable,) = loadable_members(manifest_of(engine, {"tables": counted, "kind": "data"}, []))
    try:
        read_plan(loadable, tmp_path, {})
    except HfitClientError:
        return


@given(VALUES, VALUES, VALUES, VALUES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@example("sqlite", [{"table": "main.t", "rows": 1, "masks": {}}], [{"x": 1}], None)
@example([], [], [], [])
@example("sqlite", [{"table": "main.t", "rows": True, "masks": {}}], [[]], None)
def test_any_manifest_is_planned_or_refused(
    tmp_path: Path, engine: object, tables: object, dangling: object, sources: object
) -> None:
    (tmp_path / "1.sql").write_bytes(b'INSERT INTO "t" ("a") VALUES\n(1);\n')
    manifest = manifest_of(engine, {"tables": tables, "dangling": dangling, "kind": "data"}, sources)
    try:
        loadables = loadable_members(manifest)
        check_dangling(loadables, allowed=False)
        read_plan(loadables[0], tmp_path, {})
    except HfitClientError:
        return


@given(st.binary(max_size=60))
def test_any_values_of_mysql_are_read_in_bounded_time(data: bytes) -> None:
    text = b"INSERT INTO `t` VALUES\n(" + data
    assert sum(1 for _ in read_values(text, insert_head(text, "mysql")[2])) <= len(data) + 1


@given(st.text(max_size=60))
@example("postgresql://[::1")
@example("postgresql://u@h:99999999999/x")
@example("mysql://%ff@h/%ff")
@example("sqlite:///\0")
@example("postgresql://h/x?sslmode")
def test_any_text_is_a_url_or_a_mistake(text: str) -> None:
    for url in (text, f"postgresql://{text}", f"sqlite:///{text}", f"mysql://u@h/x?{text}"):
        try:
            parse_target(url, {})
        except HfitClientError:
            continue


@pytest.mark.parametrize("data", [b'INSERT INTO "t" VALUES\n(\'\xff\');\n', b'INSERT INTO "t" VALUES\n(\'\0\');\n'])
def test_text_that_is_no_utf_8_is_refused_in_words(
    packed: Packed, load: Load, tmp_path: Path, data: bytes
) -> None:
    made = Content("sqlite", "main")
    made.add_ddl("00.sql", b'CREATE TABLE "t" (a text);\n')
    made.add_rows("01.sql", data, "main.t", 1)
    with pytest.raises(HfitClientError, match=r"01\.sql"):
        load(packed(made), f"sqlite:///{tmp_path}/t.db")
    assert not (tmp_path / "t.db").exists()
