#!/usr/bin/env bash
# Installs what Hallmark needs, with the system's own package manager; says what it does and does nothing twice.
#   scripts/deps.sh build        libraries, compiler, simulator
#   scripts/deps.sh build test   and what the tests compare with; in target/test a CDDL library that Debian does not package
#   scripts/deps.sh vm           what the measured virtual machine is made of (Debian and its relatives only): programs, and
#                                in target/vm the kernel's package and virt-fw-vars
set -euo pipefail

target=$(cd "$(dirname "$0")/.." && pwd)/target
vm=${HALLMARK_VM:-$target/vm}
# Enrols keys into a firmware's variables; Debian 12 has no package of it.
virt_firmware=virt-firmware==26.10
# Holds evidence against its published CDDL.
pycddl=pycddl==0.6.4

want=("$@")
[ ${#want[@]} -gt 0 ] || want=(build)

if ! command -v cargo >/dev/null; then
    if [ -f "$HOME/.cargo/env" ]; then
        echo "Rust is installed but not on the PATH; run: . \"\$HOME/.cargo/env\"" >&2
    else
        echo "Rust is missing; install it from https://rustup.rs and run this again" >&2
    fi
    exit 1
fi

# What each group is for, and how to see that it is there already.
has_all() { local program; for program; do command -v "$program" >/dev/null || return 1; done; }
has_build() { has_all cc pkg-config swtpm swtpm_setup swtpm_localca && pkg-config --exists tss2-esys; }
has_test() { has_test_packages && has_pycddl; }
has_pycddl() { "$target/test/python/bin/python" -c 'import pycddl' 2>/dev/null; }
has_test_packages() {
    has_all tpm2_quote tpm2_checkquote tpm2_eventlog tpm2_activatecredential openssl unshare git \
        && /usr/bin/python3 -c 'import cbor2, cryptography, ensurepip, jwt' 2>/dev/null
}
has_vm_packages() {
    PATH=$PATH:/usr/sbin:/sbin has_all qemu-system-x86_64 swtpm busybox cpio mke2fs debugfs mcopy mkfs.vfat sfdisk sbsign objcopy \
        strip openssl python3 &&
        [ -r /usr/share/OVMF/OVMF_CODE_4M.secboot.fd ] && [ -r /usr/share/qemu/qboot.rom ] &&
        [ -r /usr/lib/systemd/boot/efi/linuxx64.efi.stub ] && /usr/bin/python3 -c 'import ensurepip' 2>/dev/null
}
has_kernel() { ls "$vm"/linux-image-*.deb >/dev/null 2>&1; }
# Run, not looked for: its first line names a place, which another checkout at another place does not have.
has_virt_firmware() { "$vm/python/bin/virt-fw-vars" --help >/dev/null 2>&1; }
has_vm() { has_vm_packages && has_kernel && has_virt_firmware; }

missing=()
for group in "${want[@]}"; do
    case $group in
        build) has_build || missing+=(build) ;;
        test) has_test || missing+=(test) ;;
        vm) has_vm || missing+=(vm) ;;
        *) echo "unknown group $group, expected build, test or vm" >&2; exit 2 ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

packages() {
    case $1:$2 in
        apt:build) echo build-essential pkg-config libtss2-dev swtpm swtpm-tools ;;
        apt:test) echo tpm2-tools openssl util-linux git python3-jwt python3-cryptography python3-cbor2 python3-venv ;;
        apt:vm)
            echo qemu-system-x86 ovmf swtpm swtpm-tools busybox-static cpio e2fsprogs mtools dosfstools fdisk sbsigntool \
                systemd-boot-efi binutils openssl python3 python3-venv libtss2-dev ;;
        dnf:build) echo gcc pkgconf-pkg-config tpm2-tss-devel swtpm swtpm-tools ;;
        dnf:test) echo tpm2-tools openssl util-linux git python3-jwt python3-cryptography python3-cbor2 ;;
        pacman:build) echo base-devel pkgconf tpm2-tss swtpm ;;
        pacman:test) echo tpm2-tools openssl util-linux git python-pyjwt python-cryptography python-cbor2 ;;
    esac
}

if command -v apt-get >/dev/null; then manager=apt
elif command -v dnf >/dev/null; then manager=dnf
elif command -v pacman >/dev/null; then manager=pacman
else
    echo "no apt-get, dnf or pacman here; install by hand: tpm2-tss (with headers), pkg-config, a C compiler, swtpm, swtpm-tools, tpm2-tools, openssl" >&2
    exit 1
fi

for group in "${missing[@]}"; do
    if [ "$group" = vm ] && [ "$manager" != apt ]; then
        echo "the measured virtual machine is made of Debian's packages (kernel, firmware, UEFI stub); run it on Debian" >&2
        exit 1
    fi
done

# Not installed: unpacked by tpm-sim-tests/vm, the kernel of the package that linux-image-amd64 stands for.
fetch_kernel() {
    local package
    apt-cache show linux-image-amd64 >/dev/null 2>&1 || "${sudo[@]}" apt-get update -qq
    package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: *\(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
    [ -n "$package" ] || { echo "apt knows no linux-image-amd64: the measured virtual machine needs Debian on amd64" >&2; exit 1; }
    echo "downloading $package to $vm" >&2
    # Appears under its name only when it is complete.
    rm -rf "$vm/unfinished"
    mkdir -p "$vm/unfinished"
    (cd "$vm/unfinished" && apt-get -qq download "$package" 2>/dev/null)
    mv "$vm"/unfinished/linux-image-*.deb "$vm/"
    rmdir "$vm/unfinished"
}

# A Python package in a folder of its own.
fetch_python() { # folder, package
    echo "installing $2 to $1" >&2
    rm -rf "$1"
    /usr/bin/python3 -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check "$2"
}

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "not root, and sudo is missing: run 'make deps' as root once" >&2; exit 1; }
    sudo=(sudo)
fi

list=()
for group in "${missing[@]}"; do
    if [ "$group" = vm ] && has_vm_packages; then continue; fi
    if [ "$group" = test ] && has_test_packages; then continue; fi
    read -ra more <<<"$(packages "$manager" "$group")"
    list+=("${more[@]}")
done
[ ${#list[@]} -eq 0 ] || echo "installing with $manager: ${list[*]}" >&2
case ${list[0]:+$manager} in
    apt)
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${list[@]}" >/dev/null
        ;;
    dnf) "${sudo[@]}" dnf install -y -q "${list[@]}" ;;
    pacman) "${sudo[@]}" pacman -Sy --noconfirm --needed "${list[@]}" ;;
esac

if [[ " ${missing[*]} " == *" vm "* ]]; then
    has_kernel || fetch_kernel
    has_virt_firmware || fetch_python "$vm/python" "$virt_firmware"
fi
if [[ " ${missing[*]} " == *" test "* ]]; then
    has_pycddl || fetch_python "$target/test/python" "$pycddl"
fi

for group in "${missing[@]}"; do
    "has_$group" || { echo "$group: something is still missing after the installation" >&2; exit 1; }
done
