#!/usr/bin/env bash
# Installs what Hallmark needs, with the system's own package manager; says what it does and does nothing twice.
#   scripts/deps.sh build        libraries, compiler, simulator
#   scripts/deps.sh build test   and what the tests compare with
set -euo pipefail

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
has_test() { has_all tpm2_quote tpm2_checkquote tpm2_eventlog tpm2_activatecredential openssl unshare; }

missing=()
for group in "${want[@]}"; do
    case $group in
        build) has_build || missing+=(build) ;;
        test) has_test || missing+=(test) ;;
        *) echo "unknown group $group, expected build or test" >&2; exit 2 ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

packages() {
    case $1:$2 in
        apt:build) echo build-essential pkg-config libtss2-dev swtpm swtpm-tools ;;
        apt:test) echo tpm2-tools openssl util-linux ;;
        dnf:build) echo gcc pkgconf-pkg-config tpm2-tss-devel swtpm swtpm-tools ;;
        dnf:test) echo tpm2-tools openssl util-linux ;;
        pacman:build) echo base-devel pkgconf tpm2-tss swtpm ;;
        pacman:test) echo tpm2-tools openssl util-linux ;;
    esac
}

if command -v apt-get >/dev/null; then manager=apt
elif command -v dnf >/dev/null; then manager=dnf
elif command -v pacman >/dev/null; then manager=pacman
else
    echo "no apt-get, dnf or pacman here; install by hand: tpm2-tss (with headers), pkg-config, a C compiler, swtpm, swtpm-tools, tpm2-tools, openssl" >&2
    exit 1
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "not root, and sudo is missing: run 'make deps' as root once" >&2; exit 1; }
    sudo=(sudo)
fi

list=()
for group in "${missing[@]}"; do read -ra more <<<"$(packages "$manager" "$group")"; list+=("${more[@]}"); done
echo "installing with $manager: ${list[*]}" >&2
case $manager in
    apt)
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${list[@]}" >/dev/null
        ;;
    dnf) "${sudo[@]}" dnf install -y -q "${list[@]}" ;;
    pacman) "${sudo[@]}" pacman -Sy --noconfirm --needed "${list[@]}" ;;
esac

for group in "${missing[@]}"; do
    "has_$group" || { echo "$group: something is still missing after the installation" >&2; exit 1; }
done
