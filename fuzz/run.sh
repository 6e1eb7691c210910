#!/usr/bin/env bash
# Runs fuzz targets with cargo-fuzz, one after the other, each from its seeds and from what earlier runs found.
#   fuzz/run.sh SECONDS [TARGET...]
# A finding ends the run and leaves its input in fuzz/artifacts/TARGET. Works on a stable compiler: without sanitizers, for the
# code has no unsafe blocks, and with coverage.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?how many seconds for each target?}
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || readarray -t targets < <(cd fuzz/fuzz_targets && ls -- *.rs | sed 's/\.rs$//')

for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target"
    # Recorded files that are seeds too: the list is in fuzz/entries.
    recorded=fuzz/corpus/$target-recorded
    mkdir -p "$recorded"
    sed -n "/name: \"$target\"/{:a;/\]/!{N;ba};p}" fuzz/entries/src/lib.rs | grep -o '"[^"]*/[^"]*"' | tr -d '"' |
        while read -r file; do cp "tpm-sim-tests/vectors/$file" "$recorded/${file//\//-}"; done || true
    folders=("fuzz/corpus/$target" "$recorded")
    [ -d "fuzz/seeds/$target" ] && folders+=("fuzz/seeds/$target")
    echo "== $target, $seconds s"
    cargo fuzz run --sanitizer none "$target" "${folders[@]}" -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 2>&1 | grep -E 'ERROR|panicked|stat::(number_of_executed_units|new_units_added)|cov:.*DONE|SUMMARY|^error' || true
    if compgen -G "fuzz/artifacts/$target/*" >/dev/null; then
        echo "$target: finding in fuzz/artifacts/$target" >&2
        exit 1
    fi
done
