-- Types of one's own, for the columns of postgres_types.jsonl.
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION btree_gist;
CREATE SCHEMA "Odd ""Types"" ключ"; CREATE SCHEMA ext; CREATE EXTENSION cube SCHEMA ext; CREATE EXTENSION isn SCHEMA ext;
SET search_path = "Odd ""Types"" ключ", public;
CREATE TYPE mood AS ENUM ('sad', 'o''k "x", (y)', '\back', 'ж🙂', ' ', '', 'NULL', 'a,b');
CREATE TYPE "Enum 2" AS ENUM ('only');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0) CONSTRAINT "not 13; x" CHECK (VALUE <> 13);
CREATE DOMAIN even AS positive DEFAULT 2 CHECK (VALUE % 2 = 0);
CREATE DOMAIN code AS varchar(8) COLLATE "C" NOT NULL CHECK (VALUE ~ '^[A-Z''"\\]*$');
CREATE DOMAIN amounts AS numeric(8,2)[] CHECK (array_length(VALUE, 1) < 9);
CREATE TYPE pair AS (a integer, "b c" text, m mood);
CREATE TYPE nest AS (p pair, ps pair[], d even, r int4range, t timestamptz);
CREATE DOMAIN good_pair AS pair CHECK (VALUE IS NULL OR (VALUE).a IS NOT NULL);
CREATE TYPE span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi);
CREATE FUNCTION day_gap(date, date) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT ($1 - $2)::float8';
CREATE TYPE "text Range" AS RANGE (SUBTYPE = text, COLLATION = "C", MULTIRANGE_TYPE_NAME = "many texts");
CREATE TYPE days AS RANGE (SUBTYPE = date, SUBTYPE_DIFF = day_gap);
CREATE TYPE price_span AS RANGE (SUBTYPE = numeric);
