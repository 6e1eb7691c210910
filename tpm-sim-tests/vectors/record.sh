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
# WORKDIR (default: a new directory, removed at the end) keeps the downloaded
# kernel, the disk images and the console logs.  Nothing here needs root.
#
# Environment:
#   KERNEL_DEB   a linux-image-*.deb to use instead of downloading one
#   VECTORS      names of the vectors to record (default: all)
#   OVMF_CODE, OVMF_VARS        firmware images
#   SB_CODE, SB_VARS, SB_KEY, SB_CERT   firmware images with Secure Boot, and
#                the (public, insecure) test key that SB_VARS trusts
#   BOOT_TIMEOUT seconds a machine may run (default 240)

set -euo pipefail
export LC_ALL=C

OUT=${1:-}
WORK=${2:-}
VECTORS=${VECTORS:-q35-sha256 q35-multibank q35-ima-ng q35-ima q35-cmdline q35-secureboot-uki}
OVMF_CODE=${OVMF_CODE:-/usr/share/OVMF/OVMF_CODE_4M.fd}
OVMF_VARS=${OVMF_VARS:-/usr/share/OVMF/OVMF_VARS_4M.fd}
SB_CODE=${SB_CODE:-/usr/share/OVMF/OVMF_CODE_4M.secboot.fd}
SB_VARS=${SB_VARS:-/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd}
SB_KEY=${SB_KEY:-/usr/share/ovmf/PkKek-1-snakeoil.key}
SB_CERT=${SB_CERT:-/usr/share/ovmf/PkKek-1-snakeoil.pem}
STUB=${STUB:-/usr/lib/systemd/boot/efi/linuxx64.efi.stub}
BOOT_TIMEOUT=${BOOT_TIMEOUT:-240}

say() { printf '%s\n' "record: $*" >&2; }
die() { say "error: $*"; exit 1; }

[ -n "$OUT" ] || die "usage: ${0##*/} OUTDIR [WORKDIR]"

# ---------------------------------------------------------------- programs --

need() { # need PROGRAM PACKAGE
    PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ||
        die "$1 is missing (Debian package: $2)"
}
need qemu-system-x86_64 qemu-system-x86
need swtpm              swtpm
need swtpm_setup        swtpm-tools
need tpm2               tpm2-tools
need busybox            busybox-static
need mke2fs             e2fsprogs
need debugfs            e2fsprogs
need cpio               cpio
need openssl            openssl
need dpkg               dpkg
need timeout            coreutils
need tar                tar
need ldd                libc-bin
[ -r "$OVMF_CODE" ] && [ -r "$OVMF_VARS" ] ||
    die "no UEFI firmware image (Debian package: ovmf)"
case $VECTORS in
*uki*)
    need objcopy   binutils
    need sbsign    sbsigntool
    need mkfs.vfat dosfstools
    need mcopy     mtools
    need sfdisk    fdisk
    [ -r "$STUB" ] || die "no UEFI stub (Debian package: systemd-boot-efi)"
    [ -r "$SB_CODE" ] && [ -r "$SB_VARS" ] && [ -r "$SB_KEY" ] ||
        die "no firmware image with Secure Boot (Debian package: ovmf)"
    ;;
esac
PATH=$PATH:/usr/sbin:/sbin

BUSYBOX=$(command -v busybox)
if ldd "$BUSYBOX" >/dev/null 2>&1; then
    die "$BUSYBOX is not static (Debian package: busybox-static)"
fi

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

# A Unix socket's path holds at most 107 bytes, so sockets get a short home.
SOCKDIR=$(mktemp -d "${TMPDIR:-/tmp}/hmXXXXXX")
[ ${#SOCKDIR} -lt 90 ] || die "TMPDIR is too long a path for Unix sockets"

# Lists of paths are split at spaces below, and QEMU's options at commas.
case $WORK$SOCKDIR in
*[!A-Za-z0-9/._+-]*) die "strange characters in the path of the work directory" ;;
esac

SWTPM_PID=
QEMU_PID=

stop() { # stop PID - end a process this script started, if it still runs
    [ -n "$1" ] || return 0
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

cleanup() {
    status=$?
    stop "$QEMU_PID"
    stop "$SWTPM_PID"
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

# ------------------------------------------------------------------ kernel --

fetch_kernel() {
    if [ -n "${KERNEL_DEB:-}" ]; then
        DEB=$KERNEL_DEB
    else
        mkdir -p "$WORK/deb"
        DEB=$(find "$WORK/deb" -name 'linux-image-*.deb' | head -n 1)
        if [ -z "$DEB" ]; then
            # The meta package depends on the package that has the kernel.
            real=$(apt-cache depends linux-image-amd64 |
                sed -n 's/^ *Depends: *\(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
            [ -n "$real" ] || die "linux-image-amd64 is unknown; run apt-get update"
            say "downloading $real"
            (cd "$WORK/deb" && timeout 300 apt-get -q download "$real" >&2)
            DEB=$(find "$WORK/deb" -name 'linux-image-*.deb' | head -n 1)
        fi
    fi
    [ -r "$DEB" ] || die "no kernel package"
    KTREE=$WORK/kernel
    rm -rf "$KTREE"
    dpkg -x "$DEB" "$KTREE"
    VMLINUZ=$(echo "$KTREE"/boot/vmlinuz-*)
    KVER=${VMLINUZ##*/vmlinuz-}
    MODTREE=$(find "$KTREE" -type d -path "*/lib/modules/$KVER/kernel")
    [ -r "$VMLINUZ" ] && [ -d "$MODTREE" ] || die "unexpected layout of $DEB"
}

# module_order NAME... - paths of the modules and of what they depend on, in
# the order in which insmod has to load them.  (The package has no
# modules.dep; every module names its dependencies in its .modinfo section.)
module_order() {
    local name path dep
    for name in "$@"; do
        case " $MODSEEN " in *" $name "*) continue ;; esac
        MODSEEN="$MODSEEN $name"
        # A module's name has '_' where its file may have '-'.
        path=$(find "$MODTREE" -name "$(printf %s "$name" | sed 's/[_-]/[_-]/g').ko" | head -n 1)
        [ -n "$path" ] || { # built in: nothing to load
            grep -q "/$name\.ko$" "$MODTREE/../modules.builtin" && continue
            die "kernel module $name not found"
        }
        for dep in $(tr '\0' '\n' <"$path" | sed -n 's/^depends=//p' | tr ',' ' '); do
            module_order "$dep"
        done
        MODPATHS="$MODPATHS $path"
    done
}

# --------------------------------------------------------------- initramfs --

# IMA's tcb policy ignores tmpfs and ramfs, so the initramfs only mounts the
# real root file system and hands over to it.
make_initramfs() {
    local dir=$WORK/initramfs path n=10
    rm -rf "$dir"
    mkdir -p "$dir"/{bin,dev,proc,sys,newroot,modules}
    cp "$BUSYBOX" "$dir/bin/busybox"
    MODSEEN='' MODPATHS=''
    # ext4 asks for crc32c and IMA for sha512 (one file is signed with it);
    # there is no modprobe, so both have to be there before.
    module_order crc32c_generic sha512_generic virtio_pci virtio_blk ext4
    for path in $MODPATHS; do
        cp "$path" "$dir/modules/$n-${path##*/}" # the number keeps the order
        n=$((n + 1))
    done
    cat >"$dir/init" <<'GUEST'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
for m in /modules/*; do $b insmod "$m" || echo "GUEST: insmod $m failed"; done
i=0
while ! [ -b /dev/vda ] && [ $i -lt 100 ]; do $b usleep 50000; i=$((i + 1)); done
$b mount -t ext4 /dev/vda /newroot || { echo "GUEST: no root"; $b poweroff -f; }
for d in proc sys dev; do $b mount --move /$d /newroot/$d; done
exec $b switch_root /newroot /sbin/init
GUEST
    chmod 755 "$dir/init"
    find "$dir" -exec touch -h -d @1700000000 {} +
    (cd "$dir" && find . | sort | cpio -o -H newc -R 0:0 --reproducible --quiet) |
        gzip -n -1 >"$WORK/initramfs.gz"
}

# -------------------------------------------------------------------- root --

# script PATH - make an executable of the root file system from stdin
script() {
    mkdir -p "$ROOT/$(dirname "$1")"
    { echo '#!/bin/sh'; cat; } >"$ROOT/$1"
    chmod 755 "$ROOT/$1"
}

# program PATH - copy a program of this system with the libraries it needs
program() {
    local f
    for f in "$1" $(ldd "$1" | grep -o '/[^ ]*'); do
        mkdir -p "$ROOT/$(dirname "$f")"
        cp -L "$f" "$ROOT/$f"
    done
}

# sign_file PATH HASH HASH-ID - make a version 2 IMA signature of a file and
# queue it for the security.ima attribute.  Layout: type 3, version 2, hash
# algorithm, key id (last 4 bytes of the SHA-1 of the PKCS#1 public key),
# 16-bit signature size, signature.
sign_file() {
    local sig=$WORK/sig.$2
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

make_root() {
    local applet path tcti n
    ROOT=$WORK/root
    rm -rf "$ROOT"
    mkdir -p "$ROOT"/{bin,sbin,dev,proc,sys,tmp,etc/init.d,srv,var/log,usr/bin,lib/modules}
    cp "$BUSYBOX" "$ROOT/bin/busybox"
    for applet in $("$BUSYBOX" --list); do
        case $applet in busybox) ;; *) ln -s busybox "$ROOT/bin/$applet" ;; esac
    done

    # The quote is made in the guest.  The library loads its transport
    # (libtss2-tcti-device) by name, so ldd does not list it.
    program "$(command -v tpm2)"
    tcti=$(ldd "$(command -v tpm2)" | sed -n 's/.* \(\/.*\)\/libtss2-esys\..*/\1/p' | head -n 1)
    [ -r "$tcti/libtss2-tcti-device.so.0" ] ||
        die "libtss2-tcti-device.so.0 is missing (Debian package: libtss2-tcti-device0)"
    program "$tcti/libtss2-tcti-device.so.0"

    # Modules loaded from the root file system: measured by MODULE_CHECK.
    MODSEEN='' MODPATHS=''
    module_order loop nls_ascii
    for path in $MODPATHS; do cp "$path" "$ROOT/lib/modules/"; done

    # Plain files that root reads.
    printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$ROOT/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$ROOT/etc/group"
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
    script etc/init.d/90-collect <<'GUEST'
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
find . -type f | sort | xargs sha256sum >/tmp/SHA256SUMS
mv /tmp/SHA256SUMS .
tar -cf /dev/vdb .
sync
echo "GUEST-SUMS $(sha256sum <SHA256SUMS | cut -d' ' -f1)"
GUEST
    script sbin/init <<'GUEST'
export PATH=/bin:/usr/bin
exec </dev/console >/dev/console 2>&1
mount -t tmpfs tmpfs /tmp
mount -t securityfs securityfs /sys/kernel/security
for s in /etc/init.d/*; do echo "GUEST: $s"; "$s"; done
mount -o remount,ro /
poweroff -f
GUEST

    # Files with a signature, made with a key that nobody keeps.
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 \
        -out "$WORK/ima-key.pem" 2>/dev/null
    openssl pkey -in "$WORK/ima-key.pem" -pubout -out "$WORK/ima-key.pub.pem"
    : >"$WORK/debugfs.cmds"
    sign_file usr/bin/signed-sha256 sha256 4
    sign_file srv/signed-sha512.txt sha512 6

    find "$ROOT" -exec touch -h -d @1700000000 {} +
    rm -f "$WORK/root.img"
    mke2fs -q -F -t ext4 -b 4096 -O ^has_journal -E root_owner=0:0,hash_seed=68616c6c-6d61-726b-0000-000000000002 \
        -U 68616c6c-6d61-726b-0000-000000000001 -d "$ROOT" "$WORK/root.img" 64M >/dev/null
    debugfs -w -f "$WORK/debugfs.cmds" "$WORK/root.img" >"$WORK/debugfs.log" 2>&1
    rm -f "$WORK/ima-key.pem"
}

# --------------------------------------------------- unified kernel image --

# make_uki DISK CMDLINE - a GPT disk whose EFI system partition has a signed
# unified kernel image as the default boot loader.  That the key is not secret
# does not matter: the machine only has to log what Secure Boot makes it log.
make_uki() {
    local disk=$1 d=$WORK/uki pe
    rm -rf "$d"
    mkdir -p "$d"
    printf 'ID=hallmark-guest\nVERSION_ID=1\n' >"$d/osrel"
    printf '%s' "$2" >"$d/cmdline"
    # The addresses are those systemd's documentation of its stub proposes.
    objcopy \
        --add-section .osrel="$d/osrel" --change-section-vma .osrel=0x20000 \
        --add-section .cmdline="$d/cmdline" --change-section-vma .cmdline=0x30000 \
        --add-section .linux="$VMLINUZ" --change-section-vma .linux=0x2000000 \
        --add-section .initrd="$WORK/initramfs.gz" --change-section-vma .initrd=0x3000000 \
        "$STUB" "$d/uki.efi"
    # objcopy puts the time of day into the PE header; without it the same
    # packages give the same PCR 4.
    pe=$(od -An -tu4 -j60 -N4 "$d/uki.efi" | tr -d ' ')
    printf '\0\0\0\0' |
        dd of="$d/uki.efi" bs=1 seek=$((pe + 8)) conv=notrunc status=none
    openssl rsa -in "$SB_KEY" -passin pass:snakeoil -out "$d/key.pem" 2>/dev/null ||
        die "cannot read $SB_KEY"
    # The stub has gaps between its sections, of which sbsign warns.
    sbsign --key "$d/key.pem" --cert "$SB_CERT" --output "$d/signed.efi" \
        "$d/uki.efi" 2>"$d/sbsign.log" || die "sbsign failed, see $d/sbsign.log"
    truncate -s 40M "$d/esp.img"
    mkfs.vfat -i 48414c4c -n ESP "$d/esp.img" >/dev/null
    mmd -i "$d/esp.img" ::EFI ::EFI/BOOT
    mcopy -i "$d/esp.img" "$d/signed.efi" ::EFI/BOOT/BOOTX64.EFI
    rm -f "$disk"
    truncate -s 42M "$disk"
    printf '%s\n' 'label: gpt' 'label-id: 68616C6C-6D61-726B-0000-000000000003' \
        'start=2048, size=81920, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=68616C6C-6D61-726B-0000-000000000004, name=ESP' |
        sfdisk -q "$disk"
    dd if="$d/esp.img" of="$disk" bs=1M seek=1 conv=notrunc status=none
}

# --------------------------------------------------------------- recording --

# boot NAME BANKS CMDLINE [uki] - run one machine and unpack what it recorded.
# The kernel is given to the firmware by QEMU, or comes from a disk as a UKI.
boot() {
    local name=$1 banks=$2 cmdline=$3 dir=$WORK/run-$1 sock=$SOCKDIR/$1 i said have
    local code=$OVMF_CODE vars=$OVMF_VARS
    local how=(-machine q35 -kernel "$VMLINUZ" -initrd "$WORK/initramfs.gz" -append "$cmdline")
    say "$name: banks $banks, command line: $cmdline"
    rm -rf "$dir"
    mkdir -p "$dir/tpm" "$dir/got"
    if [ "${4:-}" = uki ]; then
        code=$SB_CODE vars=$SB_VARS
        make_uki "$dir/boot.img" "$cmdline"
        how=(-machine "q35,smm=on" -global "driver=cfi.pflash01,property=secure,value=on")
    fi
    cp "$vars" "$dir/vars.fd"
    chmod u+w "$dir/vars.fd"
    cp --sparse=always "$WORK/root.img" "$dir/root.img"
    truncate -s 8M "$dir/scratch.img"

    timeout 60 swtpm_setup --tpm2 --tpmstate "$dir/tpm" --createek --lock-nvram \
        --pcr-banks "$banks" >"$dir/swtpm_setup.log" 2>&1 ||
        die "swtpm_setup failed, see $dir/swtpm_setup.log"
    timeout "$((BOOT_TIMEOUT + 30))" swtpm socket --tpm2 --tpmstate "dir=$dir/tpm" \
        --ctrl "type=unixio,path=$sock" >"$dir/swtpm.log" 2>&1 &
    SWTPM_PID=$!
    for ((i = 0; i < 100; i++)); do [ -S "$sock" ] && break; sleep 0.1; done
    [ -S "$sock" ] || die "swtpm does not listen, see $dir/swtpm.log"

    timeout "$BOOT_TIMEOUT" qemu-system-x86_64 \
        "${how[@]}" -accel tcg -cpu max -m 512 -no-reboot \
        -display none -vga none -nic none -monitor none -serial "file:$dir/console.log" \
        -drive if=pflash,format=raw,unit=0,readonly=on,file="$code" \
        -drive if=pflash,format=raw,unit=1,file="$dir/vars.fd" \
        -chardev "socket,id=tpmchr,path=$sock" \
        -tpmdev emulator,id=tpm0,chardev=tpmchr -device tpm-tis,tpmdev=tpm0 \
        -drive if=virtio,format=raw,file="$dir/root.img" \
        -drive if=virtio,format=raw,file="$dir/scratch.img" \
        ${4:+-drive if=virtio,format=raw,file="$dir/boot.img"} \
        </dev/null >"$dir/qemu.log" 2>&1 &
    QEMU_PID=$!
    wait "$QEMU_PID" || die "qemu failed or took too long, see $dir/qemu.log and console.log"
    QEMU_PID=
    stop "$SWTPM_PID"
    SWTPM_PID=

    # The guest told the console the hash of its list of hashes.
    said=$(tr -d '\r' <"$dir/console.log" | sed -n 's/^GUEST-SUMS //p')
    [ -n "$said" ] || die "the guest recorded nothing, see $dir/console.log"
    tar -xmf "$dir/scratch.img" -C "$dir/got"
    have=$(sha256sum <"$dir/got/SHA256SUMS" | cut -d' ' -f1)
    [ "$said" = "$have" ] || die "$name: the recording is damaged"
    (cd "$dir/got" && sha256sum --quiet -c SHA256SUMS) || die "$name: the recording is damaged"
    ! grep -q 'does not come to rest' "$dir/console.log" || die "$name: IMA list inconsistent"
    (cd "$dir/got/quote" && tpm2 checkquote -Q -u ak.pem -m quote.msg -s quote.sig \
        -f quote.pcrs -g sha256 -q "$(cat nonce.hex)") || die "$name: bad quote"

    # Only this template has the files' signatures in the list.
    if grep -q ' ima-sig ' "$dir/got/ima.ascii"; then
        cp "$WORK/ima-key.pub.pem" "$dir/got/ima-key.pub.pem"
    fi
    rm "$dir/got/SHA256SUMS"
    rm -rf "${OUT:?}/$name"
    mkdir "$OUT/$name"
    cp -R "$dir/got/." "$OUT/$name/"
    chmod -R u=rwX,go=rX "$OUT/$name"
    say "$name: $(tr '\n' ' ' <"$OUT/$name/guest.txt")"
}

fetch_kernel
say "kernel $KVER"
make_initramfs
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
    *) die "unknown vector $v" ;;
    esac
done
say "done"
