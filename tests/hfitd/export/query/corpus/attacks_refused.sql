## S01 stacking, S04 to S16: statements that are no SELECT
SELECT id FROM users; DROP TABLE users
SELECT 1; COMMIT; INSERT INTO users VALUES (99)
;
SELECT
INSERT INTO users (id) VALUES (99)
UPDATE users SET city = 'x'
DELETE FROM users
TRUNCATE users
DROP TABLE users
MERGE INTO users USING orders ON 1 = 1 WHEN MATCHED THEN DELETE
TABLE users
VALUES (1)
EXPLAIN ANALYZE DELETE FROM users
SHOW GRANTS
SHOW TABLES
CALL p()
DO $$ BEGIN END $$
LISTEN x
EXECUTE IMMEDIATE 'select 1'
PREPARE p AS SELECT 1
HANDLER users OPEN
COPY users TO PROGRAM 'id'
COPY (SELECT 1) TO STDOUT
LOAD DATA LOCAL INFILE 'x' INTO TABLE users
SET ROLE none
RESET ALL
SET STATEMENT max_statement_time = 0 FOR SELECT 1
SET TRANSACTION READ WRITE
BEGIN
PRAGMA query_only = off
ATTACH 'x' AS y
DESCRIBE users
USE mysql
KILL 1
GRANT ALL ON users TO x
ANALYZE users
## S02, S03 comments that run, comments in comments
SELECT id FROM users WHERE id = 1 /*!50000 UNION SELECT token FROM secret */
SELECT id FROM users /*!UNION SELECT token FROM secret*/
SELECT id FROM users /*M!100000 WHERE 1 */
SELECT /*+ MAX_EXECUTION_TIME(0) */ id FROM users
SELECT id FROM users /* /* */ */
SELECT id FROM users /*
SELECT id FROM users /*m!100000 UNION SELECT token FROM secret */
SELECT id FROM users WHERE id = 1 /*! OR 1 = 1 */
SELECT /*!40001 SQL_NO_CACHE */ id FROM users
SELECT id /*!50000 , token */ FROM users
SELECT id FROM users /*!50000*/ /*! UNION */ SELECT token FROM secret
SELECT id FROM users WHERE id = 1 /* /* */ OR 1 = 1 */
## S08 to S13 functions
SELECT pg_read_file('/etc/passwd')
SELECT "pg_read_file"('x')
SELECT pg_catalog.pg_read_file('x')
SELECT * FROM pg_ls_dir('/')
SELECT * FROM ROWS FROM (pg_ls_dir('/'))
SELECT lo_export(1, '/tmp/x')
SELECT lo_creat(1)
SELECT lo_get(1)
SELECT * FROM dblink('x', 'select 1')
SELECT pg_terminate_backend(1)
SELECT query_to_xml('select token from secret', true, true, '')
SELECT table_to_xml('secret', true, true, '')
SELECT database_to_xml(true, true, '')
SELECT cursor_to_xml('c', 1, true, true, '')
SELECT * FROM ts_stat('select token from secret')
SELECT ts_rewrite('a', 'select 1')
SELECT * FROM crosstab('select 1')
SELECT set_config('role', 'none', true)
SELECT current_setting('x')
SELECT pg_sleep(60)
SELECT SLEEP(60)
SELECT BENCHMARK(1000000000, MD5(1))
SELECT GET_LOCK('x', 60)
SELECT pg_advisory_lock(1)
SELECT LOAD_FILE('/etc/passwd')
SELECT load_extension('x')
SELECT pg_notify('a', 'b')
SELECT nextval('s')
SELECT setval('s', 1)
SELECT DATABASE()
SELECT USER()
SELECT VERSION()
SELECT version()
SELECT CURRENT_USER
SELECT SESSION_USER
SELECT current_role
SELECT current_schema
SELECT CURRENT_CATALOG
SELECT RAND()
SELECT random()
SELECT repeat('x', 1000000000)
SELECT REPEAT('x', 1000000000)
SELECT SPACE(100000000)
SELECT lpad('x', 1000000000)
SELECT lpad('x', id * 1000000) FROM users
SELECT randomblob(1000000000)
SELECT zeroblob(1000000000)
SELECT * FROM generate_series(1, 1000000000000)
SELECT generate_series(1, 1000000000000)
SELECT unnest(ARRAY[1])
SELECT extractvalue(1, concat(0x7e, (SELECT token FROM secret LIMIT 1)))
SELECT updatexml(1, 'a', 1)
SELECT * FROM json_each('[1]')
SELECT * FROM pragma_table_info('secret')
SELECT row_to_json(u) FROM users u
SELECT xmlelement(name a, email) FROM users
SELECT has_table_privilege('secret', 'select')
SELECT last_insert_id()
SELECT "lower"('A')
SELECT public.lower('A')
SELECT main.lower('a')
SELECT lower(VARIADIC ARRAY['a'])
SELECT lower(x => 'a')
## S12, S14, S15, S16
SELECT id INTO OUTFILE '/tmp/hfit-x' FROM users
SELECT id INTO @a FROM users
SELECT @a := id FROM users
SELECT @@version
SELECT @a
SELECT id INTO t2 FROM users
SELECT id FROM users INTO OUTFILE '/tmp/x'
WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d
WITH d AS (INSERT INTO orders (id) VALUES (99) RETURNING *) SELECT * FROM d
WITH d AS (UPDATE orders SET id = 1 RETURNING *) SELECT * FROM d
SELECT id FROM users FOR UPDATE
SELECT id FROM users FOR SHARE
SELECT id FROM users FOR NO KEY UPDATE SKIP LOCKED
SELECT id FROM users LOCK IN SHARE MODE
SELECT id FROM users PROCEDURE ANALYSE()
SELECT * FROM (VALUES (1)) v(a)
SELECT * FROM (DELETE FROM users RETURNING *) d
SELECT SQL_CALC_FOUND_ROWS id FROM users
SELECT id FROM users USE INDEX (x)
SELECT id FROM users PARTITION (p0)
SELECT id FROM users AS OF TIMESTAMP '2024-01-01'
## S17 strings
SELECT U&'\0027'
SELECT E'\''
SELECT $$a'b$$
SELECT $x$a$x$
SELECT B'1'
SELECT _utf8'x'
SELECT N'x'
SELECT x'41'
SELECT 'a' 'b'
SELECT 'a
SELECT "a
SELECT 1 \g x
## joins and sources that no scope can check
SELECT * FROM users NATURAL JOIN (SELECT 'CANARY-email-1@example.com' AS email) x
SELECT * FROM ONLY users
SELECT * FROM users TABLESAMPLE BERNOULLI (50)
SELECT * FROM a.b.users
SELECT * FROM users u(a, b)
SELECT * FROM (SELECT id FROM users)
SELECT * FROM users u, orders u
SELECT * FROM (users JOIN orders ON true)
SELECT *
SELECT id FROM users LIMIT ALL
SELECT ?
SELECT :x
SELECT %s
SELECT id FROM users ORDER BY 9
SELECT id FROM users LIMIT (SELECT 1)
SELECT count(u.*) FROM users u
SELECT users.* IS NULL FROM users
SELECT ROW(users.*) FROM users
SELECT id, id FROM users ORDER BY
SELECT (users).email FROM users
SELECT (SELECT u).email FROM users u
SELECT (u.*)::text FROM users u
SELECT CAST('secret' AS regclass)
SELECT 'users'::regclass::oid
SELECT id::mood FROM users
SELECT CAST(id AS pg_catalog.xml) FROM users
SELECT id FROM users WHERE hfit_value_1 = 1
## T09 variables are values only
SELECT * FROM ${t}
SELECT id FROM users ORDER BY ${c}
SELECT '${x}'
SELECT "${x}" FROM users
SELECT id AS ${x} FROM users
SELECT ${f}(1)
SELECT id FROM users WHERE city = '%${x}%'
SELECT users.${x} FROM users
SELECT ${a.b}
SELECT $(id)
SELECT $
SELECT ${}
SELECT id FROM users GROUP BY 1 ${x}
SELECT CAST(id AS ${t}) FROM users
SELECT id${x} FROM users
SELECT /* ${x} */ 1 WHERE ${
SELECT INTERVAL ${x}
## S05 where engines differ in what they know of it
SELECT x.token FROM users u, LATERAL (SELECT token FROM secret s WHERE s.user_id = u.id) x
SELECT * FROM (VALUES ((SELECT token FROM secret LIMIT 1))) v (a)
VALUES ((SELECT token FROM secret LIMIT 1))
## S09, S10, S16, S18
SELECT XPATH_TABLE('id', 'body', 'users', '/a', 'true')
SELECT SET_CONFIG('statement_timeout', '0', FALSE)
NOTIFY x
SET NAMES gbk
