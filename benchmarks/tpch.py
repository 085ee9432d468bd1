"""Eight tables of the shape and the proportions of TPC-H (specification 3.0, sections 1.2 and 4.2), made by the server.

Keys, references (two columns wide from ``lineitem`` to ``partsupp``) and row counts are those of the specification; the
values are our own and the same for the same seed. ``scale`` 0.1 has 15,000 customers and 600,000 lines.
"""

from __future__ import annotations

SCHEMA = "tpch"
TEMPLATE = """hfitVersion: 1
templateName: subset
packageName: subset
exports:
  subset.sql:
    type: subset
    data:
      dbms: shop_pg
      roots: [{table: tpch.customer, where: "c_custkey <= 1000"}]
      children: all
"""
BY_HAND = """
SET search_path TO tpch;
CREATE TEMP TABLE c AS SELECT * FROM customer WHERE c_custkey <= 1000;
CREATE TEMP TABLE o AS SELECT * FROM orders WHERE o_custkey IN (SELECT c_custkey FROM c);
CREATE TEMP TABLE l AS SELECT * FROM lineitem WHERE l_orderkey IN (SELECT o_orderkey FROM o);
CREATE TEMP TABLE ps AS SELECT * FROM partsupp
  WHERE (ps_partkey, ps_suppkey) IN (SELECT l_partkey, l_suppkey FROM l);
CREATE TEMP TABLE s AS SELECT * FROM supplier WHERE s_suppkey IN (SELECT ps_suppkey FROM ps);
CREATE TEMP TABLE n AS SELECT * FROM nation
  WHERE n_nationkey IN (SELECT c_nationkey FROM c UNION SELECT s_nationkey FROM s);
COPY (SELECT * FROM region WHERE r_regionkey IN (SELECT n_regionkey FROM n)) TO STDOUT;
COPY n TO STDOUT; COPY s TO STDOUT;
COPY (SELECT * FROM part WHERE p_partkey IN (SELECT ps_partkey FROM ps)) TO STDOUT;
COPY ps TO STDOUT; COPY c TO STDOUT; COPY o TO STDOUT; COPY l TO STDOUT;
"""
_DATA = """
CREATE SCHEMA tpch;
SET search_path TO tpch;
CREATE TABLE region (r_regionkey integer PRIMARY KEY, r_name char(25) NOT NULL, r_comment varchar(152));
CREATE TABLE nation (n_nationkey integer PRIMARY KEY, n_name char(25) NOT NULL,
  n_regionkey integer NOT NULL REFERENCES region, n_comment varchar(152));
CREATE TABLE part (p_partkey integer PRIMARY KEY, p_name varchar(55) NOT NULL, p_mfgr char(25), p_brand char(10),
  p_type varchar(25), p_size integer, p_container char(10), p_retailprice numeric(15,2), p_comment varchar(23));
CREATE TABLE supplier (s_suppkey integer PRIMARY KEY, s_name char(25), s_address varchar(40),
  s_nationkey integer NOT NULL REFERENCES nation, s_phone char(15), s_acctbal numeric(15,2), s_comment varchar(101));
CREATE TABLE partsupp (ps_partkey integer REFERENCES part, ps_suppkey integer REFERENCES supplier,
  ps_availqty integer, ps_supplycost numeric(15,2), ps_comment varchar(199), PRIMARY KEY (ps_partkey, ps_suppkey));
CREATE TABLE customer (c_custkey integer PRIMARY KEY, c_name varchar(25), c_address varchar(40),
  c_nationkey integer NOT NULL REFERENCES nation, c_phone char(15), c_acctbal numeric(15,2), c_mktsegment char(10),
  c_comment varchar(117));
CREATE TABLE orders (o_orderkey integer PRIMARY KEY, o_custkey integer NOT NULL REFERENCES customer,
  o_orderstatus char(1), o_totalprice numeric(15,2), o_orderdate date, o_orderpriority char(15), o_clerk char(15),
  o_shippriority integer, o_comment varchar(79));
CREATE TABLE lineitem (l_orderkey integer REFERENCES orders, l_partkey integer, l_suppkey integer,
  l_linenumber integer, l_quantity numeric(15,2), l_extendedprice numeric(15,2), l_discount numeric(15,2),
  l_tax numeric(15,2), l_returnflag char(1), l_linestatus char(1), l_shipdate date, l_commitdate date,
  l_receiptdate date, l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44),
  PRIMARY KEY (l_orderkey, l_linenumber), FOREIGN KEY (l_partkey, l_suppkey) REFERENCES partsupp);
INSERT INTO region SELECT i, 'region ' || i, md5((i + {seed})::text) FROM generate_series(0, 4) i;
INSERT INTO nation SELECT i, 'nation ' || i, i % 5, md5((i + {seed})::text) FROM generate_series(0, 24) i;
INSERT INTO part SELECT i, 'part ' || md5((i + {seed})::text), 'maker ' || i % 5, 'brand ' || i % 25,
  'type ' || i % 150, 1 + i % 50, 'box ' || i % 40, 900 + i % 1000 / 10.0, left(md5(i::text), 15)
  FROM generate_series(1, {parts}) i;
INSERT INTO supplier SELECT i, 'Supplier#' || i, left(md5((i + {seed})::text), 25), i % 25, '25-' || i, i / 7.0,
  md5(i::text) || md5((i + 1)::text) FROM generate_series(1, {suppliers}) i;
INSERT INTO partsupp SELECT p, 1 + (p + n * ({suppliers} / 4)) % {suppliers}, p % 9999, p % 1000 / 3.0,
  repeat(md5((p * 4 + n + {seed})::text), 4) FROM generate_series(1, {parts}) p, generate_series(0, 3) n;
INSERT INTO customer SELECT i, 'Customer#' || i, left(md5((i + {seed})::text), 25), i % 25, '31-' || i, i / 9.0,
  'segment ' || i % 5, repeat(md5(i::text), 2) FROM generate_series(1, {customers}) i;
INSERT INTO orders SELECT i, 1 + (i * 7919::bigint) % {customers}, 'O', i / 3.0, date '1992-01-01' + i % 2400,
  'priority ' || i % 5, 'Clerk#' || i % 1000, 0, md5((i + {seed})::text) || left(md5(i::text), 16)
  FROM generate_series(1, {customers} * 10) i;
INSERT INTO lineitem SELECT o, p, 1 + (p + o % 4 * ({suppliers} / 4)) % {suppliers}, n, 1 + o % 50, o / 11.0,
  n % 10 / 100.0, n % 8 / 100.0, 'N', 'O', date '1992-01-02' + o % 2500, date '1992-02-01' + o % 2500,
  date '1992-02-09' + o % 2500, 'deliver in person', 'mail', left(md5((o * 8 + n + {seed})::text), 27)
  FROM (SELECT o, n, (1 + (o * 8 + n) * 104729::bigint % {parts})::int AS p
    FROM generate_series(1, {customers} * 10) o, generate_series(1, 7) n WHERE n <= 1 + o % 7) AS drawn;
CREATE INDEX ON orders (o_custkey);
CREATE INDEX ON lineitem (l_partkey, l_suppkey);
CREATE INDEX ON nation (n_regionkey);
CREATE INDEX ON supplier (s_nationkey);
CREATE INDEX ON customer (c_nationkey);
CREATE INDEX ON partsupp (ps_suppkey);
"""


def statements(scale: float, seed: int) -> str:
    """SQL that makes the tables in the schema ``tpch`` of an empty database; at least 2,000 customers."""
    customers = max(2_000, round(150_000 * scale))
    return _DATA.format(
        customers=customers, parts=customers * 4 // 3, suppliers=max(100, customers // 60 * 4), seed=seed
    )
