SELECT `u`.`id`, `city` FROM `users` `u` WHERE `u`.`id` <=> 3
SELECT ID, City FROM users WHERE CITY = 'Rome'
SELECT id FROM orders WHERE status = "paid"
SELECT id FROM orders WHERE status RLIKE '^p' OR status REGEXP 'w$' OR status NOT REGEXP 'a'
SELECT doc->>'$.a', doc->'$.b' FROM orders WHERE 1 = 2
SELECT JSON_EXTRACT(doc, '$.a'), JSON_UNQUOTE(JSON_EXTRACT(doc, '$.b.c')), JSON_VALUE(doc, '$.a'), JSON_LENGTH(doc, '$.l') FROM orders
SELECT DATE_FORMAT(placed, '%Y-%m'), COUNT(*) FROM orders GROUP BY 1 ORDER BY 1
SELECT DATE_FORMAT(placed, '%Y-%m') AS month, COUNT(*) FROM orders GROUP BY month ORDER BY month
SELECT YEAR(placed), MONTH(placed), DAYNAME(placed), WEEK(placed), QUARTER(placed), LAST_DAY(placed) FROM orders
SELECT id FROM orders WHERE placed >= '2024-06-01' - INTERVAL 2 MONTH AND placed < DATE_ADD('2024-06-01', INTERVAL 90 DAY)
SELECT DATEDIFF(placed, '2024-01-01'), TIMESTAMPDIFF(DAY, '2024-01-01', placed), DATE_SUB(placed, INTERVAL '1' WEEK) FROM orders
SELECT GROUP_CONCAT(status ORDER BY id SEPARATOR '|'), GROUP_CONCAT(DISTINCT user_id) FROM orders
SELECT CONCAT(status, '-', id), CONCAT_WS('/', status, id), LEFT(status, 2), LPAD(status, 10, '*'), SUBSTRING_INDEX(status, 'a', 1) FROM orders
SELECT IF(total > 10, 'a', 'b'), IFNULL(city, 'x'), ISNULL(city) FROM orders JOIN users USING (id)
SELECT status, SUM(total) FROM orders GROUP BY status WITH ROLLUP
SELECT id DIV 3, id MOD 3, id XOR 0, NOT id, id && 1, id || 0, id ^ 1, ! id FROM orders
SELECT id FROM orders ORDER BY id LIMIT 3, 4
SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id HAVING n > 2 ORDER BY n DESC, user_id
SELECT CAST(id AS SIGNED), CAST(total AS UNSIGNED), CAST(placed AS DATETIME), CAST(status AS BINARY) FROM orders
SELECT TRUNCATE(total, 0), FORMAT(total, 2), GREATEST(id, 3), FIELD(status, 'new', 'paid') FROM orders
SELECT status COLLATE utf8mb4_bin FROM orders ORDER BY status COLLATE utf8mb4_bin, id
SELECT EXTRACT(YEAR FROM placed), DATE(placed), NOW() > placed, CURDATE() = CURRENT_DATE FROM orders
SELECT o.id FROM users u STRAIGHT_JOIN orders o ON o.user_id = u.id
SELECT * FROM users u RIGHT JOIN items i ON i.id = u.id
SELECT POSITION('a' IN status), LOCATE('a', status), TRIM(LEADING 'p' FROM status), SUBSTRING(status FROM 2 FOR 2) FROM orders
SELECT JSON_ARRAYAGG(id), JSON_OBJECTAGG(id, status) FROM orders
SELECT 'a\'b', 'c\\d', "it's" FROM users WHERE id = 1 # the end
SELECT id + 1 AS status FROM orders ORDER BY status DESC LIMIT 3
SELECT STR_TO_DATE('2024-01-02', '%Y-%m-%d'), UNIX_TIMESTAMP('2024-01-02') FROM users WHERE id = 1
