#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# record-quotes.sh - record TPM quotes as tpm2-tools writes them.
#
#   usage: record-quotes.sh OUTDIR [WORKDIR]
#
# A fresh software TPM is started, some of its PCRs are extended, and quotes
# are made with RSA (RSASSA, RSAPSS) and ECC (ECDSA) attestation keys.  Every
# quote is checked with tpm2_checkquote, as far as that goes, before it counts.
# Nothing here needs root, and no TPM but the one started here is used.
#
# Environment:
#   SHORT_TRIES  how many ECC quotes to make at most in search of a signature
#                whose r or s is below 2^248 (default 1500)

set -euo pipefail
export LC_ALL=C

OUT=${1:-}
WORK=${2:-}
SHORT_TRIES=${SHORT_TRIES:-1500}

say() { printf '%s\n' "record-quotes: $*" >&2; }
die() { say "error: $*"; exit 1; }

[ -n "$OUT" ] || die "usage: ${0##*/} OUTDIR [WORKDIR]"

need() { # need PROGRAM PACKAGE
    command -v "$1" >/dev/null || die "$1 is missing (Debian package: $2)"
}
need swtpm       swtpm
need swtpm_setup swtpm-tools
need tpm2        tpm2-tools
need openssl     openssl
need timeout     coreutils
need od          coreutils

mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
if [ -n "$WORK" ]; then
    mkdir -p "$WORK"
    WORK=$(cd "$WORK" && pwd)
    REMOVE_WORK=
else
    WORK=$(mktemp -d)
    REMOVE_WORK=yes
fi

# A Unix socket's path holds at most 107 bytes, so sockets get a short home.
SOCKDIR=$(mktemp -d "${TMPDIR:-/tmp}/hmXXXXXX")
[ ${#SOCKDIR} -lt 90 ] || die "TMPDIR is too long a path for Unix sockets"

SWTPM_PID=

cleanup() {
    status=$?
    if [ -n "$SWTPM_PID" ]; then
        kill "$SWTPM_PID" 2>/dev/null || true
        wait "$SWTPM_PID" 2>/dev/null || true
    fi
    rm -rf "$SOCKDIR"
    if [ -n "$REMOVE_WORK" ]; then
        if [ "$status" -eq 0 ]; then rm -rf "$WORK"
        else say "work directory kept: $WORK"; fi
    fi
    exit "$status"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ----------------------------------------------------------------- the TPM --

rm -rf "$WORK/tpm"
mkdir -p "$WORK/tpm"
timeout 60 swtpm_setup --tpm2 --tpmstate "$WORK/tpm" --createek --lock-nvram \
    --pcr-banks sha256,sha384 >"$WORK/swtpm_setup.log" 2>&1 ||
    die "swtpm_setup failed, see $WORK/swtpm_setup.log"
timeout 900 swtpm socket --tpm2 --tpmstate "dir=$WORK/tpm" \
    --server "type=unixio,path=$SOCKDIR/tpm" --ctrl "type=unixio,path=$SOCKDIR/tpm.ctrl" \
    --flags not-need-init,startup-clear >"$WORK/swtpm.log" 2>&1 &
SWTPM_PID=$!
for ((i = 0; i < 100; i++)); do [ -S "$SOCKDIR/tpm" ] && break; sleep 0.1; done
[ -S "$SOCKDIR/tpm" ] || die "swtpm does not listen, see $WORK/swtpm.log"
export TPM2TOOLS_TCTI="swtpm:path=$SOCKDIR/tpm"

# t COMMAND ARGS... - one tpm2-tools command, bounded in time
t() { timeout 60 tpm2 "$@"; }

# flush - drop the transient objects and sessions a command left in the TPM:
# there is no resource manager between the tools and this TPM
flush() { t flushcontext -t; t flushcontext -l; t flushcontext -s; }

# Values that are not all zero: PCR i is extended i+1 times, PCR 3 not at all.
for i in 0 1 2 4 5 6 7 10; do
    for ((n = 0; n <= i; n++)); do
        d256=$(printf 'pcr %d event %d' "$i" "$n" | openssl dgst -sha256 -r | cut -d' ' -f1)
        d384=$(printf 'pcr %d event %d' "$i" "$n" | openssl dgst -sha384 -r | cut -d' ' -f1)
        t pcrextend "$i:sha256=$d256,sha384=$d384"
    done
done

# -------------------------------------------------------------- the quotes --

# make_ak DIR EK-ALG AK-ALG SCHEME - an endorsement and an attestation key
make_ak() {
    mkdir -p "$1"
    SCHEME=$4
    t createek -Q -G "$2" -c "$WORK/ek.ctx" -u "$1/ek.pub"
    flush
    t createak -Q -C "$WORK/ek.ctx" -G "$3" -g sha256 -s "$4" \
        -c "$WORK/ak.ctx" -u "$1/ak.pub" -n "$1/ak.name"
    flush
    t readpublic -Q -c "$WORK/ak.ctx" -f pem -o "$1/ak.pem"
    t readpublic -Q -c "$WORK/ek.ctx" -f pem -o "$1/ek.pem"
    flush
}

# new_nonce DIR
new_nonce() { openssl rand -hex 32 >"$1/nonce.hex"; }

# quote DIR SELECTION [SUFFIX TOOL-OPTION...] - make a quote; a SUFFIX is put
# behind the names of the files
quote() {
    local dir=$1 sel=$2 suf=${3:-}
    shift 2
    [ $# -eq 0 ] || shift
    t quote -Q -c "$WORK/ak.ctx" -l "$sel" -q "$(cat "$dir/nonce.hex")" -g sha256 \
        --scheme "$SCHEME" "$@" \
        -m "$dir/quote.msg$suf" -s "$dir/quote.sig$suf" -o "$dir/quote.pcrs$suf"
    flush
}

# check DIR SUFFIX [TOOL-OPTION...] - have tpm2_checkquote judge a quote
check() {
    local dir=$1 suf=$2
    shift 2
    t checkquote -Q -u "$dir/ak.pem" -m "$dir/quote.msg$suf" -s "$dir/quote.sig$suf" \
        -g sha256 -q "$(cat "$dir/nonce.hex")" "$@" ||
        die "tpm2_checkquote rejects $dir/quote.msg$suf"
}

# check_pss DIR SUFFIX - tpm2_checkquote 5.4 cannot verify RSAPSS: so openssl
# judges the signature (the last 256 bytes of the file; the salt is as long as
# the hash), and the nonce is looked up in the quoted message
check_pss() {
    local dir=$1 suf=$2
    tail -c 256 "$dir/quote.sig$suf" >"$WORK/plain.sig"
    openssl dgst -sha256 -verify "$dir/ak.pem" -sigopt rsa_padding_mode:pss \
        -sigopt rsa_pss_saltlen:32 -signature "$WORK/plain.sig" \
        "$dir/quote.msg$suf" >/dev/null || die "bad signature of $dir/quote.msg$suf"
    od -An -v -tx1 "$dir/quote.msg$suf" | tr -d ' \n' |
        grep -q "0020$(cat "$dir/nonce.hex")" || die "no nonce in $dir/quote.msg$suf"
}

# check_digest DIR SUFFIX - the PCRs in the values form, which is nothing but
# one value after the other, have to hash to the pcrDigest that ends the quote
check_digest() {
    local want have
    want=$(tail -c 32 "$1/quote.msg$2" | od -An -v -tx1 | tr -d ' \n')
    have=$(openssl dgst -sha256 -r "$1/quote.pcrs.values" | cut -d' ' -f1)
    [ "$want" = "$have" ] || die "$1/quote.pcrs.values does not match quote.msg$2"
}

# check_both DIR SELECTION - check a quote and its twin in the values form
check_both() {
    local dir=$1 sel=$2
    check_digest "$dir" ""
    check_digest "$dir" .values
    if [ "$SCHEME" = rsapss ]; then
        check_pss "$dir" ""
        check_pss "$dir" .values
        return
    fi
    check "$dir" "" -f "$dir/quote.pcrs"
    # The values form does not name the PCRs, so the tool wants the selection.
    # tpm2_checkquote 5.4 fails for more than 8 PCRs in this form.
    if [ "$(wc -c <"$dir/quote.pcrs.values")" -le 256 ]; then
        check "$dir" .values -f "$dir/quote.pcrs.values" -l "$sel"
    else
        check "$dir" .values
    fi
}

# vector NAME EK-ALG AK-ALG SCHEME SELECTION - one folder of recordings: the
# quote with the PCRs in both of the tool's forms, and the PCRs as text
vector() {
    local dir=$WORK/$1 sel=$5
    rm -rf "$dir"
    make_ak "$dir" "$2" "$3" "$4"
    new_nonce "$dir"
    printf '%s\n' "$sel" >"$dir/selection.txt"
    quote "$dir" "$sel"
    quote "$dir" "$sel" .values -F values
    check_both "$dir" "$sel"
    t pcrread "$sel" | sed -n -e 's/^ *\(sha[0-9]*\):.*/\1/p' \
        -e 's/^ *\([0-9]*\) *: 0x\([0-9A-F]*\).*/\1 \2/p' |
        awk '/^sha/ { bank = $1; next } { print bank, $1, tolower($2) }' >"$dir/pcrs.txt"
    publish "$1"
}

# publish NAME - copy a finished folder to OUTDIR
publish() {
    rm -rf "${OUT:?}/$1"
    mkdir "$OUT/$1"
    cp "$WORK/$1"/* "$OUT/$1/"
    chmod -R u=rwX,go=rX "$OUT/$1"
    say "$1 done"
}

ONE=sha256:0,1,2,3,4,5,6,7,10
vector tpm2-tools-quote-rsa       rsa rsa rsassa "$ONE"
vector tpm2-tools-quote-rsapss    rsa rsa rsapss "$ONE"
vector tpm2-tools-quote-two-banks rsa rsa rsassa sha256:0,1,7+sha384:0,7
vector tpm2-tools-quote-ecc       ecc ecc ecdsa  "$ONE"

# An ECDSA signature with a small r or s, which a TPM may write with a leading
# zero or one byte shorter.  A quote has such a one in about 1 of 128 cases.
# TPMT_SIGNATURE: scheme (2), hash (2), size (2), r, size (2), s.
small_part() { # small_part FILE - name the small part, fail if there is none
    local hex n r s
    hex=$(od -An -v -tx1 "$1" | tr -d ' \n')
    n=$((16#${hex:8:4}))
    r=${hex:12:n*2}
    s=${hex:12+n*2+4}
    case $r in 00*) echo "r: padded with a leading zero"; return ;; esac
    case $s in 00*) echo "s: padded with a leading zero"; return ;; esac
    if [ ${#r} -lt 64 ]; then echo "r: only $((${#r} / 2)) bytes"; return; fi
    if [ ${#s} -lt 64 ]; then echo "s: only $((${#s} / 2)) bytes"; return; fi
    return 1
}

dir=$WORK/tpm2-tools-quote-ecc-short
rm -rf "$dir"
make_ak "$dir" ecc ecc ecdsa
printf '%s\n' "$ONE" >"$dir/selection.txt"
cp "$WORK/tpm2-tools-quote-ecc/pcrs.txt" "$dir/"
for ((i = 1; i <= SHORT_TRIES; i++)); do
    new_nonce "$dir"
    t quote -Q -c "$WORK/ak.ctx" -l "$ONE" -q "$(cat "$dir/nonce.hex")" -g sha256 \
        --scheme "$SCHEME" -m "$dir/quote.msg" -s "$dir/quote.sig" -o "$dir/quote.pcrs"
    t flushcontext -t
    if found=$(small_part "$dir/quote.sig"); then
        say "small signature part after $i quotes: $found"
        # Is tpm2_checkquote itself content with such a signature?
        if (check "$dir" "" -f "$dir/quote.pcrs") 2>"$WORK/short.log"; then verdict=accepts; else verdict=rejects; fi
        say "tpm2_checkquote $verdict it"
        {
            echo "found after $i quotes"
            echo "$found"
            echo "tpm2_checkquote $verdict it"
        } >"$dir/short.txt"
        publish tpm2-tools-quote-ecc-short
        break
    fi
done
[ "$i" -le "$SHORT_TRIES" ] || die "no small signature part in $SHORT_TRIES quotes"
say "done"
