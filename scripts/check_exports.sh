#!/bin/bash
# Check that cmake/exports.txt and cmake/exports-explain.txt list exactly what the public headers of the two libraries
# declare with EBB_API, one symbol a line, sorted. With --fix, rewrite them. The headers are preprocessed, so declarations
# made by macros count too.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the header $1 declares itself, and not one that it includes.
declared_by() {
    echo "#include <ebb/$1>" | ${CC:-cc} -std=c11 -Iinclude -E -x c - |
        awk -v header="include/ebb/$1" '/^# [0-9]+ "/ { inside = ($3 == "\"" header "\""); next } inside' |
        tr '\n' ' ' |
        sed 's/__attribute__((visibility("default")))/\nEXPORT /g' |
        # One declaration a line now: cut what follows it, then keep the name, which stands before its parameters.
        sed -n 's/^EXPORT //p' | sed -E 's/[;{=].*//; s/__attribute__.*//' |
        sed -E 's/\(\s*(ebb_[A-Za-z0-9_]+)\s*\)/\1/; s/(\bebb_[A-Za-z0-9_]+)\s*[(\[].*/\1/' |
        grep -oE '\bebb_[A-Za-z0-9_]+\s*$' | tr -d ' ' || true
}
declared() { for header in "$@"; do declared_by "$header"; done | LC_ALL=C sort -u; }

mapfile -t explain < <(cd include/ebb && grep -lE 'In the library ebb-explain' -- *.h)
mapfile -t others < <(cd include/ebb && grep -LE 'In the library ebb-explain' -- *.h)
check() { # list, headers
    local list=$1 names
    shift
    names=$(declared "$@")
    if [ "$fix" = yes ]; then
        printf '%s\n' "$names" > "$list"
    elif ! diff -u "$list" <(printf '%s\n' "$names") --label "$list" --label "the headers"; then
        echo "$list and the headers differ: scripts/check_exports.sh --fix, and think of compatibility"
        exit 1
    fi
    echo "exports: $(wc -l < "$list") symbols in $list"
}
fix=no
[ "${1:-}" != --fix ] || fix=yes
check cmake/exports.txt "${others[@]}"
check cmake/exports-explain.txt "${explain[@]}"
