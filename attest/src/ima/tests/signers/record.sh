#!/usr/bin/env bash
# Makes the signatures beside it anew, with evmctl (ima-evm-utils 1.4), openssl 3.0 and the kernel's sign-file (Debian's linux-kbuild-6.1), in a
# new folder. Needs root, since only root sets attributes of the name space security; a file system that has them, e.g. ext4.
#   record.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
sign_file=${SIGN_FILE:-/usr/lib/linux-kbuild-6.1/scripts/sign-file}
label=system_u:object_r:etc_t:s0
mkdir "$1" && cd "$1"
openssl ecparam -name prime256v1 -genkey -noout -out ec.key
openssl genrsa -out rsa.key 2048

hex() { xxd -p -c 64 >"$here/$1.hex"; }
evmctl_sign() { evmctl sign --portable --imahash -a sha256 --key $key.key "$@" file >sign.log; getfattr --only-values -n security.evm file; }
cms() { openssl cms -sign -binary -nosmimecap -nocerts -md sha256 -outform DER -signer "$here/$key.pem" -inkey $key.key \
    -in file "${@:2}" | hex "$1.cms"; }
kernels() { "$sign_file" "-d$2" sha256 $key.key "$here/$key.pem" file; hex "$1.cms" <file.p7s; }

# What evmctl does not make: OWNER is its uid, gid, mode and padding as the kernel has them in memory, VERSION that of the signature,
# whose key id is evmctl's.
#   by_openssl NAME VERSION OWNER
by_openssl() {
    { printf %s "$label"; xxd -r -p <<<"0404$(sha256sum <file | cut -d' ' -f1)000000000000000000000000$3"; } | openssl dgst -sha256 -binary >digest
    if [ "$2" = 03 ]; then { printf '\005\004'; cat digest; } | openssl dgst -sha256 -binary >digest.3; mv digest.3 digest; fi
    openssl pkeyutl -sign -inkey $key.key -pkeyopt digest:sha256 -in digest -out raw
    { xxd -r -p <<<"05${2}04$(getfattr -e hex --only-values -n security.evm file | xxd -s 3 -l 4 -p)$(printf %04x "$(stat -c %s raw)")"; cat raw; } | hex "$1.evm"
}

for key in ec rsa; do
    openssl req -x509 -new -key $key.key -subj "/O=Example Works/CN=$key" -days 36500 -addext subjectKeyIdentifier=hash \
        -out "$here/$key.pem"
    echo hello >file
    chmod 640 file
    chown 1000:1001 file
    setfattr -n security.selinux -v "$label" file
    evmctl ima_hash -a sha256 file
    evmctl_sign --m32 | hex $key-32.evm
    evmctl_sign | hex $key.evm
    by_openssl $key-big 02 000003e8000003e981a00000
    by_openssl $key-3 03 e8030000e9030000a0810000
    cms $key -noattr
    cms $key-keyid -noattr -keyid
    cms $key-attributes
    kernels $key-kernel ''
    kernels $key-kernel-keyid k
    rm file
done
