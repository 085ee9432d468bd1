SELECT id, total::text, (total::numeric(10,1))::int FROM public.orders
SELECT users.id, public.orders.id FROM public.users JOIN public.orders ON orders.user_id = users.id
SELECT DISTINCT ON (user_id) user_id, id FROM orders ORDER BY user_id, total DESC
SELECT doc::json ->> 'a', doc::jsonb -> 'b' ->> 'c', doc::jsonb #>> '{b,c}', doc::jsonb -> 'l' -> 1 FROM orders
SELECT id FROM orders WHERE doc::jsonb @> '{"a": 3}' OR '{"a": 4}' <@ doc::jsonb
SELECT date_trunc('month', placed), count(*) FROM orders GROUP BY 1 ORDER BY 1
SELECT extract(year FROM placed), date_part('month', placed), to_char(placed, 'YYYY-MM'), age(placed, date '2024-01-01') FROM orders
SELECT id FROM orders WHERE placed > DATE '2024-06-01' - INTERVAL '2 months' AND placed < '2024-12-31'::date + 30
SELECT placed + interval '1 day 2 hours', placed + '3 days'::interval FROM orders
SELECT string_agg(status, ',' ORDER BY id), array_agg(id ORDER BY id DESC), json_agg(id), bool_or(total > 3) FROM orders
SELECT count(*) FILTER (WHERE total > 10), percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders
SELECT status || '-' || id, concat_ws('/', status, id), left(status, 2), lpad(status, 10, '*'), split_part(status, 'a', 1) FROM orders
SELECT id FROM orders WHERE status ~ '^p' OR status ~* '^N' OR status !~ 'a' OR status ILIKE 'S%'
SELECT status, user_id, sum(total) FROM orders GROUP BY ROLLUP (status, user_id)
SELECT status, user_id, grouping(status) FROM orders GROUP BY GROUPING SETS ((status), (user_id), ())
SELECT u.id, l.id FROM users u CROSS JOIN LATERAL (SELECT o.id FROM orders o WHERE o.user_id = u.id ORDER BY id LIMIT 1) l
SELECT u.id, l.total FROM users u LEFT JOIN LATERAL (SELECT max(total) AS total FROM orders WHERE user_id = u.id) l ON true
SELECT id FROM orders WHERE id = ANY (ARRAY[1, 2, 3]) AND total > ALL (SELECT 0 FROM users)
SELECT (ARRAY[1, 2, 3])[2], array_length(ARRAY[1, 2], 1), string_to_array(status, 'a') FROM orders
SELECT substring(status FROM 1 FOR 2), trim(both 'p' FROM status), position('a' IN status), char_length(status) FROM orders
SELECT id FROM users WHERE city IS DISTINCT FROM 'Rome' AND (city = 'Oslo') IS NOT TRUE ORDER BY city NULLS FIRST, id
SELECT id FROM users WHERE (id, city) IN ((1, 'Rome'), (2, 'Oslo')) ORDER BY city DESC NULLS LAST
SELECT * FROM users u FULL JOIN items i ON i.id = u.id
WITH a AS MATERIALIZED (SELECT id FROM users), b(x) AS NOT MATERIALIZED (SELECT id FROM a) SELECT x FROM b
SELECT json_build_object('id', id, 'state', status), to_jsonb(total), regexp_replace(status, 'a', 'b') FROM orders
SELECT timestamp '2024-01-01 10:00:00' AT TIME ZONE 'UTC', 2 ^ 3, 5 & 3, 5 # 1, ~ 1, 1 << 2 FROM users
SELECT status COLLATE "C" FROM orders ORDER BY status COLLATE "C" DESC, id
SELECT id, first_value(id) OVER (PARTITION BY user_id ORDER BY total RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM orders
(SELECT id FROM users ORDER BY id LIMIT 2) UNION ALL (SELECT id FROM orders ORDER BY id DESC LIMIT 2) ORDER BY 1 DESC
