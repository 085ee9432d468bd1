SELECT ID, `City`, "id" FROM users WHERE CITY = 'Rome'
SELECT doc ->> '$.a', doc -> 'b', json_extract(doc, '$.b.c'), json_array_length(doc, '$.l') FROM orders
SELECT strftime('%Y-%m', placed), count(*) FROM orders GROUP BY 1 ORDER BY 1
SELECT date(placed, '+1 day'), julianday(placed), datetime(placed) FROM orders
SELECT group_concat(status, '|') FROM orders
SELECT ifnull(city, 'x'), iif(id > 3, 'a', 'b'), typeof(id), instr(city, 'o') FROM users
SELECT id FROM users WHERE city IS 'Rome' OR city IS NOT 'Oslo'
SELECT id FROM orders WHERE status GLOB 'p*' OR status NOT GLOB '*a*'
SELECT status || '-' || id FROM orders WHERE id == 3
SELECT user_id, count(*) AS n FROM orders GROUP BY user_id HAVING n > 2 ORDER BY n DESC, user_id
SELECT id FROM users ORDER BY city NULLS LAST, id
SELECT count(*) FILTER (WHERE total > 10) FROM orders
SELECT status COLLATE NOCASE FROM orders ORDER BY status COLLATE NOCASE, id
SELECT id FROM users UNION SELECT id FROM orders EXCEPT SELECT 3 UNION SELECT 99 ORDER BY 1
