# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# machine.sh - virtual machines whose boot is really measured; sourced by the
# scripts that build, boot and record them.
#
# QEMU's q35 without acceleration, so that it runs everywhere; UEFI firmware
# (OVMF) and a software TPM (swtpm); the distribution's stock kernel from its
# package; a root file system of busybox and what the caller puts into it.
# Nothing here needs root, and nothing is downloaded: scripts/deps.sh vm does.
#
# Set by the caller: WORK, the folder for everything that is made.
# May be set in the environment:
#   KERNEL_DEB   a linux-image-*.deb to use instead of the one that was fetched
#   OVMF_CODE, OVMF_VARS   firmware image and its empty variable store
#   SB_CODE      firmware image that enforces Secure Boot
#   BARE_BIOS    firmware that starts a kernel and measures nothing
#   STUB         the UEFI stub of unified kernel images
#   BOOT_TIMEOUT seconds that a machine may run (default 240)
#   MEMORY       its MiB of memory (default 512)

export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
VM_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VM_FETCHED=${HALLMARK_VM:-$VM_HERE/../../target/vm}
OVMF_CODE=${OVMF_CODE:-/usr/share/OVMF/OVMF_CODE_4M.fd}
OVMF_VARS=${OVMF_VARS:-/usr/share/OVMF/OVMF_VARS_4M.fd}
SB_CODE=${SB_CODE:-/usr/share/OVMF/OVMF_CODE_4M.secboot.fd}
BARE_BIOS=${BARE_BIOS:-/usr/share/qemu/qboot.rom}
STUB=${STUB:-/usr/lib/systemd/boot/efi/linuxx64.efi.stub}
BOOT_TIMEOUT=${BOOT_TIMEOUT:-240}
MEMORY=${MEMORY:-512}
# On a host with much to do the emulated timer comes late, and the kernel's test
# of it ends in a panic (IO-APIC + timer doesn't work).
# shellcheck disable=SC2034
CMDLINE="console=ttyS0 panic=-1 quiet no_timer_check ima_policy=tcb"

say() { printf '%s\n' "${0##*/}: $*" >&2; }
die() { say "error: $*"; exit 1; }

# ------------------------------------------------------ programs and files --

need() { # need PROGRAM...
    local program
    for program; do
        command -v "$program" >/dev/null ||
            die "$program is missing; install what the virtual machine needs: scripts/deps.sh vm"
    done
}

need_file() { # need_file PATH...
    local file
    for file; do
        [ -r "$file" ] ||
            die "$file is missing; install what the virtual machine needs: scripts/deps.sh vm"
    done
}

need_machine() {
    need qemu-system-x86_64 swtpm busybox mke2fs debugfs cpio openssl dpkg timeout tar ldd
    need_file "$OVMF_CODE" "$OVMF_VARS"
    BUSYBOX=$(command -v busybox)
    if ldd "$BUSYBOX" >/dev/null 2>&1; then
        die "$BUSYBOX is not static (Debian package: busybox-static)"
    fi
}

need_secure_boot() {
    PATH=$VM_FETCHED/python/bin:$PATH
    need objcopy sbsign virt-fw-vars mkfs.vfat mcopy mmd sfdisk
    need_file "$STUB" "$SB_CODE"
}

# ------------------------------------------------------------------ cleanup --

SWTPM_PID=
QEMU_PID=

# A Unix socket's path holds at most 107 bytes, so sockets get a short home.
SOCKDIR=$(mktemp -d "${TMPDIR:-/tmp}/hmXXXXXX")
[ ${#SOCKDIR} -lt 90 ] || die "TMPDIR is too long a path for Unix sockets"

stop() { # stop PID - end a process that this script started, if it still runs
    [ -n "$1" ] || return 0
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

machine_cleanup() {
    stop "$QEMU_PID"
    stop "$SWTPM_PID"
    rm -rf "$SOCKDIR"
}
trap 'machine_cleanup' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Lists of paths are split at spaces below, and QEMU's options at commas.
plain_path() { # plain_path PATH
    case $1 in
    *[!A-Za-z0-9/._+-]*) die "strange characters in the path $1" ;;
    esac
}

# ------------------------------------------------------------------- kernel --

# Sets VMLINUZ, KVER and MODTREE.
unpack_kernel() {
    local deb=${KERNEL_DEB:-} tree=$WORK/kernel
    [ -n "$deb" ] || deb=$(find "$VM_FETCHED" -maxdepth 1 -name 'linux-image-*.deb' 2>/dev/null | sort | tail -n 1)
    [ -r "$deb" ] || die "no kernel package in $VM_FETCHED; fetch it: scripts/deps.sh vm"
    # Unpacking takes seconds; the package's name has its version.
    if [ "$(cat "$tree/from" 2>/dev/null)" != "${deb##*/}" ]; then
        rm -rf "$tree"
        dpkg -x "$deb" "$tree"
        echo "${deb##*/}" >"$tree/from"
    fi
    VMLINUZ=$(echo "$tree"/boot/vmlinuz-*)
    KVER=${VMLINUZ##*/vmlinuz-}
    MODTREE=$(find "$tree" -type d -path "*/lib/modules/$KVER/kernel")
    [ -r "$VMLINUZ" ] && [ -d "$MODTREE" ] || die "unexpected layout of $deb"
}

# module_order NAME... - adds to MODPATHS the paths of the modules and of what
# they depend on, in the order in which insmod has to load them.  (The package
# has no modules.dep; every module names its dependencies in its .modinfo.)
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

# ---------------------------------------------------------------- initramfs --

# make_initramfs OUT MODULE... - IMA's tcb policy ignores tmpfs and ramfs, so
# the initramfs only mounts the real root file system and hands over to it.
make_initramfs() {
    local out=$1 dir=$WORK/initramfs path n=10
    shift
    rm -rf "$dir"
    mkdir -p "$dir"/{bin,dev,proc,sys,newroot,modules}
    cp "$BUSYBOX" "$dir/bin/busybox"
    MODSEEN='' MODPATHS=''
    module_order "$@"
    for path in $MODPATHS; do
        cp "$path" "$dir/modules/$n-${path##*/}" # the number keeps the order
        n=$((n + 1))
    done
    cp "$VM_HERE/guest/initramfs-init" "$dir/init"
    chmod 755 "$dir/init"
    find "$dir" -exec touch -h -d @1700000000 {} +
    (cd "$dir" && find . | sort | cpio -o -H newc -R 0:0 --reproducible --quiet) |
        gzip -n -1 >"$out"
}

# --------------------------------------------------------- root file system --

# script PATH - make an executable of the root file system from stdin
script() {
    mkdir -p "$ROOT/$(dirname "$1")"
    { echo '#!/bin/sh'; cat; } >"$ROOT/$1"
    chmod 755 "$ROOT/$1"
}

# libraries PROGRAM - copy the libraries that a program of this system needs
libraries() {
    local f
    for f in $(ldd "$1" | grep -o '/[^ ]*'); do
        mkdir -p "$ROOT/$(dirname "$f")"
        cp -L "$f" "$ROOT/$f"
    done
}

# program PATH - copy a program of this system to the same place
program() {
    mkdir -p "$ROOT/$(dirname "$1")"
    cp -L "$1" "$ROOT/$1"
    libraries "$1"
}

# The TSS library loads its transport by name, so ldd does not list it.
tpm_transport() { # tpm_transport PROGRAM
    local folder
    folder=$(ldd "$1" | sed -n 's/.* \(\/.*\)\/libtss2-esys\..*/\1/p' | head -n 1)
    [ -r "$folder/libtss2-tcti-device.so.0" ] ||
        die "libtss2-tcti-device.so.0 is missing (Debian package: libtss2-tcti-device0)"
    program "$folder/libtss2-tcti-device.so.0"
}

# root_skeleton - folders, busybox, accounts and init
root_skeleton() {
    local applet
    ROOT=$WORK/root
    rm -rf "$ROOT"
    mkdir -p "$ROOT"/{bin,sbin,dev,proc,sys,tmp,etc/init.d,srv,var/log,usr/bin,lib/modules}
    cp "$BUSYBOX" "$ROOT/bin/busybox"
    for applet in $("$BUSYBOX" --list); do
        case $applet in busybox) ;; *) ln -s busybox "$ROOT/bin/$applet" ;; esac
    done
    printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$ROOT/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$ROOT/etc/group"
    script sbin/init <"$VM_HERE/guest/init"
}

# root_image OUT SIZE - ROOT as an ext4 image
root_image() {
    find "$ROOT" -exec touch -h -d @1700000000 {} +
    rm -f "$1"
    mke2fs -q -F -t ext4 -b 4096 -O ^has_journal -E root_owner=0:0,hash_seed=68616c6c-6d61-726b-0000-000000000002 \
        -U 68616c6c-6d61-726b-0000-000000000001 -d "$ROOT" "$1" "$2" >/dev/null
}

# -------------------------------------------- secure boot with own keys -------

# own_keys OUT - PK, KEK and db, .key and .crt, made anew
own_keys() {
    local name
    for name in PK KEK db; do
        openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 \
            -subj "/O=Hallmark test/CN=Hallmark test $name" \
            -keyout "$1/$name.key" -out "$1/$name.crt" 2>/dev/null || die "openssl made no key"
    done
}

# own_variables KEYS OUT - a variable store in which they are enrolled
own_variables() {
    local owner=48616c6c-6d61-726b-0000-00000000000a # for people only
    virt-fw-vars --input "$OVMF_VARS" --output "$2" --set-pk "$owner" "$1/PK.crt" \
        --add-kek "$owner" "$1/KEK.crt" --add-db "$owner" "$1/db.crt" --secure-boot >"$2.log" 2>&1 ||
        die "virt-fw-vars failed, see $2.log"
}

# ---------------------------------------------------- unified kernel images --

# make_uki OUT CMDLINE INITRD - kernel, initrd and command line in one file
make_uki() {
    local out=$1 d pe
    d=$(mktemp -d "$WORK/uki.XXXXXX")
    printf 'ID=hallmark-guest\nVERSION_ID=1\n' >"$d/osrel"
    printf '%s' "$2" >"$d/cmdline"
    # The addresses are those that systemd's documentation of its stub proposes.
    objcopy \
        --add-section .osrel="$d/osrel" --change-section-vma .osrel=0x20000 \
        --add-section .cmdline="$d/cmdline" --change-section-vma .cmdline=0x30000 \
        --add-section .linux="$VMLINUZ" --change-section-vma .linux=0x2000000 \
        --add-section .initrd="$3" --change-section-vma .initrd=0x3000000 \
        "$STUB" "$out"
    # objcopy puts the time of day into the PE header; without it the same
    # packages give the same PCR 4.
    pe=$(od -An -tu4 -j60 -N4 "$out" | tr -d ' ')
    printf '\0\0\0\0' | dd of="$out" bs=1 seek=$((pe + 8)) conv=notrunc status=none
    rm -rf "$d"
}

# sign_uki IN OUT KEY CERT - the stub has gaps between its sections, of which
# sbsign warns.
sign_uki() {
    sbsign --key "$3" --cert "$4" --output "$2" "$1" 2>"$2.log" || die "sbsign failed, see $2.log"
}

# make_boot_disk OUT EFI - a GPT disk whose EFI system partition starts EFI
make_boot_disk() {
    local d
    d=$(mktemp -d "$WORK/esp.XXXXXX")
    mkdir -p "$d/EFI/BOOT"
    cp "$2" "$d/EFI/BOOT/BOOTX64.EFI"
    make_esp_disk "$1" "$d" 40
    rm -rf "$d"
}

# make_esp_disk OUT FOLDER MIB - a GPT disk whose EFI system partition, of that
# many MiB, holds what the folder holds
make_esp_disk() {
    local esp=$1.esp
    rm -f "$1" "$esp"
    truncate -s "$3M" "$esp"
    mkfs.vfat -i 48414c4c -n ESP "$esp" >/dev/null
    mcopy -s -i "$esp" "$2"/* ::
    truncate -s "$(($3 + 2))M" "$1"
    printf '%s\n' 'label: gpt' 'label-id: 68616C6C-6D61-726B-0000-000000000003' \
        "start=2048, size=$(($3 * 2048)), type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=68616C6C-6D61-726B-0000-000000000004, name=ESP" |
        sfdisk -q "$1"
    dd if="$esp" of="$1" bs=1M seek=1 conv=notrunc status=none
    rm "$esp"
}

# ------------------------------------------------------------------ booting --

# machine_boot RUN TPM QEMU-OPTION... - boot a machine with the TPM whose state
# is in the folder TPM, and wait until it has switched itself off.  RUN keeps
# console.log and the other logs.
machine_boot() {
    local run=$1 tpm=$2 sock=$SOCKDIR/tpm i
    shift 2
    rm -f "$sock"
    timeout "$((BOOT_TIMEOUT + 30))" swtpm socket --tpm2 --tpmstate "dir=$tpm" \
        --ctrl "type=unixio,path=$sock" >"$run/swtpm.log" 2>&1 &
    SWTPM_PID=$!
    for ((i = 0; i < 100; i++)); do [ -S "$sock" ] && break; sleep 0.1; done
    [ -S "$sock" ] || die "swtpm does not listen, see $run/swtpm.log"
    timeout "$BOOT_TIMEOUT" qemu-system-x86_64 \
        "$@" -accel tcg -cpu max -m "$MEMORY" -no-reboot \
        -display none -vga none -nic none -monitor none -serial "file:$run/console.log" \
        -chardev "socket,id=tpmchr,path=$sock" \
        -tpmdev emulator,id=tpm0,chardev=tpmchr -device tpm-tis,tpmdev=tpm0 \
        </dev/null >"$run/qemu.log" 2>&1 &
    QEMU_PID=$!
    # Firmware that finds nothing it may start waits for a key, for ever.
    until ! kill -0 "$QEMU_PID" 2>/dev/null; do
        if grep -aq 'No bootable option' "$run/console.log" 2>/dev/null; then
            stop "$QEMU_PID"
            QEMU_PID=
            die "the firmware started nothing: $(tr '\r\033' '\n\n' <"$run/console.log" | grep -ao 'BdsDxe: failed.*' | tr '\n' ' ')"
        fi
        sleep 0.2
    done
    wait "$QEMU_PID" || die "the machine failed or took longer than $BOOT_TIMEOUT s, see $run/qemu.log and console.log"
    QEMU_PID=
    stop "$SWTPM_PID"
    SWTPM_PID=
}

# Options for machine_boot: the firmware with its variable store (which is
# written to), and how the kernel is started.
firmware() { # firmware CODE VARS - OVMF
    HOW=(-drive "if=pflash,format=raw,unit=0,readonly=on,file=$1"
        -drive "if=pflash,format=raw,unit=1,file=$2")
    if [ "$1" = "$SB_CODE" ]; then
        HOW+=(-machine "q35,smm=on" -global "driver=cfi.pflash01,property=secure,value=on")
    else
        HOW+=(-machine q35)
    fi
}

# carried_out RUN SCRATCH OUT - unpack what the guest wrote to its scratch disk;
# it told the console the hash of its list of hashes.
carried_out() {
    local said have
    said=$(tr -d '\r' <"$1/console.log" | sed -n 's/^GUEST-SUMS //p')
    [ -n "$said" ] || die "the machine carried nothing out, see $1/console.log"
    tar -xmf "$2" -C "$3"
    have=$(sha256sum <"$3/SHA256SUMS" | cut -d' ' -f1)
    [ "$said" = "$have" ] && (cd "$3" && sha256sum --quiet -c SHA256SUMS) ||
        die "what the machine carried out is damaged, see $1"
    rm "$3/SHA256SUMS"
}
