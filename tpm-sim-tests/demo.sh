#!/usr/bin/env bash
# The main job on a simulated TPM: factory, boot, provisioning, attestation, signed update, gated start, and six attacks
# that are refused. Every step is asserted: the script ends with the first that does not come out as it must.
#   tpm-sim-tests/demo.sh FOLDER      FOLDER holds the hallmark binary and examples/ with the two modules
set -euo pipefail

bin=$(cd "${1:?folder with the hallmark binary}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
hallmark=$bin/hallmark
vectors=$here/vectors/q35-sha256
[ -x "$hallmark" ] || { echo "no $hallmark; run make build" >&2; exit 1; }

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' green=$'\e[32;1m' red=$'\e[31;1m' dim=$'\e[2m' plain=$'\e[0m'
else
    bold='' green='' red='' dim='' plain=''
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/hallmark-demo.XXXXXX")
runner=
cleanup() {
    [ -z "$runner" ] || kill "$runner" 2>/dev/null || true
    HALLMARK_STATE=$work/device "$hallmark" -q sim stop >/dev/null 2>&1 || true
    if [ -n "${HALLMARK_DEMO_KEEP:-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap cleanup EXIT
cd "$work"
export HALLMARK_STATE=$work/device
unset HALLMARK_TCTI || true

step() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }

# Runs a command that must end with exit code 0; shows what it prints, indented.
must() {
    printf '%s  $ hallmark %s%s\n' "$dim" "$(shown "$@")" "$plain"
    local out code=0
    out=$("$hallmark" -q "$@" 2>&1) || code=$?
    printf '%s\n' "$out" | sed 's/^/  /'
    if [ $code -ne 0 ]; then echo "${red}expected exit code 0, got $code${plain}" >&2; exit 1; fi
}

# Runs a command that must be refused: exit code and a word of the reason.
refused() {
    local title=$1 expected=$2 word=$3; shift 3
    local out code=0
    out=$("$hallmark" -q "$@" 2>&1 >/dev/null) || code=$?
    printf '  %s%-34s%s exit %d  %s\n' "$red" "$title" "$plain" "$code" "$(printf '%s' "$out" | tail -1 | cut -c1-180)"
    if [ $code -ne "$expected" ] || ! grep -q -- "$word" <<<"$out"; then
        echo "${red}expected exit code $expected and '$word' in: $out${plain}" >&2; exit 1
    fi
}

shown() { local text="$*"; text=${text//$work\//}; text=${text//$here\//tpm-sim-tests/}; printf '%s' "$text"; }
# Changes one bit of the byte at an offset of a file.
flip() {
    local byte
    byte=$(dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1 | tr -d ' ')
    # shellcheck disable=SC2059
    printf "$(printf '\\x%02x' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
nonce() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

step "1  A factory, and a device with a TPM"
must ca init --dir factory --organization "Example Works" --name "Example Factory"
must sim start
HALLMARK_TCTI=$("$hallmark" -q sim start --shell | sed 's/^export HALLMARK_TCTI=//'); export HALLMARK_TCTI

step "2  The device boots"
must sim boot "$vectors/eventlog.bin" --ima "$vectors/ima.bin"

step "3  It gets its identity"
provision=(provision --ca factory --ek-root device/sim/ca/swtpm-localca-rootca-cert.pem --ek-intermediate device/sim/ca/issuercert.pem
    --device-id gateway-0001 --ledger ledger.jsonl)
must "${provision[@]}"
must "${provision[@]}"
[ "$(wc -l <ledger.jsonl)" -eq 1 ] || { echo "the second run wrote to the ledger" >&2; exit 1; }
if command -v openssl >/dev/null; then
    openssl verify -CAfile factory/root.pem -untrusted factory/intermediate.pem device/identity/iak.pem >/dev/null
    printf '  %sopenssl accepts the chain%s\n' "$green" "$plain"
fi

step "4  Reference values of this golden device"
"$hallmark" -q key generate --out reference.pem >/dev/null
must reference record --product gateway --release 1.0 --out golden.json --key reference.pem
cat >policy.toml <<'P'
version = 1
name = "gateway"

[trust]
device_roots = ["factory/root.pem"]
reference_keys = ["reference.pem.pub"]

[quote]
pcrs = [0, 1, 2, 3, 4, 5, 6, 7, 9]

[boot]
references = ["golden.json"]

[ima]
list = "require"
violations = "report"
P

step "5  Attestation"
challenge=$(nonce)
must attest --nonce "$challenge" --out evidence
must appraise evidence --nonce "$challenge" --policy policy.toml

step "6  A signed update with two modules"
"$hallmark" -q key generate --out release.pem >/dev/null
pack() { # release, version
    mkdir -p "build-$1/bin"
    cp "$bin/examples/thermometer" "$bin/examples/forwarder" "build-$1/bin/"
    cat >"package-$1.toml" <<P
product = "gateway"
hardware = ["gw-1"]
version = "$2"
release = $1

[[module]]
name = "thermometer"
path = "bin/thermometer"
args = ["--interval-ms", "200"]

[[module]]
name = "forwarder"
path = "bin/forwarder"
args = ["--to", "$work/readings"]
stdin = "thermometer"
P
    "$hallmark" -q update pack "build-$1" --description "package-$1.toml" --out "gateway-$1.hmk" >/dev/null
    "$hallmark" -q update sign "gateway-$1.hmk" --key release.pem >/dev/null
}
pack 1 1.0.0
pack 2 1.1.0
mkdir -p device
cp release.pem.pub device/
printf 'product = "gateway"\nhardware = "gw-1"\nkeys = ["release.pem.pub"]\n' >device/trust.toml
must update verify gateway-2.hmk --key release.pem.pub --product gateway --hardware gw-1
must update install gateway-2.hmk

step "7  Modules start, once the device is trusted"
printf '%s  $ hallmark run --policy policy.toml%s\n' "$dim" "$plain"
"$hallmark" run --policy policy.toml >run.out 2>&1 &
runner=$!
for _ in $(seq 100); do [ -s readings ] && break; sleep 0.1; done
must module status
[ -s readings ] || { echo "no reading was forwarded" >&2; cat run.out >&2; exit 1; }
printf '  %s%s readings forwarded, the last: %s%s\n' "$green" "$(wc -l <readings)" "$(tail -1 readings)" "$plain"
pids=$("$hallmark" --format json module status | grep '"pid"' | tr -dc '0-9\n')
[ "$(wc -w <<<"$pids")" -eq 2 ] || { echo "expected two modules, got: $pids" >&2; exit 1; }
kill -TERM "$runner"; code=0; wait "$runner" || code=$?; runner=
[ $code -eq 0 ] || { echo "run ended with $code" >&2; cat run.out >&2; exit 1; }
for pid in $pids; do
    if kill -0 "$pid" 2>/dev/null; then echo "module $pid outlived its supervisor" >&2; exit 1; fi
done
printf '  %sstopped on SIGTERM, modules and all%s\n' "$green" "$plain"

step "8  Six attacks"
n2=$(nonce)
refused "replayed nonce" 3 q03 appraise evidence --nonce "$n2" --policy policy.toml

# The first byte of the sixth event's digest: behind its PCR, type, digest count and algorithm (14 bytes).
cp device/sim/binary_bios_measurements log.bad
event=$("$hallmark" --format json eventlog show log.bad | grep '"offset"' | sed -n 6p | tr -dc 0-9)
flip log.bad $((event + 14))
"$hallmark" -q attest --nonce "$n2" --out altered --eventlog log.bad >/dev/null
refused "log event altered" 3 'e0[0-9]' appraise altered --nonce "$n2" --policy policy.toml

cp gateway-2.hmk flipped.hmk
flip flipped.hmk $(($(stat -c %s flipped.hmk) - 1000))
refused "update with one byte flipped" 3 u02 update install flipped.hmk
refused "older update" 3 u04 update install gateway-1.hmk

module=$(readlink -f device/releases/current)/tree/bin/forwarder
printf 'x' >>"$module"
refused "module altered on disk" 3 'r0[23]' run --policy policy.toml
cp build-2/bin/forwarder "$module"

"$hallmark" -q sim extend 4 --text "an unknown boot loader" >/dev/null
refused "PCR extended after boot" 3 e01 run --policy policy.toml

printf '\n%sAll of it held.%s\n' "$green" "$plain"
