#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# record-systemd.sh - record boots of a machine whose systemd measures.
#
#   usage: record-systemd.sh OUTDIR PACKAGES HALLMARK [WORKDIR]
#
# PACKAGES is a folder with packages of a Debian that has systemd 257 or newer.
# They are unpacked, not installed, so that any Debian may be the host; its own
# apt fetches them (`apt-get download`), as does one with a private root
# (APT_CONFIG).  Needed are
#   systemd udev kmod mount busybox-static tpm2-tools linux-image-VERSION-amd64
#   systemd-boot-efi systemd-ukify systemd-repart python3-pefile
# and the libraries on which they depend; of newer ones systemd-tpm, too.
#
# systemd is the first process of the initrd and of the root file system, and
# everything that measures is its own: stub, boot loader, phases, machine id,
# file systems.  HALLMARK is the command, for the prediction and the evidence.
# The device's vector is made by HALLMARK itself, which also makes the factory.
# What is recorded is said in NOTES.md.  WORKDIR is as in record.sh.
#
# Environment, beside that of machine.sh: VECTORS, names of those to record.

set -euo pipefail
. "$(dirname "$0")/../vm/machine.sh"

usage() { die "usage: ${0##*/} OUTDIR PACKAGES HALLMARK [WORKDIR]"; }
[ $# -ge 3 ] || usage
OUT=$1 PACKAGES=$2 HALLMARK=$3 WORK=${4:-}
MEMORY=768
[ "$BOOT_TIMEOUT" != 240 ] || BOOT_TIMEOUT=900
need_machine
need_secure_boot
need swtpm_setup depmod xz zstd python3
[ -x "$HALLMARK" ] || usage
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
if [ -n "$WORK" ]; then mkdir -p "$WORK"; else WORK=$(mktemp -d); fi
WORK=$(cd "$WORK" && pwd)
plain_path "$WORK"

# ----------------------------------------------------- what the packages hold --

TREE=$WORK/tree
unpack_packages() {
    local deb dir
    KERNEL_DEB=$(find "$PACKAGES" -name 'linux-image-[0-9]*.deb' | sort | tail -n 1)
    [ -n "$KERNEL_DEB" ] || die "no linux-image-*.deb in $PACKAGES"
    unpack_kernel
    [ ! -e "$TREE/unpacked" ] || return 0
    rm -rf "$TREE"
    for dir in bin sbin lib lib64; do
        mkdir -p "$TREE/usr/$dir"
        ln -s "usr/$dir" "$TREE/$dir"
    done
    for deb in "$PACKAGES"/*.deb; do
        case $deb in */linux-image-*) ;; *) dpkg -x "$deb" "$TREE" ;; esac
    done
    touch "$TREE/unpacked"
}

# The version of the packages' systemd: vectors are named by it.
systemd_version() {
    find "$TREE/usr/lib/x86_64-linux-gnu/systemd" -name 'libsystemd-shared-[0-9]*.so' | sed 's/.*shared-\([0-9]*\).*/\1/'
}

# of_tree PROGRAM ARGUMENT... - run a program of the packages on this system
of_tree() {
    local program=$TREE/$1
    shift
    "$TREE/lib64/ld-linux-x86-64.so.2" \
        --library-path "$TREE/usr/lib/x86_64-linux-gnu:$TREE/usr/lib/x86_64-linux-gnu/systemd" "$program" "$@"
}

ukify() {
    # It asks systemd-measure for what it signs.
    mkdir -p "$WORK/tools"
    cat >"$WORK/tools/systemd-measure" <<EOF
#!/bin/sh
exec "$TREE/lib64/ld-linux-x86-64.so.2" --library-path \\
    "$TREE/usr/lib/x86_64-linux-gnu:$TREE/usr/lib/x86_64-linux-gnu/systemd" "$TREE/usr/lib/systemd/systemd-measure" "\$@"
EOF
    chmod 755 "$WORK/tools/systemd-measure"
    PYTHONPATH=$TREE/usr/lib/python3/dist-packages python3 "$TREE/usr/bin/ukify" build \
        --tools "$WORK/tools" --stub "$TREE/usr/lib/systemd/boot/efi/linuxx64.efi.stub" "$@" >"$WORK/ukify.log" 2>&1 ||
        die "ukify failed, see $WORK/ukify.log"
}

# ------------------------------------------------------------- file systems --

# kernel_modules DIR NAME... - modules with what they depend on, and their index
kernel_modules() {
    local to=$1/usr/lib/modules/$KVER name path
    shift
    mkdir -p "$to"
    cp "$MODTREE"/../modules.{builtin,order} "$to/"
    [ -e "$MODTREE/../modules.dep" ] || depmod -b "$(cd "$MODTREE/../../../.." && pwd)" "$KVER"
    for name; do
        grep -q "/$name\.ko" "$MODTREE/../modules.builtin" && continue
        for path in $(sed -n "s,^\(.*/$name\.ko[^:]*\):,\1,p" "$MODTREE/../modules.dep"); do
            mkdir -p "$to/$(dirname "$path")"
            cp "$MODTREE/../$path" "$to/$path"
        done
    done
    find "$to" -name '*.xz' -exec xz -d {} +
    depmod -b "${to%/usr/lib/modules/*}/usr" "$KVER" 2>/dev/null || depmod -b "${to%/lib/modules/*}/.." "$KVER"
}

# system DIR - a small system: systemd, its libraries, and a shell
system() {
    local dir=$1 applet
    rm -rf "$dir"
    mkdir -p "$dir"
    (cd "$TREE" && tar -c --exclude=./usr/share --exclude=./usr/lib/python3 --exclude=./usr/lib/systemd/boot \
        --exclude=./usr/lib/udev/hwdb.d --exclude=./usr/lib/systemd/catalog --exclude=./usr/lib/x86_64-linux-gnu/gconv \
        --exclude=./usr/lib/systemd/system-generators/systemd-hibernate-resume-generator \
        --exclude=./unpacked --exclude=./var .) | tar -x -C "$dir"
    mkdir -p "$dir"/{dev,proc,sys,run,tmp,var/log,var/lib,etc,root,srv,efi}
    for applet in sh cat cp mkdir find sort xargs sha256sum tar sync poweroff tr od head sleep env ls tail sed grep cmp dd wc mv rm uname; do
        [ -e "$dir/usr/bin/$applet" ] || ln -s busybox "$dir/usr/bin/$applet"
    done
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$dir/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\ntty:x:5:\ntss:x:101:\n' >"$dir/etc/group"
    printf 'ID=hallmark-guest\nVERSION_ID=%s\nNAME="Hallmark guest"\n' "$VERSION" >"$dir/usr/lib/os-release"
    ln -sf ../usr/lib/os-release "$dir/etc/os-release"
    rm -f "$dir/etc/machine-id"
    # What a machine without network, users and console has no use for.
    for unit in systemd-networkd systemd-network-generator systemd-timesyncd systemd-logind getty@ serial-getty@ console-getty \
        systemd-update-done systemd-random-seed systemd-journal-flush systemd-journal-catalog-update systemd-hwdb-update \
        systemd-sysusers systemd-tmpfiles-setup systemd-tmpfiles-setup-dev systemd-tmpfiles-setup-dev-early \
        systemd-firstboot ldconfig dbus systemd-user-sessions systemd-ask-password-console; do
        mkdir -p "$dir/etc/systemd/system"
        ln -s /dev/null "$dir/etc/systemd/system/$unit.service"
    done
}

make_initrd() { # make_initrd OUT
    local dir=$WORK/initrd
    system "$dir"
    rm -rf "$dir"/usr/bin/{tpm2*,tss2*,systemd-repart} "$dir"/usr/lib/systemd/{systemd-networkd,systemd-pcrlock,systemd-measure,systemd-storagetm}
    kernel_modules "$dir" virtio_pci virtio_blk ext4 efivarfs autofs4 crc32c_generic sha512_generic
    cp "$dir/usr/lib/os-release" "$dir/etc/initrd-release"
    echo uninitialized >"$dir/etc/machine-id"
    mkdir -p "$dir/sysroot"
    ln -s usr/lib/systemd/systemd "$dir/init"
    find "$dir" -exec touch -h -d @1700000000 {} +
    (cd "$dir" && find . | sort | cpio -o -H newc -R 0:0 --reproducible --quiet) | zstd -q -19 -f -o "$1"
}

make_root() { # make_root OUT
    ROOT=$WORK/root
    system "$ROOT"
    kernel_modules "$ROOT" virtio_pci virtio_blk ext4 efivarfs autofs4 crc32c_generic sha512_generic vfat nls_ascii nls_cp437
    echo "68616c6c6d61726b0000000000000$VERSION" >"$ROOT/etc/machine-id"
    echo hallmark-guest >"$ROOT/etc/hostname"
    printf '/dev/vda / ext4 rw,x-systemd.pcrfs 0 0\n/dev/vdc1 /efi vfat ro,x-systemd.pcrfs 0 0\n' >"$ROOT/etc/fstab"
    strip -g -o "$ROOT/usr/bin/hallmark" "$HALLMARK"
    { cat "$VM_HERE/../vectors/systemd-guest"; cat "$VM_HERE/guest/carry-out"; echo 'poweroff -f'; } | script usr/bin/record
    script usr/bin/golden <"$VM_HERE/../vectors/systemd-golden"
    cat >"$ROOT/etc/systemd/system/record.service" <<'UNIT'
[Unit]
Description=Record this boot
After=systemd-pcrphase.service systemd-pcrfs-root.service systemd-pcrfs@efi.service systemd-pcrmachine.service

[Service]
Type=oneshot
ExecStart=/usr/bin/record
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
UNIT
    # The same machine before its last phase: a device may be recorded, and may attest, at any time.
    cat >"$ROOT/etc/systemd/system/golden.service" <<'UNIT'
[Unit]
Description=Attest before the system is up
After=systemd-pcrphase-sysinit.service systemd-pcrfs-root.service systemd-pcrfs@efi.service systemd-pcrmachine.service
Before=systemd-pcrphase.service

[Service]
Type=oneshot
ExecStart=/usr/bin/golden early
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
UNIT
    mkdir -p "$ROOT/etc/systemd/system/multi-user.target.wants"
    ln -s ../golden.service "$ROOT/etc/systemd/system/multi-user.target.wants/golden.service"
    ln -s ../record.service "$ROOT/etc/systemd/system/multi-user.target.wants/record.service"
    ln -s /usr/lib/systemd/system/multi-user.target "$ROOT/etc/systemd/system/default.target"
    root_image "$1" 256M
}

# ---------------------------------------------------------------- recording --

# boot NAME BANKS - DIR/esp holds what the firmware finds, DIR/vars.fd its
# variables.
boot() {
    local name=$1 banks=$2 dir=$WORK/run-$1
    make_esp_disk "$dir/boot.img" "$dir/esp" 160
    truncate -s 32M "$dir/scratch.img"
    chmod u+w "$dir/vars.fd"
    timeout 60 swtpm_setup --tpm2 --tpmstate "$dir/tpm" --createek --lock-nvram \
        --pcr-banks "$banks" >"$dir/swtpm_setup.log" 2>&1 || die "swtpm_setup failed, see $dir/swtpm_setup.log"
    say "$name: banks $banks"
    machine_boot "$dir" "$dir/tpm" "${HOW[@]}" \
        -drive "if=virtio,format=raw,snapshot=on,file=$WORK/root.img" \
        -drive "if=virtio,format=raw,file=$dir/scratch.img" \
        -drive "if=virtio,format=raw,snapshot=on,file=$dir/boot.img"
    mkdir -p "$dir/got"
    carried_out "$dir" "$dir/scratch.img" "$dir/got"
    (cd "$dir/got/quote" && tpm2 checkquote -Q -u ak.pem -m quote.msg -s quote.sig \
        -f quote.pcrs -g sha256 -q "$(cat nonce.hex)") || die "$name: bad quote"
    say "$name: $(tr '\n' ' ' <"$dir/got/guest.txt")"
}

# predict NAME ARGUMENT... - what the command predicts of the very files, for PCR
# values that hang on files too large to keep
predict() {
    local name=$1
    shift
    HALLMARK_STATE=$WORK/state "$HALLMARK" reference predict --product machine --release "$name" "$@" --out "$WORK/run-$name/got/predicted.json" \
        >"$WORK/run-$name/predict.log" || die "nothing predicted, see $WORK/run-$name/predict.log"
    # The loader is described by its path, which is nobody's matter.
    sed -i "s,$WORK/run-$name/,," "$WORK/run-$name/got/predicted.json"
}

# sections UKI OUT - its sections in their order, but for code, kernel and initrd
sections() {
    mkdir -p "$2"
    PYTHONPATH=$TREE/usr/lib/python3/dist-packages python3 - "$1" "$2" <<'PYTHON'
import pefile, sys
image = pefile.PE(sys.argv[1], fast_load=True)
kept = [s for s in image.sections if s.Name.rstrip(b"\0").decode() in (
    ".sdmagic", ".osrel", ".cmdline", ".initrd", ".linux", ".ucode", ".uname", ".sbat", ".pcrpkey", ".pcrsig", ".profile")]
for number, section in enumerate(kept):
    name = section.Name.rstrip(b"\0").decode()
    content = b"" if name in (".linux", ".initrd") else section.get_data()[:section.Misc_VirtualSize]
    open(f"{sys.argv[2]}/{number:02}{name}", "wb").write(content)
PYTHON
}

# keep NAME - what goes into the vectors.  Of the initrd that the kernel got, only
# what the stub appended: what is before it are the image's files.
keep() {
    local name=$1 dir=$WORK/run-$1 size base tail
    size=$(head -n 1 "$dir/got/initrd.txt")
    base=$(wc -c <"$WORK/initrd.zst")
    [ ! -e "$dir/ucode.cpio" ] || base=$((base + $(wc -c <"$dir/ucode.cpio")))
    base=$(((base + 3) / 4 * 4))
    tail=$((size - base))
    tail -c "$tail" "$dir/got/initrd.tail" >"$dir/got/initrd-appended.cpio"
    rm "$dir/got/initrd.tail"
    sections "$dir/uki.efi" "$dir/got/sections"
    rm -rf "${OUT:?}/$name"
    mkdir "$OUT/$name"
    cp -R "$dir/got/." "$OUT/$name/"
    chmod -R u=rwX,go=rX "$OUT/$name"
}

CMDLINE="console=ttyS0 panic=-1 quiet no_timer_check ima_policy=tcb retain_initrd root=/dev/vda rootfstype=ext4 rw systemd.default_device_timeout_sec=600 systemd.default_timeout_start_sec=600"

# The firmware starts a unified kernel image, and there is nothing beside it.
record_uki() {
    local dir=$WORK/run-$1
    rm -rf "$dir"
    mkdir -p "$dir"/{tpm,esp/EFI/BOOT}
    ukify --linux "$VMLINUZ" --initrd "$WORK/initrd.zst" --cmdline "$CMDLINE" --os-release "@$WORK/root/usr/lib/os-release" \
        --uname "$KVER" --output "$dir/uki.efi"
    cp "$dir/uki.efi" "$dir/esp/EFI/BOOT/BOOTX64.EFI"
    cp "$OVMF_VARS" "$dir/vars.fd"
    firmware "$OVMF_CODE" "$dir/vars.fd"
    boot "$1" sha256
    predict "$1" --uki "$dir/uki.efi" --secure-boot-off
    keep "$1"
}

# systemd-boot starts the second profile of a signed image, with secure boot on,
# and everything lies beside it that the stub takes up: an add-on of its own and
# one for all images, credentials of both kinds, extensions of both kinds.
record_profile() {
    local dir=$WORK/run-$1 extra nvpcrs=()
    rm -rf "$dir"
    mkdir -p "$dir"/{tpm,esp/EFI/BOOT,esp/EFI/Linux/hallmark.efi.extra.d,esp/loader/addons,esp/loader/credentials,ucode/kernel}
    extra=$dir/esp/EFI/Linux/hallmark.efi.extra.d
    own_keys "$dir"
    own_variables "$dir" "$dir/vars.fd"
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$dir/pcr.key" 2>/dev/null
    openssl pkey -in "$dir/pcr.key" -pubout -out "$dir/pcr.pub"
    echo 'no microcode' >"$dir/ucode/kernel/none"
    find "$dir/ucode" -exec touch -h -d @1700000000 {} +
    (cd "$dir/ucode" && find . | sort | cpio -o -H newc -R 0:0 --reproducible --quiet) >"$dir/ucode.cpio"

    ukify --stub "$TREE/usr/lib/systemd/boot/efi/addonx64.efi.stub" --profile "$(printf 'ID=debug\nTITLE=with more words')" --cmdline "$CMDLINE debug" --output "$dir/debug.efi"
    ukify --stub "$TREE/usr/lib/systemd/boot/efi/addonx64.efi.stub" --profile "$(printf 'ID=rescue\nTITLE=without root')" --cmdline "$CMDLINE rescue" --output "$dir/rescue.efi"
    # systemd makes its NvPCRs where such a signature allows it.
    [ "$VERSION" -lt 259 ] || nvpcrs=(--sign-initrd-pcrs)
    ukify --linux "$VMLINUZ" --initrd "$WORK/initrd.zst" --cmdline "$CMDLINE" --os-release "@$WORK/root/usr/lib/os-release" \
        --uname "$KVER" --microcode "$dir/ucode.cpio" --profile ID=main --join-profile "$dir/debug.efi" --join-profile "$dir/rescue.efi" \
        --pcr-private-key "$dir/pcr.key" --pcr-public-key "$dir/pcr.pub" --pcr-banks sha256 --phases enter-initrd \
        "${nvpcrs[@]}" --output "$dir/uki.efi"
    ukify --stub "$TREE/usr/lib/systemd/boot/efi/addonx64.efi.stub" --cmdline 'hallmark.addon=own' --output "$dir/own.efi"
    ukify --stub "$TREE/usr/lib/systemd/boot/efi/addonx64.efi.stub" --cmdline 'hallmark.addon=all' --output "$dir/all.efi"
    printf 'default hallmark.efi@debug\ntimeout 0\n' >"$dir/esp/loader/loader.conf"
    printf 'a credential of the image\n' >"$extra/image.cred"
    printf 'another\n' >"$extra/Another.cred"
    printf 'a credential of the machine' >"$dir/esp/loader/credentials/machine.cred"
    printf 'no image of a system extension\n' >"$extra/tools.sysext.raw"
    printf 'no image of a configuration extension' >"$extra/settings.confext.raw"
    sign_uki "$dir/own.efi" "$extra/own.addon.efi" "$dir/db.key" "$dir/db.crt"
    sign_uki "$dir/all.efi" "$dir/esp/loader/addons/all.addon.efi" "$dir/db.key" "$dir/db.crt"
    sign_uki "$dir/uki.efi" "$dir/esp/EFI/Linux/hallmark.efi" "$dir/db.key" "$dir/db.crt"
    sign_uki "$TREE/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$dir/esp/EFI/BOOT/BOOTX64.EFI" "$dir/db.key" "$dir/db.crt"
    firmware "$SB_CODE" "$dir/vars.fd"
    boot "$1" sha256,sha384
    predict "$1" --boot-loader "$dir/esp/EFI/BOOT/BOOTX64.EFI" --uki "$dir/esp/EFI/Linux/hallmark.efi" --profile 1 \
        --extra "$extra" --loader-dir "$dir/esp/loader"
    mkdir -p "$dir/got/esp"
    cp -R "$dir/esp/loader" "$extra" "$dir/got/esp/"
    keep "$1"
}

# A factory's device: its TPM has a maker's certificate, a factory outside gives
# it its identity, it is recorded as golden in one boot, and attests in another.
record_device() {
    local dir=$WORK/run-$1 hallmark=("$HALLMARK" -q) ca part
    rm -rf "$dir"
    mkdir -p "$dir"/{esp/EFI/BOOT,state,first}
    export HALLMARK_STATE=$dir/state
    ca=$dir/state/sim/ca
    (
        cd "$dir"
        eval "$("${hallmark[@]}" sim start --banks sha256 --shell)"
        "${hallmark[@]}" ca init --dir factory --organization Test --name Test
        "${hallmark[@]}" key generate --out key.pem
        "${hallmark[@]}" provision --ca factory --ek-root "$ca/swtpm-localca-rootca-cert.pem" \
            --ek-intermediate "$ca/issuercert.pem" --device-id systemd-1 --ledger ledger.jsonl --store nv
    ) >"$dir/factory.log" || die "not provisioned, see $dir/factory.log"
    "${hallmark[@]}" sim stop
    unset HALLMARK_STATE
    ukify --linux "$VMLINUZ" --initrd "$WORK/initrd.zst" --cmdline "$CMDLINE hallmark.device" --os-release "@$WORK/root/usr/lib/os-release" \
        --uname "$KVER" --output "$dir/esp/EFI/BOOT/BOOTX64.EFI"
    for part in first again; do
        mkdir -p "$dir/$part/tpm" "$dir/$part/got"
        # The firmware's variables are as new in each boot, and so are the disks.
        cp "$OVMF_VARS" "$dir/$part/vars.fd"
        chmod u+w "$dir/$part/vars.fd"
        make_esp_disk "$dir/$part/boot.img" "$dir/esp" 160
        truncate -s 32M "$dir/$part/scratch.img"
        firmware "$OVMF_CODE" "$dir/$part/vars.fd"
        say "$1: boot $part"
        machine_boot "$dir/$part" "$dir/state/sim/tpm" "${HOW[@]}" \
            -drive "if=virtio,format=raw,snapshot=on,file=$WORK/root.img" \
            -drive "if=virtio,format=raw,file=$dir/$part/scratch.img" \
            -drive "if=virtio,format=raw,snapshot=on,file=$dir/$part/boot.img"
        carried_out "$dir/$part" "$dir/$part/scratch.img" "$dir/$part/got"
    done
    rm -rf "${OUT:?}/$1"
    mkdir "$OUT/$1"
    for part in early late; do
        (cd "$dir" && HALLMARK_STATE=$dir/state "${hallmark[@]}" reference sign "first/got/device/golden-$part.json" --key key.pem --out "$OUT/$1/golden-$part.json") >>"$dir/factory.log"
        cp "$dir/again/got/device/evidence-$part" "$OUT/$1/evidence-$part"
    done
    cp "$dir/again/got/device/nonce.hex" "$dir/key.pem.pub" "$OUT/$1/"
    cp "$dir/factory/root.pem" "$OUT/$1/root.pem"
    chmod -R u=rwX,go=rX "$OUT/$1"
}

unpack_packages
VERSION=$(systemd_version)
VECTORS=${VECTORS:-systemd-$VERSION-uki systemd-$VERSION-profile systemd-$VERSION-device}
say "kernel $KVER, $(of_tree usr/lib/systemd/systemd-measure --version | head -n 1)"
[ -e "$WORK/initrd.zst" ] || make_initrd "$WORK/initrd.zst"
make_root "$WORK/root.img"
for v in $VECTORS; do
    case $v in
    "systemd-$VERSION-uki") record_uki "$v" ;;
    "systemd-$VERSION-profile") record_profile "$v" ;;
    "systemd-$VERSION-device") record_device "$v" ;;
    *) die "unknown vector $v" ;;
    esac
done
