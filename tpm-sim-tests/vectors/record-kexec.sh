#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# record-kexec.sh - record what two kernels of one boot measure: the first starts
# the second by kexec.
#
#   usage: record-kexec.sh OUTDIR IMAGE WORKDIR
#
# IMAGE is the folder that ../vm/build made; WORKDIR is made anew.  OUTDIR gets
# q35-kexec/: ima-second.bin, the list that the second kernel began; ima.bin, both
# lists one after the other, as a kernel with CONFIG_IMA_KEXEC has them (Debian's
# has not); pcrs.txt, the PCRs after all of it.  Needs a C compiler with a static
# libc.
set -euo pipefail
[ $# -eq 3 ] || { sed -n '/usage:/p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/q35-kexec"
out=$(cd "$1/q35-kexec" && pwd) image=$(cd "$2" && pwd)
mkdir "$3"
cd "$3"
mkdir job tpm run
cp "$image/vmlinuz" "$image/initramfs.gz" job/

cat >kexec.c <<'C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* kexec KERNEL INITRD COMMAND-LINE loads a kernel, kexec alone starts it. */
int main(int count, char **words)
{
    if (count != 4) {
        syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, 0);
        perror("start");
        return 1;
    }
    int kernel = open(words[1], O_RDONLY), initrd = open(words[2], O_RDONLY);
    if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(words[3]) + 1, words[3], 0UL) == 0)
        return 0;
    perror("load");
    return 1;
}
C
cc -static -O1 -o job/kexec kexec.c

# The second kernel runs the same job, and is told by its command line.
cat >job/run <<'GUEST'
ima=/sys/kernel/security/ima
mount -o remount,rw /
if ! grep -q second /proc/cmdline; then
    ./kexec vmlinuz initramfs.gz "$(cat /proc/cmdline) second"
    # What is written to the root file system outlives the kexec.
    cat $ima/binary_runtime_measurements >/srv/first.bin
    sync
    ./kexec
    exit 1
fi
cp /srv/first.bin $OUT
cat $ima/binary_runtime_measurements >$OUT/second.bin
i=0
while [ $i -lt 24 ]; do
    read -r value </sys/class/tpm/tpm0/pcr-sha256/$i
    echo "sha256 $i $value"
    i=$((i + 1))
done | tr A-F a-f >$OUT/pcrs.txt
GUEST

swtpm_setup --tpm2 --tpmstate "$PWD/tpm" --createek --lock-nvram --pcr-banks sha256 >setup.log 2>&1
"$here/../vm/boot" "$image" run tpm job
[ "$(cat run/out/code)" = 0 ] || { cat run/out/output >&2; exit 1; }
cp run/out/second.bin "$out/ima-second.bin"
cat run/out/first.bin run/out/second.bin >"$out/ima.bin"
cp run/out/pcrs.txt "$out/pcrs.txt"
