#!/bin/bash
# Check that documents say what the tree has: every test that a table of docs/autograd.md names is there, and the manual
# page is in order (where mandoc is installed). Links are check_links.pl's, examples are examples.pl's.
set -euo pipefail
cd "$(dirname "$0")/.."

bad=0
while IFS=: read -r file name; do
    if ! grep -qsF "EBB_TEST(${name# })" "tests/$file.c"; then
        echo "docs/autograd.md: there is no test ${name# } in tests/$file.c"
        bad=1
    fi
done < <(grep -oE '`test_[a-z_0-9]+: [a-z_0-9]+`' docs/autograd.md | tr -d '`')

if command -v mandoc > /dev/null && ! mandoc -Tlint cli/ebb.1; then bad=1; fi
[ $bad = 0 ] || exit 1
echo "docs: the tests that docs/autograd.md names are there, the manual page is in order"
