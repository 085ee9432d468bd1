"""What only PostgreSQL has: roles, triggers, counters, keys that are not valid, tables that others refer to."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from hfit.errors import LoadFailed, TargetRefused
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.whole_packages import Content, Load, Packed, Verify, provider_of, read_content

TABLES = """
CREATE TABLE public.parent (id serial PRIMARY KEY, kind text CHECK (kind <> 'bad'));
CREATE TABLE public.child (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent integer NOT NULL REFERENCES public.parent ON DELETE CASCADE, old integer);
ALTER TABLE public.child ADD CONSTRAINT old_key FOREIGN KEY (old) REFERENCES public.parent NOT VALID;
COMMENT ON CONSTRAINT old_key ON public.child IS 'it''s \\"old"';
CREATE TABLE public.log (what text);
"""
TRIGGER = """
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO public.log VALUES (TG_OP); RETURN NEW; END';
CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON public.child FOR EACH ROW EXECUTE FUNCTION public.note();
ALTER TABLE public.child ENABLE ALWAYS TRIGGER t;
"""


def content() -> Content:
    made = Content("postgresql", "shop")
    rows = b"1\t2\t77\n5\t2\t\\N\n"  # 77 refers to nothing, by a key that is not valid
    made.add_rows("01.sql", b'COPY "public"."child" ("id", "parent", "old") FROM stdin;\n' + rows + b"\\.\n",
                  "public.child", 2)  # fmt: skip
    made.add_rows("02.sql", b'COPY "public"."parent" ("id", "kind") FROM stdin;\n2\tx\n\\.\n', "public.parent", 1)
    return made


def as_role(server: Server, database: str, name: str) -> str:
    """A role with no rights but its own tables in its own schema; the URL."""
    run_sql(server, f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN PASSWORD 'pw';"
                    f" GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {database} TO {name};")  # fmt: skip
    run_sql(server, f"GRANT CREATE, USAGE ON SCHEMA public TO {name}", database)
    return urlsplit(server.url(database))._replace(netloc=f"{name}:pw@{server.host}:{server.port}").geturl()


def test_triggers_do_not_fire_counters_go_on_and_keys_stay_as_they_were(
    postgres_server: Server, postgres_database: str, packed: Packed, load: Load
) -> None:
    def run(sql: str) -> str:
        return run_sql(postgres_server, sql, postgres_database)

    run(TABLES + TRIGGER)
    shown = "conname, convalidated, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint')"
    keys = f"SELECT {shown} FROM pg_constraint ORDER BY 1"
    before = run(keys)
    load(packed(content()), postgres_server.url(postgres_database))
    assert run("SELECT count(*) FROM log").strip() == "0"
    assert run("SELECT tgenabled FROM pg_trigger WHERE tgname = 't'").strip() == "A"
    assert run(keys) == before
    assert run("INSERT INTO parent (kind) VALUES ('n') RETURNING id").split() == ["3"]
    assert run("INSERT INTO child (parent) VALUES (2) RETURNING id").split() == ["6"]
    assert run("SELECT count(*) FROM log").strip() == "1"


def test_a_failed_load_moves_no_counter(
    postgres_server: Server, postgres_database: str, packed: Packed, load: Load
) -> None:
    run_sql(postgres_server, TABLES, postgres_database)
    made = content()
    made.files["02.sql"] = made.files["02.sql"].replace(b"2\tx", b"2\tbad")
    with pytest.raises(LoadFailed, match=r"02\.sql, line 1") as caught:
        load(packed(made), postgres_server.url(postgres_database))
    assert "line 1" in caught.value.reason  # which row
    state = "SELECT last_value, is_called FROM child_id_seq; SELECT count(*) FROM child"
    assert run_sql(postgres_server, state, postgres_database).split() == ["1|f", "0"]


async def test_an_ordinary_role_loads_a_whole_package(
    sakila_postgres: str, postgres_server: Server, postgres_database: str, packed: Packed, load: Load, verify: Verify
) -> None:
    path = packed(await read_content(provider_of(postgres_server, sakila_postgres)))
    url = as_role(postgres_server, postgres_database, "hfit_ordinary")
    try:
        (report,) = load(path, url)
        assert verify(path, url) == dict(report.rows)
        load(path, url, mode="replace")
        load(path, url, mode="upsert")
        assert verify(path, url) == dict(report.rows)
    finally:
        run_sql(postgres_server, "DROP OWNED BY hfit_ordinary CASCADE", postgres_database)


def test_a_trigger_that_cannot_be_switched_off_refuses(
    postgres_server: Server, postgres_database: str, packed: Packed, load: Load
) -> None:
    run_sql(postgres_server, TABLES + TRIGGER, postgres_database)
    url = as_role(postgres_server, postgres_database, "hfit_stranger")
    run_sql(postgres_server, "GRANT ALL ON ALL TABLES IN SCHEMA public TO hfit_stranger", postgres_database)
    with pytest.raises(TargetRefused, match="trigger t of public"):
        load(packed(content()), url)
    run_sql(postgres_server, "DROP OWNED BY hfit_stranger CASCADE", postgres_database)


def test_replace_never_touches_other_tables(
    postgres_server: Server, postgres_database: str, packed: Packed, load: Load
) -> None:
    def run(sql: str) -> str:
        return run_sql(postgres_server, sql, postgres_database)

    run(TABLES + "INSERT INTO parent VALUES (2, 'x'), (9, 'y'); INSERT INTO child (parent) VALUES (2), (2);")
    made = Content("postgresql", "shop")
    made.add_rows("02.sql", b'COPY "public"."parent" ("id", "kind") FROM stdin;\n2\tz\n\\.\n', "public.parent", 1)
    load(packed(made), postgres_server.url(postgres_database), mode="replace")
    assert run("SELECT count(*) FROM child; SELECT kind FROM parent").split() == ["2", "z"]
    run("INSERT INTO parent VALUES (9, 'y'); INSERT INTO child (parent) VALUES (9)")
    with pytest.raises(TargetRefused, match=r"would refer to nothing: public\.child by child_parent"):
        load(packed(made), postgres_server.url(postgres_database), mode="replace")
    assert run("SELECT count(*) FROM child; SELECT count(*) FROM parent").split() == ["3", "2"]


def test_dangling_rows_that_were_allowed_leave_a_key_that_still_checks_new_rows(
    postgres_server: Server, postgres_database: str, packed: Packed, load: Load
) -> None:
    run_sql(postgres_server, TABLES, postgres_database)
    made = content()
    made.files["02.sql"] = made.files["02.sql"].replace(b"2\tx", b"3\tx")
    path = packed(made)
    with pytest.raises(LoadFailed, match=r"refer to nothing: public\.child by child_parent_fkey"):
        load(path, postgres_server.url(postgres_database))
    (report,) = load(path, postgres_server.url(postgres_database), allow_dangling=True)
    assert "NOT VALID" in report.notes[0]
    with pytest.raises(AssertionError, match="violates foreign key"):
        run_sql(postgres_server, "INSERT INTO child (parent) VALUES (44)", postgres_database)


def test_foreign_keys_that_come_last_may_close_a_circle(
    postgres_server: Server, postgres_database: str, packed: Packed, load: Load
) -> None:
    made = Content("postgresql", "shop")
    made.add_ddl("00.sql", b"CREATE TABLE public.a (id int PRIMARY KEY, b int);"
                 b"CREATE TABLE public.b (id int PRIMARY KEY, a int REFERENCES public.a);\n")  # fmt: skip
    made.add_rows("01.sql", b'COPY "public"."a" ("id", "b") FROM stdin;\n1\t1\n\\.\n', "public.a", 1)
    made.add_rows("02.sql", b'COPY "public"."b" ("id", "a") FROM stdin;\n1\t1\n\\.\n', "public.b", 1)
    made.add_ddl("09.sql", b"ALTER TABLE public.a ADD FOREIGN KEY (b) REFERENCES public.b;\n")
    made.details["09.sql"]["kind"] = "constraints"
    path, url = packed(made), postgres_server.url(postgres_database)
    for mode in (None, "replace", "upsert"):
        load(path, url, mode=mode)
    keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated"
    assert run_sql(postgres_server, keys, postgres_database).strip() == "2"
