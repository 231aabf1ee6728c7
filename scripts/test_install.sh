#!/bin/bash
# Install the build $1 into a scratch prefix; check headers and exported symbols; compile, link and run a C11 and a C++17
# program against it, by pkg-config (shared and static) and by find_package(ebb).
set -euo pipefail
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")/.." && pwd)
cc=${CC:-cc}
cxx=${CXX:-c++}
cmake=${CMAKE:-cmake}
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/moved

step() { echo "-- $*"; }
fail() {
    echo "install: $*"
    exit 1
}

step "install, then move the tree: nothing in it may depend on its place"
"$cmake" --install "$build" --prefix "$scratch/prefix" > "$scratch/log" || { cat "$scratch/log"; exit 1; }
mv "$scratch/prefix" "$prefix"
libdir=$(dirname "$(find "$prefix" -name libebb.a)")
for library in libebb libebb-explain; do
    [ -e "$libdir/$library.so.0" ] || fail "$library.so.0 is missing"
    [ "$(readlink "$libdir/$library.so")" = $library.so.0 ] || fail "$library.so does not lead to $library.so.0"
done

step "headers: each compiles alone, in C11 and C++17"
for header in "$prefix"/include/ebb/*.h; do
    echo "#include <ebb/$(basename "$header")>" > "$scratch/one.c"
    # shellcheck disable=SC2086
    "$cc" -std=c11 $warnings -Wstrict-prototypes -I"$prefix/include" -fsyntax-only "$scratch/one.c"
    # shellcheck disable=SC2086
    "$cxx" -std=c++17 $warnings -x c++ -I"$prefix/include" -fsyntax-only "$scratch/one.c"
done

step "exported symbols: those of the lists, and no other"
for pair in libebb:exports.txt libebb-explain:exports-explain.txt; do
    nm -D --defined-only "$libdir/${pair%:*}.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort > "$scratch/exported"
    diff -u "$here/cmake/${pair#*:}" "$scratch/exported" > "$scratch/diff" ||
        fail "${pair#*:}: listed, but not defined (-), or exported, but not listed (+):" "$(grep -E '^[-+]ebb|^\+[a-z_]' "$scratch/diff")"
done

step "archives: nothing is in both"
twice=$(nm -g --defined-only "$libdir/libebb.a" "$libdir/libebb-explain.a" 2> /dev/null | awk 'NF == 3 && $2 != "W" && $2 != "V" { print $3 }' |
    LC_ALL=C sort | uniq -d)
[ -z "$twice" ] || fail "defined in both archives, or twice in one: $twice"

step "pkg-config"
export PKG_CONFIG_PATH=$libdir/pkgconfig
export LD_LIBRARY_PATH=$libdir
[ "$(pkg-config --modversion ebb)" = "$("$here/scripts/version.sh")" ] || fail "ebb.pc has another version than base.h"
read -ra cflags < <(pkg-config --cflags ebb)
read -ra shared < <(pkg-config --libs ebb)
shared+=(-lm) # the programs call cos
read -ra private < <(pkg-config --static --libs-only-l ebb)
static=("$libdir/libebb.a" "${private[@]:1}")
"$cc" -std=c11 "${cflags[@]}" "$here/tests/install/program.c" "${shared[@]}" -o "$scratch/c_shared"
"$cc" -std=c11 "${cflags[@]}" "$here/tests/install/program.c" "${static[@]}" -o "$scratch/c_static"
"$cxx" -std=c++17 "${cflags[@]}" "$here/tests/install/program.cpp" "${shared[@]}" -o "$scratch/cxx_shared"
read -ra explain < <(pkg-config --cflags --libs ebb-explain)
"$cc" -std=c11 "$here/tests/install/explain.c" "${explain[@]}" -lm -o "$scratch/explain_shared"
"$cc" -std=c11 "${cflags[@]}" "$here/tests/install/explain.c" "$libdir/libebb-explain.a" "${static[@]}" -o "$scratch/explain_static"
for program in c_shared c_static cxx_shared explain_shared explain_static; do "$scratch/$program"; done

step "find_package(ebb)"
"$cmake" -S "$here/tests/install" -B "$scratch/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_CXX_COMPILER="$cxx" > "$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
"$cmake" --build "$scratch/build" > "$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
unset LD_LIBRARY_PATH
for program in program_c program_c_static program_cxx program_ebb_explain program_ebb_explain_static; do "$scratch/build/$program"; done

if [ -x "$prefix/bin/ebb" ]; then
    step "the program finds its library where it was moved to"
    "$prefix/bin/ebb" --version
fi
echo "install: all of it works"
