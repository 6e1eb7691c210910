#!/usr/bin/env bash
# Makes the signatures beside it anew, with evmctl (ima-evm-utils 1.4) and openssl 3.0, in a new folder. Needs root, since
# only root sets attributes of the name space security; a file system that has them, e.g. tmpfs.
#   record.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir "$1" && cd "$1"
openssl ecparam -name prime256v1 -genkey -noout -out ec.key
openssl genrsa -out rsa.key 2048
for key in ec rsa; do
    openssl req -x509 -new -key $key.key -subj "/O=Example Works/CN=$key" -days 36500 -addext subjectKeyIdentifier=hash \
        -out "$here/$key.pem"
    echo hello >file
    chmod 640 file
    chown 1000:1001 file
    setfattr -n security.selinux -v system_u:object_r:etc_t:s0 file
    evmctl ima_hash -a sha256 file
    evmctl sign --portable --imahash -a sha256 --key $key.key file
    getfattr --only-values -n security.evm file | xxd -p -c 64 >"$here/$key.evm.hex"
    cms() { openssl cms -sign -binary -nosmimecap -nocerts -md sha256 -outform DER -signer "$here/$key.pem" -inkey $key.key \
        -in file "${@:2}" | xxd -p -c 64 >"$here/$1.cms.hex"; }
    cms $key -noattr
    cms $key-keyid -noattr -keyid
    cms $key-attributes
    rm file
done
