#!/bin/bash
# Check (or with --fix, rewrite) all C files against .clang-format. Versions of clang-format differ in details, so only the
# one that the file was written for decides; without it the check is skipped (exit status 77).
set -euo pipefail
cd "$(dirname "$0")/.."

version=14
tool=""
for candidate in clang-format-$version clang-format; do
    if command -v $candidate > /dev/null && $candidate --version | grep -q "version $version\\."; then
        tool=$candidate
        break
    fi
done
if [ -z "$tool" ]; then
    echo "clang-format $version is not installed: formatting is not checked"
    exit 77
fi
mapfile -t files < <(find include src cli tests bench examples -name '*.[ch]' 2> /dev/null | LC_ALL=C sort)
if [ "${1:-}" = --fix ]; then
    scratch=$(mktemp)
    trap 'rm -f "$scratch"' EXIT
    for file in "${files[@]}"; do
        LC_ALL=C awk -f scripts/wrap_comments.awk "$file" > "$scratch"
        cmp -s "$scratch" "$file" || cat "$scratch" > "$file"
    done
    $tool -i "${files[@]}"
else
    $tool --dry-run -Werror --ferror-limit=3 "${files[@]}"
    echo "format: ${#files[@]} files are as clang-format writes them"
fi
