## S21 a masked column itself, in every wrapping
SELECT email FROM users
SELECT * FROM users
SELECT u.* FROM users u
SELECT users.email, name, phone FROM users
SELECT MAX(email) FROM users
SELECT email AS e FROM users
SELECT UPPER(email) FROM users
SELECT COALESCE(email, 'none') FROM users
SELECT email, email FROM users
SELECT x.e FROM (SELECT email AS e FROM users) x
WITH a AS (SELECT email FROM users) SELECT * FROM a
SELECT (SELECT email FROM users WHERE id = 1)
WITH a (z) AS (SELECT email FROM users), b AS (SELECT z FROM a) SELECT z FROM b
SELECT email FROM users UNION SELECT city FROM users
SELECT email FROM users UNION ALL SELECT email FROM users
SELECT CASE WHEN id > 0 THEN email END FROM users
SELECT DISTINCT email FROM users
SELECT email FROM users GROUP BY email
SELECT MIN(name), MAX(phone) FROM users
SELECT REPLACE(email, 'C', 'X') FROM users
SELECT LENGTH(email), LENGTH(name) FROM users
SELECT a.email, b.email FROM users a JOIN users b ON a.id = b.id
SELECT email FROM users LIMIT 1
SELECT SUBSTR(email, 1, 3) FROM users
SELECT x.* FROM (SELECT * FROM (SELECT email, id FROM users ORDER BY email LIMIT 3) y) x
SELECT FIRST_VALUE(email) OVER (ORDER BY id) FROM users
SELECT LAG(email) OVER (ORDER BY email) FROM users
WITH RECURSIVE r AS (SELECT email FROM users UNION SELECT email FROM r) SELECT * FROM r
SELECT email FROM users EXCEPT SELECT city FROM users
SELECT NULLIF(email, 'x') FROM users
SELECT CAST(email AS CHAR(100)) FROM users
SELECT STRING_AGG(email, ',') FROM users
SELECT GROUP_CONCAT(email) FROM users
SELECT ARRAY_AGG(email) FROM users
SELECT JSON_AGG(email) FROM users
SELECT JSON_ARRAYAGG(email) FROM users
SELECT JSON_OBJECTAGG(id, email) FROM users
SELECT JSON_GROUP_ARRAY(email) FROM users
SELECT JSON_OBJECT('e', email) FROM users
SELECT ARRAY(SELECT email FROM users)
SELECT TO_JSONB(u) FROM users u
SELECT ROW_TO_JSON(u) FROM users u
SELECT u::text FROM users u
SELECT email(users) FROM users
SELECT DISTINCT ON (email) email, name FROM users
SELECT x.email FROM users u, LATERAL (SELECT v.email FROM users v WHERE v.id = u.id) x
## S06 shadows
WITH users AS (SELECT 1 AS x) SELECT * FROM public.users
WITH a AS (SELECT * FROM users), users AS (SELECT 1 AS x) SELECT * FROM a
WITH users AS (SELECT 1 AS x) SELECT * FROM users
WITH secret AS (SELECT 1 AS x) SELECT * FROM secret
SELECT * FROM (WITH users AS (SELECT 1 AS x) SELECT * FROM users) y, users
## S22 to S24, S26 questions about it
SELECT id FROM users WHERE email LIKE 'C%'
SELECT id FROM users WHERE email = 'CANARY-email-1@example.com'
SELECT id FROM users WHERE LENGTH(email) > 5
SELECT id FROM users WHERE email IS NOT NULL
SELECT id FROM users ORDER BY email
SELECT id FROM users WHERE (email, 1) IN (SELECT 'CANARY-email-1@example.com', 1)
SELECT a.id FROM users a JOIN users b ON a.email = b.email
SELECT u.id FROM users u JOIN (SELECT 'CANARY-email-1@example.com' AS email) x USING (email)
SELECT u.id FROM users u WHERE u.email IN (SELECT city FROM users)
SELECT email, COUNT(*) FROM users GROUP BY email
SELECT COUNT(DISTINCT email) FROM users
SELECT id, ROW_NUMBER() OVER (ORDER BY email) FROM users WHERE email > 'A'
SELECT id FROM users WHERE CASE WHEN email LIKE 'C%' THEN 1 ELSE 0 END = 1
SELECT id FROM users WHERE email BETWEEN 'A' AND 'Z'
SELECT id FROM users u WHERE EXISTS (SELECT 1 FROM users v WHERE v.email > u.email AND v.id = 1)
SELECT id FROM users GROUP BY id, email HAVING MAX(email) LIKE 'C%'
SELECT id FROM users WHERE email >= (SELECT MAX(email) FROM users)
SELECT COUNT(email) FROM users
SELECT id FROM users WHERE name = 'CANARY-name-1'
SELECT id FROM users WHERE phone LIKE 'C%'
## S25 errors as a channel
SELECT CAST(email AS DECIMAL(10, 2)) FROM users
SELECT 1 / (CASE WHEN email = 'CANARY-email-1@example.com' THEN 0 ELSE 1 END) FROM users
SELECT id FROM users WHERE 1 / (LENGTH(email) - 26) = 1
SELECT id FROM users WHERE email + 1 > 1
SELECT CAST(name AS DECIMAL(10, 2)) FROM users
SELECT JSON_EXTRACT(email, '$.x') FROM users
SELECT JSON_VALUE(email, '$.x') FROM users
SELECT JSON_EXTRACT('{}', CONCAT('$.', email)) FROM users
SELECT CAST(email AS jsonb) FROM users
SELECT CAST(email AS JSON) FROM users
SELECT JSONB_PATH_QUERY(CAST('{}' AS jsonb), CAST(email AS jsonpath)) FROM users
SELECT CAST(email AS date) FROM users
## S27 the row filter
SELECT * FROM notes
SELECT id FROM notes WHERE 1 / (id - 2) = 99
SELECT body FROM notes WHERE CAST(body AS DECIMAL(10, 2)) = 1
SELECT COUNT(*) FROM notes
SELECT n.body FROM notes n LEFT JOIN users u ON u.id = n.id WHERE n.tenant = 2 OR 1 = 1
SELECT tenant FROM notes GROUP BY tenant
SELECT MAX(body) FROM notes
## by position, by alias: the order of what is shown is not the order of what is hidden
SELECT email FROM users ORDER BY 1
SELECT email AS e, id FROM users ORDER BY e
SELECT email AS id, id AS email FROM users ORDER BY id
SELECT email AS e FROM users ORDER BY UPPER(email)
SELECT x.e, x.id FROM (SELECT email AS e, id FROM users) x ORDER BY x.e DESC, 1
SELECT email FROM users ORDER BY 1 LIMIT 1
WITH a AS (SELECT email AS e FROM users ORDER BY e LIMIT 2) SELECT e FROM a ORDER BY 1
