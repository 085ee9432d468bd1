#!/bin/sh
# The sample tickets, and the account that hfitd reads them with: it may select, nothing else.
set -eu
quoted=$(printf %s "$HFITD_TICKETS_PASSWORD" | sed "s/[\\\\']/\\\\&/g")
mariadb --user="${MARIADB_USER:-root}" --password="$MARIADB_ROOT_PASSWORD" "${MARIADB_DATABASE:-tickets}" <<SQL
CREATE TABLE ticket (
    ticket_id integer NOT NULL PRIMARY KEY AUTO_INCREMENT,
    email varchar(80) NOT NULL,
    subject varchar(80) NOT NULL,
    opened_at datetime NOT NULL,
    KEY (email)
);
INSERT INTO ticket (email, subject, opened_at)
SELECT concat('customer', 1 + seq % 100, '@example.com'), concat('Where is article ', seq % 37, '?'),
       '2026-01-01' + INTERVAL seq HOUR FROM seq_1_to_250;

CREATE USER hfitd IDENTIFIED BY '$quoted';
GRANT SELECT, SHOW VIEW ON ${MARIADB_DATABASE:-tickets}.* TO hfitd;
SQL
