#!/bin/sh
# Makes sure that what a target needs from the system is installed.
#
#   prepare.sh venv PYTHON    Python 3.11 or newer that can make a virtual environment
#   prepare.sh servers        the servers and clients that the tests start
#   prepare.sh peers          the programs that the benchmarks compare with
#
# Root installs what is missing from the distribution. Anybody else gets one line that names the packages, and 1.
set -eu

# found NAME FOLDER...: is NAME on PATH or in one of the folders?
found() {
    name=$1
    shift
    command -v "$name" >/dev/null 2>&1 && return 0
    for folder in "$@"; do
        [ -x "$folder/$name" ] && return 0
    done
    return 1
}

missing=""
need() {
    case " $missing " in
        *" $1 "*) ;;
        *) missing="${missing:+$missing }$1" ;;
    esac
}

# in_folder VARIABLE-VALUE NAME FOLDER...: a folder that the user chose is the only one that counts.
in_folder() {
    chosen=$1
    shift
    if [ -n "$chosen" ]; then
        [ -x "$chosen/$1" ]
    else
        found "$@"
    fi
}

look_for_servers() {
    missing=""
    # shellcheck disable=SC2046
    in_folder "${HFIT_TEST_PG_BIN:-}" initdb $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null) || need postgresql
    in_folder "${HFIT_TEST_PG_BIN:-}" psql || need postgresql-client
    in_folder "${HFIT_TEST_MYSQL_BIN:-}" mariadbd /usr/sbin || need mariadb-server-core
    in_folder "${HFIT_TEST_MYSQL_BIN:-}" mariadb-install-db || need mariadb-server-core
    in_folder "${HFIT_TEST_MYSQL_BIN:-}" mariadb || need mariadb-client-core
    in_folder "${HFIT_TEST_REDIS_BIN:-}" redis-server /usr/sbin || need redis-server
    found chromium-headless-shell || found chromium || need chromium-headless-shell
    found ssh-keygen || need openssh-client
    found ssh-agent || need openssh-client
    found systemd-analyze || need systemd
    found nginx /usr/sbin || need nginx-light
    found haproxy /usr/sbin || need haproxy
    found shellcheck || need shellcheck
    found helm || found npm || need npm
}

look_for_peers() {
    look_for_servers
    in_folder "${HFIT_TEST_MYSQL_BIN:-}" mariadb-dump || need mariadb-client
    for tool in wrk zstd curl openssl git; do
        found $tool || need $tool
    done
    found gzip || need gzip
    found find || need findutils
}

look_for_venv() {
    missing=""
    command -v "$python" >/dev/null 2>&1 || need python3
    [ -n "$missing" ] || "$python" -c 'import ensurepip' 2>/dev/null || need python3-venv
}

# Servers must not start by themselves, and no cluster is made: the tests make their own.
install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    policy=/usr/sbin/policy-rc.d
    cluster=/etc/postgresql-common/createcluster.conf
    [ -e "$policy" ] && policy=""
    [ -e "$cluster" ] && cluster=""
    trap 'if [ -n "$policy" ]; then rm -f "$policy"; fi' EXIT INT TERM
    if [ -n "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    if [ -n "$cluster" ]; then
        mkdir -p "${cluster%/*}"
        echo 'create_main_cluster = false' >"$cluster"
    fi
    echo "Installing: $missing"
    apt-get update -q=2
    # shellcheck disable=SC2086
    apt-get install -y -q=2 --no-install-recommends -o Dpkg::Options::=--force-confold $missing >/dev/null
}

case "${1:-}" in
    venv) python=${2:-python3} look=look_for_venv ;;
    servers) look=look_for_servers ;;
    peers) look=look_for_peers ;;
    *) echo "usage: prepare.sh venv PYTHON | servers | peers" >&2 && exit 2 ;;
esac

$look
if [ -n "$missing" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "missing, please install: $missing" >&2
        exit 1
    fi
    install_packages
    $look
    if [ -n "$missing" ]; then
        echo "still missing after the installation: $missing" >&2
        exit 1
    fi
fi

if [ "$1" = venv ]; then
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "missing, please install: Python 3.11 or newer (make PYTHON=python3.x takes another one)" >&2
        exit 1
    }
fi
