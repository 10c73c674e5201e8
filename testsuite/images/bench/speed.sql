-- The kinds of statement of sqlite's speedtest1: inserts, an index, joins, sorts, text, updates, deletes.
CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, t TEXT);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 300000)
INSERT INTO a SELECT i, (i * 7919) % 1000003, printf('%d row number %x', i % 1000, i) FROM c;
CREATE INDEX a_n ON a(n);
CREATE TABLE b AS SELECT id, n % 5000 AS k, substr(t, 3, 12) AS s FROM a ORDER BY n;
SELECT count(*), sum(a.n), max(b.s) FROM a JOIN b ON a.id = b.id WHERE a.n BETWEEN 1000 AND 900000;
SELECT k, count(*) FROM b GROUP BY k ORDER BY 2 DESC, 1 LIMIT 5;
UPDATE a SET t = upper(t) || n WHERE id % 3 = 0;
SELECT count(DISTINCT t), sum(length(t)) FROM a WHERE t LIKE '%ROW%F';
DELETE FROM a WHERE n % 2 = 1;
SELECT count(*), avg(n) FROM a;
