#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# record.sh - record measured-boot test vectors from a virtual machine.
#
#   usage: record.sh OUTDIR [WORKDIR]
#
# For each vector one QEMU machine is booted (UEFI firmware, a software TPM,
# the distribution kernel, a busybox root file system on ext4).  Firmware,
# kernel and IMA measure that boot for real; the last script of the guest
# copies the two logs, the PCRs and a quote to a scratch disk, from which this
# script unpacks them to OUTDIR/VECTOR/.
#
# WORKDIR (default: a new directory, removed at the end) keeps the kernel, the
# disk images and the console logs.  Nothing here needs root.  What the machines
# are made of is in ../vm/machine.sh; scripts/deps.sh vm installs it.
#
# Environment, beside that of machine.sh:
#   VECTORS      names of the vectors to record (default: all)
#   SB_VARS, SB_KEY, SB_CERT   variables with Debian's (public, insecure) test
#                keys, and the key that they trust, for q35-secureboot-uki

set -euo pipefail
. "$(dirname "$0")/../vm/machine.sh"

OUT=${1:-}
WORK=${2:-}
VECTORS=${VECTORS:-q35-sha256 q35-multibank q35-ima-ng q35-ima q35-cmdline q35-secureboot-uki q35-secureboot-own q35-upgrade q35-evm-sig}
SB_VARS=${SB_VARS:-/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd}
SB_KEY=${SB_KEY:-/usr/share/ovmf/PkKek-1-snakeoil.key}
SB_CERT=${SB_CERT:-/usr/share/ovmf/PkKek-1-snakeoil.pem}

[ -n "$OUT" ] || die "usage: ${0##*/} OUTDIR [WORKDIR]"

need_machine
need swtpm_setup tpm2
case $VECTORS in *evm*) need evmctl xxd ;; esac
case $VECTORS in
*secureboot*)
    need_secure_boot
    need_file "$SB_VARS" "$SB_KEY" "$SB_CERT"
    ;;
esac

# ----------------------------------------------- work directory and cleanup --

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
plain_path "$WORK"

cleanup() {
    status=$?
    machine_cleanup
    if [ -n "$REMOVE_WORK" ]; then
        if [ "$status" -eq 0 ]; then rm -rf "$WORK"
        else say "work directory kept: $WORK"; fi
    fi
    exit "$status"
}
trap cleanup EXIT

# -------------------------------------------------------------------- root --

# sign_file PATH HASH HASH-ID - make a version 2 IMA signature of a file and
# queue it for the security.ima attribute.  Layout: type 3, version 2, hash
# algorithm, key id (last 4 bytes of the SHA-1 of the PKCS#1 public key),
# 16-bit signature size, signature.
sign_file() {
    local sig=$WORK/sig.${1##*/}
    openssl dgst "-$2" -sign "$WORK/ima-key.pem" -out "$sig.raw" "$ROOT/$1"
    {
        printf "\\x03\\x02\\x0$3"
        openssl rsa -in "$WORK/ima-key.pem" -RSAPublicKey_out -outform DER 2>/dev/null |
            openssl dgst -sha1 -binary | tail -c 4
        printf '\x01\x00' # 256 bytes, RSA-2048
        cat "$sig.raw"
    } >"$sig"
    printf 'ea_set -f %s /%s security.ima\n' "$sig" "$1" >>"$WORK/debugfs.cmds"
}

# evm_sign PATH UID GID MODE IMA [LABEL] - make evmctl's portable signature over a
# file's owner, group, mode and attributes (security.ima in hex, security.selinux),
# and queue owner and attributes.
evm_sign() {
    local sig=$WORK/evm.${1##*/} name value
    chmod "$4" "$ROOT/$1"
    evmctl sign --portable -a sha256 --key "$WORK/evm-key.pem" --uid "$2" --gid "$3" \
        --mode "$((0100000 + 0$4))" --ima "$5" ${6:+"--selinux=$6"} --caps -n "$ROOT/$1" 2>"$sig.log" |
        xxd -r -p >"$sig.evm"
    [ -s "$sig.evm" ] || die "evmctl made no signature, see $sig.log"
    xxd -r -p <<<"$5" >"$sig.ima"
    [ -z "${6:-}" ] || printf '%s\0' "$6" >"$sig.selinux"
    printf 'sif /%s uid %s\nsif /%s gid %s\n' "$1" "$2" "$1" "$3" >>"$WORK/debugfs.cmds"
    for name in selinux evm ima; do
        [ ! -s "$sig.$name" ] ||
            printf 'ea_set -f %s /%s security.%s\n' "$sig.$name" "$1" "$name" >>"$WORK/debugfs.cmds"
    done
}

# sha256_xattr PATH - security.ima of a file that is not signed: type 4, hash 4.
sha256_xattr() { echo "0404$(sha256sum <"$ROOT/$1" | cut -d' ' -f1)"; }

# make_root [upgrade|evm]
make_root() {
    local path n
    root_skeleton
    # The quote is made in the guest.
    program "$(command -v tpm2)"
    tpm_transport "$(command -v tpm2)"

    # Modules loaded from the root file system: measured by MODULE_CHECK.
    MODSEEN='' MODPATHS=''
    module_order loop nls_ascii
    for path in $MODPATHS; do cp "$path" "$ROOT/lib/modules/"; done

    # Plain files that root reads.
    echo hallmark-guest >"$ROOT/etc/hostname"
    printf 'ID=hallmark-guest\nVERSION_ID=1\n' >"$ROOT/etc/os-release"
    echo 'This machine exists to be measured.' >"$ROOT/etc/motd"
    : >"$ROOT/srv/empty"
    mkdir -p "$ROOT/srv/two words"
    echo 'a path with spaces' >"$ROOT/srv/two words/read me.txt"
    printf 'a name in UTF-8\n' >"$ROOT/srv/"$'gr\xc3\xbc\xc3\x9fe.txt'
    n=$(printf 'd%.0s' {1..120})
    mkdir -p "$ROOT/srv/$n/$n"
    echo 'a path longer than 255 bytes' >"$ROOT/srv/$n/$n/long-path.txt"
    for n in 01 02 03 04 05 06 07 08; do
        mkdir -p "$ROOT/srv/data"
        echo "data file $n" >"$ROOT/srv/data/$n.conf"
    done
    echo 'read by nobody only: the tcb policy does not measure this' >"$ROOT/srv/user-only.txt"
    echo 'written while open for reading' >"$ROOT/srv/tomtou.txt"
    echo 'read while open for writing' >"$ROOT/srv/writers.txt"
    echo 'first contents' >"$ROOT/var/log/changing.log"
    echo 'signed with SHA-512' >"$ROOT/srv/signed-sha512.txt"

    # Small programs.
    for n in alpha beta gamma delta epsilon zeta; do
        echo "echo program $n" | script "usr/bin/$n"
    done
    echo 'echo run with a space in the path' | script 'usr/bin/run me'
    echo 'echo signed with SHA-256' | script usr/bin/signed-sha256
    echo 'read -r x </srv/user-only.txt; echo "uid $(id -u): $x"' | script usr/bin/as-nobody

    # What the machine does after it has booted, in this order.
    script etc/init.d/10-identity <<'GUEST'
cat /etc/os-release /etc/motd
hostname -F /etc/hostname
GUEST
    script etc/init.d/20-modules <<'GUEST'
for m in /lib/modules/*.ko; do insmod "$m"; done
GUEST
    script etc/init.d/30-programs <<'GUEST'
for p in alpha beta gamma delta epsilon zeta "run me" signed-sha256; do "$p"; done
alpha
start-stop-daemon -S -c 65534:65534 -x /usr/bin/as-nobody
GUEST
    script etc/init.d/40-files <<'GUEST'
cat /srv/data/*.conf /srv/empty "/srv/two words/read me.txt" /srv/gr*.txt
cat /srv/d*/d*/long-path.txt /srv/signed-sha512.txt
GUEST
    script etc/init.d/50-changing <<'GUEST'
# The same path is measured again after its contents have changed.
cat /var/log/changing.log
echo "second contents" >>/var/log/changing.log
cat /var/log/changing.log
GUEST
    script etc/init.d/60-violations <<'GUEST'
# ToMToU: opened for writing while a reader holds the measured file.
exec 3</srv/tomtou.txt
exec 4>>/srv/tomtou.txt
echo more >&4
exec 3<&- 4>&-
cat /srv/tomtou.txt
# open_writers: opened for reading while a writer holds it.
exec 4>>/srv/writers.txt
cat /srv/writers.txt
exec 4>&-
cat /srv/writers.txt
GUEST
    [ "${1:-}" != upgrade ] || script etc/init.d/70-upgrade <<'GUEST'
# As a package manager does it: the new content beside the old, and then
# renamed over it.  Both versions have been run since the machine started.
for p in alpha beta; do
    sed 's/program/version 2 of program/' /usr/bin/$p >/usr/bin/$p.dpkg-new
    chmod 755 /usr/bin/$p.dpkg-new
    mv /usr/bin/$p.dpkg-new /usr/bin/$p
    "$p"
done
GUEST
    if [ "${1:-}" = evm ]; then
        echo 'echo signed with its owner and mode' | script usr/bin/evm-hash
        echo 'echo signed twice' | script usr/bin/evm-ima
        echo 'echo signed with a label' | script usr/bin/evm-label
        echo 'echo signed for another owner' | script usr/bin/evm-moved
        script etc/init.d/70-evm <<'GUEST'
for p in evm-hash evm-ima evm-label evm-moved; do "$p"; done
GUEST
    fi
    { cat <<'GUEST'; cat "$VM_HERE/guest/carry-out"; } | script etc/init.d/90-collect
# Copy the logs, the PCRs and a quote to the scratch disk.  Everything is
# written to tmpfs, which the policy does not measure.
o=/tmp/out
ima=/sys/kernel/security/ima
mkdir -p $o/quote
cd /tmp
export TPM2TOOLS_TCTI=device:/dev/tpmrm0

pcrs() {
    for d in /sys/class/tpm/tpm0/pcr-*; do
        i=0
        while [ $i -lt 24 ]; do
            read -r h <"$d/$i"
            echo "${d##*/pcr-} $i $h"
            i=$((i + 1))
        done
    done | tr A-F a-f
}

sel=
for d in /sys/class/tpm/tpm0/pcr-sha*; do
    case $d in *sha256|*sha384) sel="$sel+${d##*/pcr-}:0,1,2,3,4,5,6,7,8,9,10,11,14" ;; esac
done
sel=${sel#+}
nonce=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
echo "$nonce" >$o/quote/nonce.hex
tpm2 createek -Q -G rsa -c ek.ctx -u $o/quote/ek.pub
tpm2 createak -Q -C ek.ctx -c ak.ctx -G rsa -g sha256 -s rsassa -u $o/quote/ak.pub -n $o/quote/ak.name
tpm2 readpublic -Q -c ak.ctx -f pem -o $o/quote/ak.pem

# PCR 10, the IMA list and the quote have to belong together: repeat until
# nothing has been measured between the first and the last read.  The first
# round also gets every program used here measured.
try=0
while :; do
    try=$((try + 1))
    pcrs >$o/pcrs.txt
    read -r n1 <$ima/runtime_measurements_count
    tpm2 quote -Q -c ak.ctx -l "$sel" -q "$nonce" -g sha256 \
        -m $o/quote/quote.msg -s $o/quote/quote.sig -o $o/quote/quote.pcrs
    cat $ima/binary_runtime_measurements >$o/ima.bin
    cat $ima/ascii_runtime_measurements >$o/ima.ascii
    read -r n2 <$ima/runtime_measurements_count
    pcrs >pcrs.after
    [ $try -gt 1 ] && [ "$n1" = "$n2" ] && cmp -s $o/pcrs.txt pcrs.after && break
    [ $try -lt 20 ] || { echo "GUEST: the IMA list does not come to rest"; break; }
done
read -r v <$ima/violations
cat /sys/kernel/security/tpm0/binary_bios_measurements >$o/eventlog.bin
{
    echo "kernel $(uname -r)"
    echo "cmdline $(cat /proc/cmdline)"
    echo "ima-entries $n2"
    echo "ima-violations $v"
    echo "rounds $try"
    echo "quote-selection $sel"
} >$o/guest.txt
cd $o
GUEST

    # Files with a signature, made with a key that nobody keeps.
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 \
        -out "$WORK/ima-key.pem" 2>/dev/null
    openssl pkey -in "$WORK/ima-key.pem" -pubout -out "$WORK/ima-key.pub.pem"
    : >"$WORK/debugfs.cmds"
    sign_file usr/bin/signed-sha256 sha256 4
    sign_file srv/signed-sha512.txt sha512 6

    if [ "${1:-}" = evm ]; then
        openssl ecparam -name prime256v1 -genkey -noout -out "$WORK/evm-key.pem"
        openssl pkey -in "$WORK/evm-key.pem" -pubout -out "$WORK/evm-key.pub.pem"
        sign_file usr/bin/evm-ima sha256 4
        evm_sign usr/bin/evm-hash 0 0 755 "$(sha256_xattr usr/bin/evm-hash)"
        evm_sign usr/bin/evm-ima 1000 1001 755 "$(xxd -p "$WORK/sig.evm-ima" | tr -d '\n')"
        evm_sign usr/bin/evm-label 0 0 755 "$(sha256_xattr usr/bin/evm-label)" system_u:object_r:bin_t:s0
        evm_sign usr/bin/evm-moved 1000 0 755 "$(sha256_xattr usr/bin/evm-moved)"
        echo 'sif /usr/bin/evm-moved uid 0' >>"$WORK/debugfs.cmds"
        rm -f "$WORK/evm-key.pem"
    fi
    root_image "$WORK/root.img" 64M
    debugfs -w -f "$WORK/debugfs.cmds" "$WORK/root.img" >"$WORK/debugfs.log" 2>&1
    rm -f "$WORK/ima-key.pem"
}

# --------------------------------------------------------------- recording --

# secure_disk DIR CMDLINE uki|own - variables with keys, and a disk with a
# unified kernel image that one of them signed.  With uki that key is Debian's
# test key, which everybody has: the machine only has to log what Secure Boot
# makes it log.
secure_disk() {
    local d=$1 key=$1/db.key cert=$1/db.crt
    if [ "$3" = own ]; then
        own_keys "$d"
        own_variables "$d" "$d/vars.fd"
    else
        key=$d/key.pem cert=$SB_CERT
        openssl rsa -in "$SB_KEY" -passin pass:snakeoil -out "$key" 2>/dev/null || die "cannot read $SB_KEY"
        cp "$SB_VARS" "$d/vars.fd"
    fi
    make_uki "$d/uki.efi" "$2" "$WORK/initramfs.gz"
    sign_uki "$d/uki.efi" "$d/signed.efi" "$key" "$cert"
    make_boot_disk "$d/boot.img" "$d/signed.efi"
    rm -f "$d"/*.key "$d/key.pem"
}

# boot NAME BANKS CMDLINE [uki|own] - run one machine and unpack what it recorded.
# The kernel is given to the firmware by QEMU, or comes from a disk as a UKI.
boot() {
    local name=$1 banks=$2 cmdline=$3 dir=$WORK/run-$1
    say "$name: banks $banks, command line: $cmdline"
    rm -rf "$dir"
    mkdir -p "$dir/tpm" "$dir/got"
    if [ -n "${4:-}" ]; then
        secure_disk "$dir" "$cmdline" "$4"
        firmware "$SB_CODE" "$dir/vars.fd"
    else
        cp "$OVMF_VARS" "$dir/vars.fd"
        firmware "$OVMF_CODE" "$dir/vars.fd"
        HOW+=(-kernel "$VMLINUZ" -initrd "$WORK/initramfs.gz" -append "$cmdline")
    fi
    chmod u+w "$dir/vars.fd"
    truncate -s 8M "$dir/scratch.img"

    timeout 60 swtpm_setup --tpm2 --tpmstate "$dir/tpm" --createek --lock-nvram \
        --pcr-banks "$banks" >"$dir/swtpm_setup.log" 2>&1 ||
        die "swtpm_setup failed, see $dir/swtpm_setup.log"
    machine_boot "$dir" "$dir/tpm" "${HOW[@]}" \
        -drive "if=virtio,format=raw,snapshot=on,file=$WORK/root.img" \
        -drive "if=virtio,format=raw,file=$dir/scratch.img" \
        ${4:+-drive "if=virtio,format=raw,file=$dir/boot.img"}
    carried_out "$dir" "$dir/scratch.img" "$dir/got"
    ! grep -q 'does not come to rest' "$dir/console.log" || die "$name: IMA list inconsistent"
    (cd "$dir/got/quote" && tpm2 checkquote -Q -u ak.pem -m quote.msg -s quote.sig \
        -f quote.pcrs -g sha256 -q "$(cat nonce.hex)") || die "$name: bad quote"

    # Only these templates have the files' signatures in the list.
    if grep -q ' ima-sig \| evm-sig ' "$dir/got/ima.ascii"; then
        cp "$WORK/ima-key.pub.pem" "$dir/got/ima-key.pub.pem"
    fi
    if grep -q ' evm-sig ' "$dir/got/ima.ascii"; then
        cp "$WORK/evm-key.pub.pem" "$dir/got/evm-key.pub.pem"
    fi
    rm -rf "${OUT:?}/$name"
    mkdir "$OUT/$name"
    cp -R "$dir/got/." "$OUT/$name/"
    chmod -R u=rwX,go=rX "$OUT/$name"
    say "$name: $(tr '\n' ' ' <"$OUT/$name/guest.txt")"
}

unpack_kernel
say "kernel $KVER"
# ext4 asks for crc32c and IMA for sha512 (one file is signed with it); there is
# no modprobe, so both have to be there before.
make_initramfs "$WORK/initramfs.gz" crc32c_generic sha512_generic virtio_pci virtio_blk ext4
make_root

BASE="console=ttyS0 panic=-1 quiet ima_policy=tcb"
for v in $VECTORS; do
    case $v in
    q35-sha256)    boot "$v" sha256             "$BASE" ;;
    q35-multibank) boot "$v" sha1,sha256,sha384 "$BASE" ;;
    q35-ima-ng)    boot "$v" sha256             "$BASE ima_template=ima-ng" ;;
    q35-ima)       boot "$v" sha1,sha256        "$BASE ima_template=ima ima_hash=sha1" ;;
    q35-cmdline)   boot "$v" sha256             "$BASE debug" ;;
    q35-secureboot-uki) boot "$v" sha256,sha384 "$BASE" uki ;;
    q35-secureboot-own) boot "$v" sha256        "$BASE" own ;;
    q35-upgrade)   make_root upgrade; boot "$v" sha256 "$BASE"; make_root ;;
    q35-evm-sig)   make_root evm; boot "$v" sha256 "$BASE no_timer_check ima_template=evm-sig"; make_root ;;
    *) die "unknown vector $v" ;;
    esac
done
say "done"
