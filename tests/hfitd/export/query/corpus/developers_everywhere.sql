SELECT * FROM users
SELECT id, city FROM users WHERE city = 'Berlin' ORDER BY id
SELECT u.* FROM users u WHERE u.id IN (1, 2, 3) ORDER BY u.id DESC
SELECT u.id, o.id FROM users u JOIN orders o ON o.user_id = u.id ORDER BY o.id
SELECT u.city, COUNT(*) AS n FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.city ORDER BY n DESC, 1
SELECT city, COUNT(*) FROM users GROUP BY city HAVING COUNT(*) > 1
SELECT status, SUM(total) AS s, AVG(total), MIN(placed), MAX(placed) FROM orders GROUP BY status ORDER BY s
SELECT COUNT(DISTINCT user_id) FROM orders WHERE total BETWEEN 5 AND 30
SELECT DISTINCT city FROM users WHERE city IS NOT NULL ORDER BY city
SELECT id FROM users WHERE city IS NULL
SELECT id FROM orders WHERE status NOT IN ('new', 'sent') AND NOT (total > 20 OR total < 3)
SELECT id FROM users WHERE EXISTS (SELECT 1 FROM orders o WHERE o.user_id = users.id AND o.total > 30)
SELECT id FROM users u WHERE NOT EXISTS (SELECT * FROM orders o WHERE o.user_id = u.id)
SELECT id, (SELECT COUNT(*) FROM orders o WHERE o.user_id = u.id) AS orders FROM users u ORDER BY id
SELECT id FROM orders WHERE user_id = (SELECT MAX(user_id) FROM orders)
WITH big AS (SELECT * FROM orders WHERE total > 20) SELECT user_id, COUNT(*) FROM big GROUP BY user_id
WITH a AS (SELECT id, city FROM users), b AS (SELECT city, COUNT(*) AS n FROM a GROUP BY city) SELECT * FROM b
WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 6) SELECT n FROM r
WITH users AS (SELECT id FROM users WHERE id < 4) SELECT * FROM users ORDER BY id
SELECT x.city, x.n FROM (SELECT city, COUNT(*) AS n FROM users GROUP BY city) x WHERE x.n > 1
SELECT id FROM users WHERE id < 3 UNION SELECT id FROM orders WHERE id > 18 ORDER BY id
SELECT city FROM users UNION ALL SELECT status FROM orders
SELECT id FROM users INTERSECT SELECT user_id FROM orders
SELECT id FROM users EXCEPT SELECT user_id FROM orders
SELECT id, CASE WHEN total > 30 THEN 'big' WHEN total > 10 THEN 'middle' ELSE 'small' END AS size FROM orders
SELECT CASE status WHEN 'new' THEN 1 WHEN 'paid' THEN 2 END FROM orders ORDER BY id
SELECT id, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY placed, id) AS n FROM orders
SELECT id, SUM(total) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM orders
SELECT id, LAG(total, 1) OVER (ORDER BY id), LEAD(total) OVER (ORDER BY id), RANK() OVER (ORDER BY status) FROM orders
SELECT id, AVG(total) OVER w FROM orders WINDOW w AS (PARTITION BY user_id ORDER BY id ROWS 1 PRECEDING)
SELECT * FROM (SELECT o.*, RANK() OVER (PARTITION BY user_id ORDER BY total DESC) AS r FROM orders o) t WHERE r = 1
SELECT COALESCE(city, 'none'), NULLIF(status, 'new'), ABS(-total), ROUND(total, 1) FROM users JOIN orders ON users.id = orders.id
SELECT UPPER(status), LOWER(status), LENGTH(status), REPLACE(status, 'a', 'b'), TRIM(status) FROM orders
SELECT SUBSTR(status, 1, 2), SUBSTRING(status, 2) FROM orders
SELECT id FROM orders WHERE status LIKE 'p%' AND status NOT LIKE '%z'
SELECT id FROM orders WHERE status LIKE '!%%' ESCAPE '!'
SELECT id, total * 2 + 1, total - 1, total / 2, id % 3, -id FROM orders
SELECT id FROM orders WHERE (id + 1) * 2 > 10 AND ((status = 'new') OR (status = 'paid'))
SELECT id, CAST(id AS CHAR(10)), CAST(total AS DECIMAL(10, 1)) FROM orders
SELECT id FROM orders ORDER BY total DESC, id LIMIT 3
SELECT id FROM orders ORDER BY id LIMIT 5 OFFSET 4
SELECT a.id, b.id FROM users a CROSS JOIN users b WHERE a.id < b.id
SELECT a.id, b.id FROM users a, users b, orders WHERE a.id = b.id AND orders.id = a.id
SELECT * FROM orders JOIN items USING (id)
SELECT o.id, sku, amount FROM orders o LEFT JOIN items i ON i.order_id = o.id AND i.amount > 1 ORDER BY o.id, i.id
SELECT u.city, o.status, SUM(i.amount) FROM users u JOIN orders o ON o.user_id = u.id JOIN items i ON i.order_id = o.id GROUP BY u.city, o.status
SELECT id AS "Order Id", status AS state FROM orders ORDER BY state, id
SELECT status AS total, id FROM orders ORDER BY total, id
SELECT CURRENT_DATE = CURRENT_DATE, 1 = 1 FROM users WHERE id = 1
(SELECT id FROM users)
SELECT MAX(n) FROM (SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id) AS counted
SELECT user_id, SUM(CASE WHEN status = 'paid' THEN total ELSE 0 END) AS paid FROM orders GROUP BY user_id ORDER BY user_id
SELECT o1.id FROM orders o1 WHERE o1.total = (SELECT MAX(o2.total) FROM orders o2 WHERE o2.user_id = o1.user_id)
SELECT id FROM orders WHERE (user_id, status) IN (SELECT user_id, 'paid' FROM orders)
