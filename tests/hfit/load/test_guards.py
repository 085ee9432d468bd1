"""Targets are read from URLs exactly, and another host is never loaded into by accident."""

from __future__ import annotations

import pytest

from hfit.errors import TargetRefused, UsageMistake
from hfit.load.target import parse_intos, parse_target
from tests.support.whole_packages import Content, Load, Packed


def content() -> Content:
    made = Content("postgresql", "shop")
    made.add_ddl("00.sql", b"CREATE TABLE public.t (a int);\n")
    made.add_rows("01.sql", b'COPY "public"."t" ("a") FROM stdin;\n1\n\\.\n', "public.t", 1)
    return made


def test_a_url_is_taken_apart_and_decoded() -> None:
    target = parse_target("postgresql://us%40er:p%2Fw%C3%A9@127.0.0.1:5433/my%20db?sslmode=require", {})
    assert (target.user, target.password, target.port, target.database) == ("us@er", "p/wé", 5433, "my db")
    assert target.tls == "require" and target.is_local
    assert "p/w" not in repr(target) and "p/w" not in str(target)
    assert parse_target("mariadb://root@localhost/x", {"MYSQL_PWD": "s3"}).password == "s3"
    assert parse_target("postgresql://u@localhost/x", {"PGPASSWORD": "s4"}).password == "s4"
    assert parse_target("postgresql:///x?host=/run/pg", {}).socket == "/run/pg"
    assert parse_target("sqlite:///a/b.db", {}).database == "a/b.db"
    assert parse_target("sqlite:////a/b%20c.db", {}).database == "/a/b c.db"
    assert parse_target("mysql://u@db.example.com/x", {}).tls == "verify-full"


@pytest.mark.parametrize(
    "url",
    ["", "x", "postgresql://h", "mysql://h/", "sqlite://a.db", "sqlite:///", "oracle://h/x", "postgresql://h:99999/x",
     "postgresql://h/x?passfile=y", "mysql://h/x?tls=maybe", "postgresql://h/x#y"],
)  # fmt: skip
def test_a_url_that_is_not_exact_is_a_mistake_that_does_not_repeat_it(url: str) -> None:
    with pytest.raises(UsageMistake) as caught:
        parse_target(url, {})
    assert not url or url not in caught.value.message + caught.value.reason


@pytest.mark.parametrize("host", ["db.example.com", "10.0.0.5", "127.0.0.1.example.com", "localhost.example.com"])
def test_another_host_is_refused(host: str, packed: Packed, load: Load) -> None:
    with pytest.raises(TargetRefused, match="not this machine"):
        load(packed(content()), f"postgresql://u@{host}/x")


def test_each_provider_needs_one_target(packed: Packed, load: Load) -> None:
    path = packed(content())
    with pytest.raises(UsageMistake, match="no SQL of the provider 'other'"):
        load(path, "other=postgresql://u@localhost/x")
    with pytest.raises(UsageMistake, match="twice"):
        parse_intos(["sqlite:///a", "sqlite:///b"], {})
    assert parse_intos(["shop=sqlite:///a=b.db"], {})["shop"].database == "a=b.db"


def test_a_package_without_sql_is_not_loadable(packed: Packed, load: Load) -> None:
    made = Content("postgresql", "shop", {"rows.csv": b"a\r\n1\r\n"})
    with pytest.raises(UsageMistake, match="no SQL"):
        load(packed(made), "postgresql://u@localhost/x")
