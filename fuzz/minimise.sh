#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# minimise.sh HARNESS DIRECTORY...: make the corpus of a harness anew, from what it has and
# from queues of afl-fuzz: the smallest set of inputs that reaches the same, without those
# of more than 4 KiB.  What showed a fault (finding-*) stays.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
harness=$1
shift
corpus=fuzz/corpus/$harness
work=$(mktemp -d "$PWD/build-fuzz/minimise.XXXXXX") # afl-cmin does not want /tmp
trap 'rm -rf "$work"' EXIT
mkdir "$work/in" "$work/small"
for file in "$corpus"/*; do
        [ ! -f "$file" ] || cp "$file" "$work/in/$(sha1sum <"$file" | cut -c1-16)"
done
find "$@" -maxdepth 1 -type f -name 'id*' -size -9 | while IFS= read -r file; do
        cp "$file" "$work/in/$(sha1sum <"$file" | cut -c1-16)"
done
AFL_QUIET=1 afl-cmin -i "$work/in" -o "$work/small" -- "build-fuzz/fuzz/fuzz_$harness"
mkdir -p "$corpus"
find "$corpus" -type f ! -name 'finding-*' -delete
cp "$work"/small/* "$corpus/"
printf '%s: %d inputs, %d bytes\n' "$corpus" "$(find "$corpus" -type f | wc -l)" \
        "$(find "$corpus" -type f -printf '%s\n' | awk '{ s += $1 } END { print s }')"
