SELECT f.title, COUNT(r.rental_id) AS n FROM film f JOIN inventory i ON i.film_id = f.film_id JOIN rental r ON r.inventory_id = i.inventory_id GROUP BY f.film_id, f.title ORDER BY n DESC, f.title LIMIT 10
SELECT c.name, SUM(p.amount) AS revenue FROM category c JOIN film_category fc USING (category_id) JOIN inventory i USING (film_id) JOIN rental r USING (inventory_id) JOIN payment p USING (rental_id) GROUP BY c.name ORDER BY revenue DESC LIMIT 5
SELECT customer_id, first_name, last_name FROM customer WHERE customer_id IN (SELECT customer_id FROM payment GROUP BY customer_id HAVING SUM(amount) > 150) ORDER BY 1
WITH totals AS (SELECT customer_id, SUM(amount) AS total FROM payment GROUP BY customer_id) SELECT customer_id, total, RANK() OVER (ORDER BY total DESC) AS place FROM totals ORDER BY place, customer_id LIMIT 20
SELECT a.actor_id, a.last_name, COUNT(*) FROM actor a JOIN film_actor fa ON fa.actor_id = a.actor_id GROUP BY a.actor_id, a.last_name HAVING COUNT(*) > 35 ORDER BY 3 DESC, 1
SELECT s.store_id, ci.city, co.country FROM store s JOIN address a ON a.address_id = s.address_id JOIN city ci ON ci.city_id = a.city_id JOIN country co ON co.country_id = ci.country_id ORDER BY 1
SELECT f.film_id, f.title FROM film f LEFT JOIN inventory i ON i.film_id = f.film_id WHERE i.inventory_id IS NULL ORDER BY f.film_id
SELECT l.name, COUNT(*) AS films, AVG(f.length), MAX(f.rental_rate) FROM film f JOIN language l ON l.language_id = f.language_id GROUP BY l.name
SELECT CASE WHEN length < 60 THEN 'short' WHEN length < 120 THEN 'middle' ELSE 'long' END AS class, COUNT(*) FROM film GROUP BY CASE WHEN length < 60 THEN 'short' WHEN length < 120 THEN 'middle' ELSE 'long' END ORDER BY 1
SELECT DISTINCT c.last_name FROM customer c JOIN actor a ON a.last_name = c.last_name ORDER BY c.last_name
