#!/bin/sh
# audit.sh PYTHON: looks up every version of deploy/constraints.txt among published weaknesses.
#
# PYTHON has pip-audit. Exit 0: nothing is known, besides what deploy/audit-exceptions.txt lets pass for some days more.
# 1: something is known. 3: the database of weaknesses could not be asked, so nothing was found out.
set -eu
[ $# -eq 1 ] || { echo "usage: audit.sh PYTHON" >&2 && exit 2; }
cd "$(dirname "$0")/../.."
today=$(date -u +%Y-%m-%d)
set -- "$1" -m pip_audit --requirement deploy/constraints.txt --no-deps --disable-pip --progress-spinner off
while read -r id until reason; do
    case "$id" in "" | \#*) continue ;; esac
    if [ "$(printf '%s\n%s\n' "$today" "$until" | sort | head -n 1)" = "$today" ]; then
        echo "let pass until $until: $id ($reason)"
        set -- "$@" --ignore-vuln "$id"
    else
        echo "no longer let pass: $id was until $until"
    fi
done <deploy/audit-exceptions.txt

# pip-audit counts what it could not look up as clean, and ends with 1 for a lost connection as for a weakness; its words
# tell them apart.
output=$(mktemp)
trap 'rm -f "$output"' EXIT INT TERM
code=0
"$@" >"$output" 2>&1 || code=$?
skipped=$(grep -c 'could not be audited' "$output" || true)
if grep -qE '^Name +Version +ID' "$output"; then
    grep -v 'could not be audited' "$output"
    exit 1
fi
if [ "$code" -ne 0 ] || [ "$skipped" -ne 0 ]; then
    [ "$skipped" -ne 0 ] || tail -n 3 "$output" >&2
    echo "The database of published weaknesses did not answer for all versions: this says nothing of them." >&2
    exit 3
fi
grep -v '^Name ' "$output"
