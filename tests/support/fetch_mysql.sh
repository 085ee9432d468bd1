#!/bin/sh
# fetch_mysql.sh FOLDER: unpacks a real MySQL server from the distribution's newest suite into FOLDER.
#
# Nothing is installed and the machine's own package lists stay as they are: apt works on a private state below FOLDER,
# with the mirror and the keys that the machine uses anyway. The server runs with that suite's own loader and libraries.
set -eu
[ $# -eq 1 ] || { echo "usage: fetch_mysql.sh FOLDER" >&2 && exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
[ -x "$folder/root/usr/sbin/mysqld" ] && exit 0
command -v apt-get >/dev/null 2>&1 || { echo "a real MySQL needs a Debian machine (apt-get)" >&2 && exit 1; }

# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep '/debian/*$' | head -n 1)
[ -n "$mirror" ] || { echo "the machine's apt sources name no Debian mirror" >&2 && exit 1; }

mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/apt/etc/none" "$folder/root"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$folder/apt/etc/sources.list"
: >"$folder/apt/status"
private="-o Dir::State=$folder/apt -o Dir::State::status=$folder/apt/status -o Dir::State::lists=$folder/apt/lists
 -o Dir::Cache=$folder/apt/cache -o Dir::Etc::sourcelist=$folder/apt/etc/sources.list -o Dir::Etc::sourceparts=$folder/apt/etc/none
 -o Dir::Etc::preferencesparts=$folder/apt/etc/none -o APT::Sandbox::User= -o APT::Install-Recommends=false -o Debug::NoLocking=1"
# shellcheck disable=SC2086
apt-get $private update -q=2
# shellcheck disable=SC2086
apt-get $private install -q=2 -y --download-only mysql-server-core >/dev/null
for package in "$folder"/apt/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$folder/root"
done
rm -rf "$folder/apt"
[ -x "$folder/root/usr/sbin/mysqld" ] || { echo "the packages hold no mysqld" >&2 && exit 1; }
