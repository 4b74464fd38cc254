#!/usr/bin/env bash
# Asks hledger, ledger and bean-check whether every pool's journal balances, and changes one cent to see
# whether they would have noticed.
#
# Usage: journals.sh SITE     with ALMONER (the program) and VENV (bean-check) in the environment
set -euo pipefail
site=$1
almoner=${ALMONER:-target/debug/almoner}
python=${VENV:-target/venv}/bin/python
bean=${VENV:-target/venv}/bin/bean-check
command -v hledger >/dev/null || { echo "hledger is not installed"; exit 77; }
command -v ledger >/dev/null || { echo "ledger is not installed"; exit 77; }
[ -x "$bean" ] || { echo "bean-check is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Adds one cent to the last amount of a posting, whatever the format's order of words.
one_cent_more() {
    "$python" - "$1" "$2" <<'PYTHON'
import re, sys
lines = open(sys.argv[1], encoding="utf-8").read().split("\n")
for i, line in reversed(list(enumerate(lines))):
    amount = re.search(r"-?\d[\d,]*\.\d\d\b", line)
    if line[:1].isspace() and not line.lstrip().startswith((";", "#")) and amount:
        text = amount.group().replace(",", "")
        cents = int(text.replace(".", "")) + 1
        sign, cents = ("-", -cents) if cents < 0 else ("", cents)
        changed = f"{sign}{cents // 100}.{cents % 100:02}"
        lines[i] = line[: amount.start()] + changed + line[amount.end() :]
        break
else:
    sys.exit("no posting with an amount was found")
open(sys.argv[2], "w", encoding="utf-8").write("\n".join(lines))
PYTHON
}

accepted() { "$@" >"$work/said" 2>&1 || { echo "refused: $*"; cat "$work/said"; exit 1; }; }
refused() {
    if "$@" >"$work/said" 2>&1; then echo "a changed cent was accepted: $*"; exit 1; fi
}

pools=$(cd "$(dirname "$0")" && PYTHONDONTWRITEBYTECODE=1 "$python" - "$site" <<'PYTHON'
import sys
from folder import commits, opened, predicate
print("\n".join(sorted({predicate(act["entry"])["pool"] for _, act in commits(opened(sys.argv[1]), "vault/pools/commits")})))
PYTHON
)
[ -n "$pools" ] || { echo "the site has no pool"; exit 1; }
count=0
while IFS= read -r pool; do
    "$almoner" --site "$site" pool journal "$pool" --as hledger >"$work/pool.journal"
    "$almoner" --site "$site" pool journal "$pool" --as ledger >"$work/pool.ledger"
    "$almoner" --site "$site" pool journal "$pool" --as beancount >"$work/pool.beancount"
    grep -q 'inferred_tolerance_default' "$work/pool.beancount" ||
        { echo "the beancount journal leaves bean-check its default tolerance"; exit 1; }
    accepted hledger -f "$work/pool.journal" check
    accepted ledger -f "$work/pool.ledger" bal
    [ "$(tail -n 1 "$work/said" | tr -d ' ')" = 0 ] || { echo "ledger's total is not 0"; exit 1; }
    accepted "$bean" "$work/pool.beancount"
    one_cent_more "$work/pool.journal" "$work/wrong.journal"
    one_cent_more "$work/pool.ledger" "$work/wrong.ledger"
    one_cent_more "$work/pool.beancount" "$work/wrong.beancount"
    refused hledger -f "$work/wrong.journal" check
    refused ledger -f "$work/wrong.ledger" bal
    refused "$bean" "$work/wrong.beancount"
    count=$((count + 1))
done <<<"$pools"
echo "$count pools: all three accept the journal, all three refuse it with one cent changed"
