SELECT 1 UNION SELECT token FROM secret
SELECT token FROM secret
SELECT id FROM users WHERE id IN (SELECT user_id FROM secret)
SELECT id FROM users WHERE EXISTS (SELECT 1 FROM secret)
WITH s AS (SELECT * FROM secret) SELECT * FROM s
SELECT u.id FROM users u JOIN secret s ON s.user_id = u.id
SELECT id FROM users ORDER BY (SELECT MAX(token) FROM secret)
SELECT city FROM users GROUP BY city HAVING MAX(id) = (SELECT MAX(id) FROM secret)
SELECT CASE WHEN (SELECT 1 FROM secret LIMIT 1) = 1 THEN 1 END
SELECT SUM(id) OVER (ORDER BY (SELECT 1 FROM secret LIMIT 1)) FROM users
SELECT (SELECT token FROM secret LIMIT 1)
SELECT token FROM users
SELECT u.token FROM users u
SELECT id FROM users WHERE token LIKE 'C%'
SELECT id FROM users ORDER BY token
SELECT token FROM (SELECT * FROM users) x
SELECT x.token FROM (SELECT u.* FROM users u) x
WITH x AS (SELECT * FROM users) SELECT token FROM x
SELECT * FROM information_schema.tables
SELECT * FROM pg_catalog.pg_authid
SELECT * FROM pg_stats
SELECT * FROM pg_stat_activity
SELECT * FROM performance_schema.threads
SELECT * FROM sys.processlist
SELECT * FROM mysql.user
SELECT * FROM sqlite_master
SELECT u FROM users u
SELECT users FROM users
SELECT to_json(u) FROM users u
SELECT u.ctid FROM users u
SELECT xmin FROM users
SELECT rowid FROM users
SELECT tableoid FROM users
SELECT u.row_to_json FROM users u
SELECT nothing FROM users
SELECT x.id FROM users
SELECT x.* FROM users
SELECT * FROM nothing
SELECT * FROM other.users
SELECT * FROM users JOIN orders USING (token)
SELECT id FROM users WHERE orders.id = 1
SELECT (SELECT o.id) FROM users
SELECT * FROM (SELECT users.id) x, users
WITH a AS (SELECT * FROM b), b AS (SELECT id FROM users) SELECT * FROM a
SELECT hfit_1 FROM users
SELECT users.hfit_1, email FROM users
SELECT id FROM users HAVING hfit_2 = 'x'
SELECT array_agg(u) FROM users u
SELECT coalesce(u, u) FROM users u
SELECT count(u) FROM users u
SELECT id FROM users u WHERE u IS NOT NULL
SELECT id FROM users u ORDER BY u
SELECT 1 FROM users u GROUP BY u
