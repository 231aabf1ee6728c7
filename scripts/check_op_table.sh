#!/bin/bash
# Prove that cmake/op_table.cmake finds definitions in each of their forms, sorts them, and refuses a name given twice.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/src/ops"
cat > "$scratch/CMakeLists.txt" << END
cmake_minimum_required(VERSION 3.18)
project(op_table_test LANGUAGES NONE)
include($here/cmake/op_table.cmake)
ebb_write_op_table(source)
END
configure() { ${CMAKE:-cmake} -S "$scratch" -B "$scratch/build" > "$scratch/log" 2>&1; }
fail() {
    echo "op_table: $1"
    cat "$scratch/log"
    exit 1
}

cat > "$scratch/src/ops/a.c" << 'END'
#define EBB_OP_UNARY(name, ...) not a definition
const struct ebb_op ebb_op_softmax = {.name = "softmax", .dims = {[0] = 1}};
EBB_OP(neg)
EBB_OP_UNARY(exp, "y * g"; [)
static const struct ebb_op ebb_op_hidden;
    EBB_OP(indented)
END
printf 'const struct ebb_op ebb_op_add_\n    = {0};' > "$scratch/src/ops/b.c"
configure || fail "configuring failed"
got=$(sed -n 's/^    &ebb_op_\(.*\),$/\1/p' "$scratch/build/generated/op_table.c" | tr '\n' ' ')
[ "$got" = "add_ exp neg softmax " ] || fail "found \"$got\""
grep -q 'ebb__op_count = 4;' "$scratch/build/generated/op_table.c" || fail "the count is wrong"

echo 'EBB_OP(neg)' > "$scratch/src/ops/c.c"
if configure; then fail "an operator defined twice was accepted"; fi
grep -q '"neg" is defined' "$scratch/log" || fail "the message does not name the operator"
echo "op_table: definitions are found, sorted and unique"
