#!/usr/bin/env bash
# Opens statements and the audit's page of a site in headless Chromium, honest and tampered with.
#
# Usage: tests/browser/run.sh SITE ALMONER WORK
# Chromium comes from Debian, playwright-core from npm below WORK; 77 where they cannot be had.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
site=$1 almoner=$2 work=$3
version=1.65.1

skip() { echo "$1"; exit 77; }

mkdir -p "$work"
command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed"
if ! command -v chromium >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || skip "chromium is not installed"
    apt-get -qq update >/dev/null 2>&1 || true
    apt-get -qq install -y --no-install-recommends chromium >/dev/null 2>&1 ||
        skip "chromium could not be installed"
fi
if [ ! -d "$work/node_modules/playwright-core" ] || [ "$(cat "$work/version" 2>/dev/null)" != "$version" ]; then
    (cd "$work" && echo '{"private":true}' >package.json &&
        npm install --silent --no-audit --no-fund --ignore-scripts "playwright-core@$version") >/dev/null 2>&1 ||
        skip "playwright-core could not be installed"
    echo "$version" >"$work/version"
fi

rm -rf "$work/en" "$work/de"
"$almoner" --site "$site" statement --all --as html --out "$work/en" >/dev/null
"$almoner" --site "$site" statement --all --as html --lang de --out "$work/de" >/dev/null

# One statement that pays, one that does not, one of a cover, one in German, and the audit.
first() { grep -lE "$1" "${@:2}" | LC_ALL=C sort | head -n 1; }
paid='"figure">[^<]*[1-9]'
pages=("$site/public/audit.html")
for page in \
    "$(first "$paid" $(find "$work/en" -name '*.html' ! -name '*-cover-*'))" \
    "$(grep -LE "$paid" $(find "$work/en" -name '*.html' ! -name '*-cover-*') | LC_ALL=C sort | head -n 1)" \
    "$(first "$paid" $(find "$work/en" -name '*-cover-*.html'))" \
    "$(first "$paid" $(find "$work/de" -name '*.html' ! -name '*-cover-*'))"; do
    [ -n "$page" ] && pages+=("$page")
done
[ ${#pages[@]} -ge 4 ] || { echo "only ${#pages[@]} pages could be found"; exit 1; }
node "$here/check.mjs" "$(command -v chromium)" "$work/node_modules" "${pages[@]}"
