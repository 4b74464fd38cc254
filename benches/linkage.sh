#!/bin/sh
# A million records linked: `benches/linkage.sh ALMONER [PEOPLE]` prints counts, time and peak memory,
# then precision and recall against the truth. 620,000 people of the generator leave about a million
# records at four institutions. Only their demographics reach the disk (about 120 MB).
set -eu
almoner=$(realpath "$1"); people=${2:-620000}
root=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat > linked.toml <<'TOML'
name    = "linked"
dataset = "linked"
purpose = ["DUO:0000006"]
TOML
for place in north-shore lake-county riverside st-anselm; do
    cat >> linked.toml <<TOML
[[source]]
institution = "$place"
table       = "patients"
schema      = "$root/schemas/demo/patients.toml"
format      = "csv"
path        = "$place/patients.csv"
TOML
    mkdir -p "input/$place"
    for table in visits conditions measurements consents; do
        ln -s /dev/null "input/$place/$table.csv"
    done
done
cat >> linked.toml <<'TOML'
[linkage]
table       = "patients"
given       = "first"
family      = "last"
birth_date  = "birth_date"
sex         = "sex"
address     = "address"
city        = "city"
postal_code = "zip"
phone       = "phone"
email       = "email"
identifiers = ["ssn"]
[deid]
profile = "expert"
TOML
"$almoner" population people --people "$people" --fhir 0 --seed 1 --out input > /dev/null
export ALMONER_SITE="$dir/site" ALMONER_KEYS="$dir/keys"
"$almoner" init --quiet > /dev/null
timed() {
    if [ -x /usr/bin/time ]; then
        /usr/bin/time -f '%e s wall, %U s user, %M KiB peak' "$@"
    else
        python3 -c 'import resource, subprocess, sys, time
start = time.time(); code = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{time.time() - start:.1f} s wall, {used.ru_utime:.1f} s user, {used.ru_maxrss} KiB peak", file=sys.stderr)
sys.exit(code)' "$@"
    fi
}
timed "$almoner" linkage run linked.toml --input input
timed "$almoner" linkage evaluate linked.toml --input input --truth input/truth.csv
