#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A walk through `instar bitmap`: the six actions on a fresh image, each result
# shown by qemu-img, and a batch that fails half-way.  INSTAR names the program.
# Every step is checked: if one goes wrong, the walk ends with an error.
set -euo pipefail

instar=${INSTAR:?INSTAR must name the program}
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
cd "$room"
export INSTAR_STATE_DIR=$room/state

if [ -t 1 ]; then
        bold=$'\e[1m' plain=$'\e[0m'
else
        bold='' plain=''
fi

explain() {
        printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

# Show a command as the user would type it, then run it.
run() {
        printf '  $%s\n' "$(printf " %s" "${@@Q}" | sed "s/'\([A-Za-z0-9_.\/:=-]*\)'/\1/g")"
        if [ "$1" = instar ]; then
                shift
                "$instar" "$@" 2>&1 | sed 's/^/  /'
        else
                "$@" 2>&1 | sed 's/^/  /'
        fi
}

# The bitmaps that qemu-img sees, one a line: name, granularity, flags.
show() {
        printf '  $ qemu-img info disk.qcow2\n'
        qemu-img info disk.qcow2 | awk '
                function put() {
                        if (name != "")
                                printf "      %-8s granularity %s, %s\n", name, granularity,
                                        flags == "" ? "disabled" : flags
                        name = flags = ""
                }
                / bitmaps:/ { inside = 1; next }
                inside && /refcount bits:/ { inside = 0 }
                inside && $1 ~ /^\[[0-9]+\]:$/ && NF == 1 { put(); next }
                inside && $1 ~ /^\[[0-9]+\]:$/ { flags = flags == "" ? $2 : flags " " $2 }
                inside && $1 == "name:" { name = $2 }
                inside && $1 == "granularity:" { granularity = $2 }
                END { put(); if (!granularity) print "      no bitmaps" }'
}

# Bytes that a disabled bitmap marks dirty, as qemu's own NBD server exports it.
dirty() {
        local pid status=0
        qemu-nbd -r -B "$1" -k "$room/nbd" disk.qcow2 &
        pid=$!
        for _ in $(seq 100); do
                [ ! -S "$room/nbd" ] || break
                sleep 0.05
        done
        qemu-img map --output=json --image-opts \
                "driver=nbd,server.type=unix,server.path=$room/nbd,x-dirty-bitmap=qemu:dirty-bitmap:$1" |
                awk -F'[:,]' -v name="$1" '
                        /"data": false/ { for (i = 1; i < NF; i++) if ($i ~ /"length"/) sum += $(i + 1) }
                        END { printf "      %s marks %d KiB dirty (asked from qemu-nbd)\n", name, sum / 1024 }' ||
                status=$?
        wait "$pid" || status=$?
        rm -f "$room/nbd"
        return "$status"
}

explain 'A disk image, made by qemu-img.'
run qemu-img create -q -f qcow2 disk.qcow2 1G
show

explain '--add: a new, empty bitmap that records from now on ("auto").'
run instar bitmap --add disk.qcow2 monday
show

explain 'A virtual machine writes 3 MiB (qemu-io stands in for it); the bitmap takes note.'
run qemu-io -c 'write -q 0 2M' -c 'write -q 512M 1M' disk.qcow2

explain '--disable: stop recording.  Four bytes of the image change.'
run instar bitmap --disable disk.qcow2 monday
show
dirty monday

explain '--enable: record again.'
run instar bitmap --enable disk.qcow2 monday
show

explain 'Several actions are one transaction: a bitmap that starts disabled.'
run instar bitmap --add --disable -g 64k --output json disk.qcow2 week
show

explain '--merge: what monday has seen is added to week.'
run instar bitmap --merge monday disk.qcow2 week
dirty week

explain '--clear: forget the bits, keep the bitmap.'
run instar bitmap --clear disk.qcow2 week
dirty week

explain '--remove: give the bitmap and its clusters back.'
run instar bitmap --remove disk.qcow2 week
show
run qemu-img check disk.qcow2

explain 'A batch that fails half-way: the second --add finds the bitmap that the first has made.'
before=$(sha256sum <disk.qcow2)
printf '  $ instar bitmap --add --add disk.qcow2 friday\n'
if "$instar" bitmap --add --add disk.qcow2 friday 2>message; then
        echo 'demo: this should have failed' >&2
        exit 1
fi
sed 's/^/  /' message
after=$(sha256sum <disk.qcow2)
printf '      sha256 before: %.32s...\n      sha256 after:  %.32s...\n' "$before" "$after"
[ "$before" = "$after" ] || { echo 'demo: the image has changed' >&2; exit 1; }
show

explain 'The same batch with qemu-img, on a copy: it fails too, and leaves half of it behind.'
cp disk.qcow2 copy.qcow2
printf '  $ qemu-img bitmap --add --add copy.qcow2 friday\n'
qemu-img bitmap --add --add copy.qcow2 friday 2>&1 | sed 's/^/  /' || true
printf '      bitmaps in the copy: %s\n' \
        "$(qemu-img info copy.qcow2 | sed -n 's/^ *name: //p' | tr '\n' ' ')"

explain 'Done; everything was made in a temporary directory and is gone now.'
