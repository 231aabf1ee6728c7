#!/bin/bash
# Hold every #include of src/ and cli/ to the layers in the file LAYERS. First it proves, on a small tree of its own, that
# it does catch a violation.   check_layers.sh [root]
set -euo pipefail

# Not every layer needs to be there yet.
c_files() { find src cli -name '*.[ch]' 2> /dev/null || true; }

# Print each violation under the folder $1; fail when there is one.
check() {
    (cd "$1" && c_files | LC_ALL=C sort | xargs -r awk '
        BEGIN {
            while ((getline line < "LAYERS") > 0) {
                if (line !~ /^[a-z]+:/) continue
                n = split(line, word, /[: ]+/)
                known[word[1]] = 1
                may[word[1], word[1]] = 1
                for (i = 2; i <= n; i++) may[word[1], word[i]] = 1
            }
        }
        FNR == 1 {
            split(FILENAME, part, "/")
            layer = part[1] == "cli" ? "cli" : part[2]
            if (!(layer in known)) { print FILENAME ": folder is no layer of LAYERS"; bad = 1 }
        }
        /^[ \t]*#[ \t]*include[ \t]*["<]/ {
            match($0, /["<][^">]*[">]/)
            path = substr($0, RSTART + 1, RLENGTH - 2)
            quoted = substr($0, RSTART, 1) == "\""
            slash = index(path, "/")
            target = slash ? substr(path, 1, slash - 1) : ""
            if (!quoted && target == "ebb") target = "api"
            else if (!quoted && !(target in known)) next # a header of the system
            why = ""
            if (target == "api" && !(may[layer, "api"])) why = layer " may not include " path
            else if (quoted && !slash) why = "write \"layer/" path "\""
            else if (target != "api" && !(target in known)) why = "no layer " target
            else if (!(may[layer, target])) why = layer " may not include " target
            if (why != "") { print FILENAME ":" FNR ": " why; bad = 1 }
        }
        END { exit bad }')
}

# Expect `check` to say $1 (0 right, 1 wrong) about a file src/$2/t.c that holds the line $3.
expect() {
    mkdir -p "$scratch/src/$2" "$scratch/cli"
    printf '%s\n' "$3" > "$scratch/src/$2/t.c"
    local got=0
    check "$scratch" > /dev/null || got=1
    rm "$scratch/src/$2/t.c"
    [ $got = "$1" ] || { echo "self-test: $2 with $3: expected $1, got $got"; exit 1; }
}

root=${1:-$(dirname "$0")/..}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf 'base: api\ntensor: base api\nnn: api\n' > "$scratch/LAYERS"
expect 0 tensor '#include "base/base.h"'
expect 0 tensor '#include <ebb/base.h>'
expect 0 tensor '#include <sys/mman.h>'
expect 1 base '#include "tensor/tensor.h"'
expect 1 base '#  include <tensor/tensor.h>'
expect 1 nn '#include "base/base.h"'
expect 1 nn '#include "nn.h"'
expect 1 nn '#include "../base/base.h"'
expect 1 other '#include <stdio.h>'

check "$root"
echo "layers: $(cd "$root" && c_files | wc -l) files keep to LAYERS"
