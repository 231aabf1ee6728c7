#!/bin/bash
# Check that cmake/exports.txt lists exactly what the public headers declare with EBB_API, one symbol a line, sorted.
# With --fix, rewrite it. The headers are preprocessed, so declarations made by macros count too.
set -euo pipefail
cd "$(dirname "$0")/.."

list=cmake/exports.txt
declared() {
    for header in include/ebb/*.h; do echo "#include <ebb/$(basename "$header")>"; done |
        ${CC:-cc} -std=c11 -Iinclude -E -P -x c - |
        tr '\n' ' ' |
        sed 's/__attribute__((visibility("default")))/\nEXPORT /g' |
        # One declaration a line now: cut what follows it, then keep the name, which stands before its parameters.
        sed -n 's/^EXPORT //p' | sed -E 's/[;{=].*//; s/__attribute__.*//' |
        sed -E 's/\(\s*(ebb_[A-Za-z0-9_]+)\s*\)/\1/; s/(\bebb_[A-Za-z0-9_]+)\s*[(\[].*/\1/' |
        grep -oE '\bebb_[A-Za-z0-9_]+\s*$' | tr -d ' ' | LC_ALL=C sort -u
}
if [ "${1:-}" = --fix ]; then
    names=$(declared)
    printf '%s\n' "$names" > $list
elif ! diff -u $list <(declared) --label "$list" --label "the headers"; then
    echo "cmake/exports.txt and the headers differ: scripts/check_exports.sh --fix, and think of compatibility"
    exit 1
fi
echo "exports: $(wc -l < $list) symbols"
