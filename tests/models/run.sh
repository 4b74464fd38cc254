#!/usr/bin/env bash
# Has Spin search transfer.pml whole: secrecy, agreement and obedience must hold, both records must be
# able to arrive, and each weakened model must have its attack. Fails if a search was cut short.
#
# Usage: tests/models/run.sh [WORK]      WORK holds what is built; a fresh folder otherwise
# Needs spin and gcc, which spin calls by this name; ends with 77 where one is missing.
set -euo pipefail
models=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${1:-$(mktemp -d)}
spin=$(command -v spin) || { echo "spin is not installed"; exit 77; }
command -v gcc >/dev/null || { echo "gcc is not installed"; exit 77; }
mkdir -p "$work"
cd "$work"

# search NAME CLAIM FLAGS…: builds the model and searches it for a breach of the claim.
search() {
    local name=$1 claim=$2
    shift 2
    mkdir -p "$name"
    (
        cd "$name"
        "$spin" -a "$@" "$models/transfer.pml" >spin.log 2>&1 || { cat spin.log; exit 1; }
        gcc -O1 -w -DSAFETY -DMEMLIM=3000 -o pan pan.c
        ./pan -m200000 -w22 -N "$claim" >"$claim.log" 2>&1 || true
    )
}

errors() { sed -n 's/.*errors: \([0-9]*\)$/\1/p' "$1"; }

found=0
search whole everything
log=whole/everything.log
if [ "$(errors "$log")" != 0 ]; then
    echo "secrecy, agreement or obedience does not hold:"; cat "$log"; exit 1
fi
if grep -qE 'Search not completed|max search depth too small|out of memory' "$log"; then
    echo "the search was cut short:"; cat "$log"; exit 1
fi
states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$log")
echo "secrecy, agreement and obedience hold in all $states states"

# wants NAME CLAIM WEAK…: a model that must break its claim.
wants() {
    local name=$1 claim=$2
    shift 2
    search "$name" "$claim" "${@/#/-D}"
    if [ "$(errors "$name/$claim.log")" = 0 ] || ! grep -q 'errors:' "$name/$claim.log"; then
        echo "$name: the search finds no breach of $claim:"; cat "$name/$claim.log"; exit 1
    fi
    found=$((found + 1))
    printf '%s: breach of %s found\n' "$name" "$claim"
}

wants whole nothing_arrives
wants challenge-signature secrecy WEAK_CHALLENGE_SIGNATURE
wants challenge-key secrecy WEAK_CHALLENGE_KEY
wants challenge-offer agreement WEAK_CHALLENGE_OFFER
wants accept-signature agreement WEAK_ACCEPT_SIGNATURE
wants accept-challenge agreement WEAK_ACCEPT_CHALLENGE
wants accept-approver agreement WEAK_ACCEPT_APPROVER
wants head-and-info agreement WEAK_HEAD WEAK_INFO
wants parts-and-info agreement WEAK_PARTS WEAK_INFO
wants sender agreement WEAK_SENDER
wants receipt agreement WEAK_RECEIPT
wants consent obedience WEAK_CONSENT
wants expiry obedience WEAK_EXPIRY
wants refusal obedience WEAK_REFUSAL

echo "spin: three claims hold in $states states; $found models that must break one do"
