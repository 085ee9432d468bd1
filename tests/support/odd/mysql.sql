-- Structures of MySQL and MariaDB that a package has to carry: each feature of CREATE TABLE at least once.
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', foreign_key_checks = 0, time_zone = '+00:00';

-- identifiers
CREATE TABLE `sel``ect "x" 'y' $1 %s \ ; ж` (`or``der` int, `a b` varchar(20) DEFAULT 'it''s \\ "q"', `key` int, `naïve café` int CHECK (`naïve café` <> 13),
  PRIMARY KEY (`or``der`, `a b`), UNIQUE KEY `u``ni;q` (`key` DESC), KEY `PRIMARY KEY x` (`naïve café`)) COMMENT 'it''s; secret';
INSERT INTO `sel``ect "x" 'y' $1 %s \ ; ж` VALUES (1, 'x', 2, 3), (1, 'y ', NULL, NULL), (0, '', 7, 1);
CREATE TABLE `table` (`from` int PRIMARY KEY, `where` int, CONSTRAINT `fk``1` FOREIGN KEY (`where`) REFERENCES `table` (`from`) ON DELETE CASCADE);
INSERT INTO `table` VALUES (1, 2), (2, 1);
CREATE TABLE xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx (yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy int AUTO_INCREMENT PRIMARY KEY, z int,
  CONSTRAINT zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz UNIQUE (z));
INSERT INTO xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx VALUES (0, 5), (7, 6);
CREATE TABLE `Mixed` (id int PRIMARY KEY); CREATE TABLE `mixed` (id int PRIMARY KEY); INSERT INTO `Mixed` VALUES (1); INSERT INTO `mixed` VALUES (2);
CREATE TABLE `it's` (`c'1` int, `c\2` varchar(5) DEFAULT '\\', `c"3"` text); INSERT INTO `it's` VALUES (1, '\\', '''');

-- defaults, generated, invisible, counters
CREATE TABLE defaults (id int PRIMARY KEY, a varchar(40) NOT NULL DEFAULT 'a''b\\c "d" `e` -- f; /* g */', b timestamp NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  c datetime(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), d int DEFAULT (1 + 2), e varchar(50) DEFAULT (CONCAT('x;', 'it''s')), f date DEFAULT '0000-00-00',
  g bit(3) DEFAULT b'101', h enum('x','it''s') DEFAULT 'it''s', i json DEFAULT (JSON_ARRAY(1)), j decimal(5,2) DEFAULT -1.50, k blob DEFAULT (X'00FF'), l year DEFAULT 2024,
  m varchar(9) CHARACTER SET latin1 DEFAULT 'é', n set('a','b') DEFAULT 'a,b', o char(36) DEFAULT (UUID()), p double DEFAULT 1e300, q binary(3) DEFAULT 'a', r varchar(5) DEFAULT '', s int DEFAULT NULL, t text DEFAULT ('x'));
INSERT INTO defaults (id, b, c) VALUES (1, '2024-01-01 00:00:00', '2024-01-01 00:00:00'), (2, NULL, NULL);
CREATE TABLE gen (id int PRIMARY KEY, a int, v int GENERATED ALWAYS AS (a + 1) VIRTUAL, s varchar(30) GENERATED ALWAYS AS (CONCAT('it''s;', a)) STORED, u int AS (a * 2) VIRTUAL UNIQUE,
  j json, w varchar(20) AS (JSON_UNQUOTE(JSON_EXTRACT(j, '$."a;b"'))) VIRTUAL, KEY (w), KEY (s));
INSERT INTO gen (id, a, j) VALUES (1, 2, '{"a;b": "x"}'), (2, NULL, NULL);
CREATE TABLE invis (id int PRIMARY KEY, a int, h int INVISIBLE DEFAULT 5, t varchar(5)); INSERT INTO invis (id, a, h, t) VALUES (1, 2, 9, 'x'), (2, 3, NULL, NULL);
CREATE TABLE counts (id bigint unsigned AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 18446744073709551000; INSERT INTO counts VALUES (0), (NULL);
CREATE TABLE counts2 (a int, id smallint AUTO_INCREMENT, PRIMARY KEY (a, id), KEY (id)); INSERT INTO counts2 VALUES (1, -5), (1, 0), (2, NULL); DELETE FROM counts2 WHERE a = 2;
CREATE TABLE only_auto (id int AUTO_INCREMENT PRIMARY KEY); INSERT INTO only_auto VALUES (0), (3); CREATE TABLE empty_one (id int AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 500;

-- keys and indexes
CREATE TABLE ix (id int, a varchar(200), b text, c blob, d int, e datetime, g point NOT NULL, h varchar(50), PRIMARY KEY (id), UNIQUE KEY u1 (a(10), d), KEY k1 (b(20), c(5)), FULLTEXT KEY f1 (b), FULLTEXT KEY f2 (b, h),
  SPATIAL KEY s1 (g), KEY k2 (d DESC, e), KEY k3 (h) USING BTREE COMMENT 'secret', UNIQUE KEY u2 (h, d)) ROW_FORMAT = DYNAMIC;
INSERT INTO ix VALUES (1, 'a', 'b', 'c', 4, '2024-01-01', ST_GeomFromText('POINT(1 2)'), 'h');
CREATE TABLE checks (id int PRIMARY KEY, a int CHECK (a > 0), b varchar(20), CONSTRAINT `c;1` CHECK (b <> 'it''s' AND a < 100), CONSTRAINT c2 CHECK (b REGEXP '^[a-z(),]*$')); INSERT INTO checks VALUES (1, 5, 'a,()');
CREATE TABLE par (x int, y varchar(20) CHARACTER SET latin1 COLLATE latin1_general_cs, z date NOT NULL, PRIMARY KEY (y, x), UNIQUE KEY (x, z)); INSERT INTO par VALUES (1, 'é', '0000-00-00'), (2, 'b', '2024-02-31');
CREATE TABLE kid (id int PRIMARY KEY, x int, y varchar(20) CHARACTER SET latin1 COLLATE latin1_general_cs, z date, CONSTRAINT k1 FOREIGN KEY (y, x) REFERENCES par (y, x) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `k 2` FOREIGN KEY (x, z) REFERENCES par (x, z) ON DELETE RESTRICT); INSERT INTO kid VALUES (1, 1, 'é', '0000-00-00'), (2, NULL, 'b', NULL), (3, 99, 'lost', NULL);
CREATE TABLE c1 (id int PRIMARY KEY, o int NOT NULL, FOREIGN KEY (o) REFERENCES c2 (id)); CREATE TABLE c2 (id int PRIMARY KEY, o int NOT NULL, FOREIGN KEY (o) REFERENCES c1 (id)); INSERT INTO c1 VALUES (1, 1); INSERT INTO c2 VALUES (1, 1);
CREATE TABLE no_key (a int, b double, c text, d varchar(10) COLLATE utf8mb4_general_ci); INSERT INTO no_key VALUES (1, -0.0, NULL, 'é'), (1, -0.0, NULL, 'é'), (NULL, NULL, NULL, NULL), (1, 0, '', 'E');
CREATE TABLE text_key (t varchar(100) COLLATE utf8mb4_bin PRIMARY KEY, b varbinary(10) UNIQUE); INSERT INTO text_key VALUES ('', ''), ('é', X'00'), ('a\r\nb', X'0D0A'), ('\\', X'5C'), ('ж''"', NULL);
CREATE TABLE hundred (d decimal(10,3), b bit(5), e enum('a','b','c'), u int unsigned, PRIMARY KEY (e, d, b, u)); INSERT INTO hundred VALUES (1.5, b'101', 'c', 1), (-1.5, b'0', 'a', 2), (1.5, b'1', 'b', 3);

-- engines, character sets, options
CREATE TABLE isam (id int PRIMARY KEY, t text) ENGINE = MyISAM CHARACTER SET latin1 COLLATE latin1_bin; INSERT INTO isam VALUES (1, 'é€'), (2, X'FF80');
CREATE TABLE mem (id int PRIMARY KEY, t varchar(5)) ENGINE = MEMORY; INSERT INTO mem VALUES (1, 'x');
CREATE TABLE squeezed (id int PRIMARY KEY, t text) ROW_FORMAT = COMPRESSED KEY_BLOCK_SIZE = 8 STATS_PERSISTENT = 0; INSERT INTO squeezed VALUES (1, 'x');

-- partitions
CREATE TABLE p_range (id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (YEAR(d)) SUBPARTITION BY HASH (TO_DAYS(d)) SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (2020), PARTITION `p 1` VALUES LESS THAN MAXVALUE COMMENT 'secret');
INSERT INTO p_range VALUES (1, '2019-01-01'), (2, '2024-01-01'), (3, '0000-00-00');
CREATE TABLE p_cols (a varchar(10), b int, KEY (b)) PARTITION BY RANGE COLUMNS (a, b) (PARTITION p0 VALUES LESS THAN ('it''s', 5), PARTITION p1 VALUES LESS THAN (MAXVALUE, MAXVALUE)); INSERT INTO p_cols VALUES ('a', 1), ('z', 9);
CREATE TABLE p_list (a varchar(10), b int) PARTITION BY LIST COLUMNS (a) (PARTITION p0 VALUES IN ('x', 'it''s'), PARTITION p1 VALUES IN (NULL, 'y')); INSERT INTO p_list VALUES ('x', 1), (NULL, 2);
CREATE TABLE p_hash (id int PRIMARY KEY, v int) PARTITION BY LINEAR HASH (id) PARTITIONS 3; INSERT INTO p_hash VALUES (1, 1), (2, 2), (0, 0);
CREATE TABLE p_key (id int AUTO_INCREMENT, k varchar(10), PRIMARY KEY (id, k)) PARTITION BY KEY (k) PARTITIONS 4; INSERT INTO p_key VALUES (0, 'zero'), (5, 'five');
CREATE VIEW seen AS SELECT id FROM checks;
CREATE TRIGGER shout BEFORE INSERT ON checks FOR EACH ROW SET NEW.a = NEW.a + 1;
