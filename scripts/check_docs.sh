#!/bin/bash
# Check that documents say what the tree has: the code of the guide to transforms is in its example, every test that a table
# of docs/autograd.md names is there, and the manual page is in order (where mandoc is installed). Links are
# check_links.pl's, examples are examples.pl's.
set -euo pipefail
cd "$(dirname "$0")/.."

bad=0
# every piece of code in the guide to transforms is one of its program
for guide in docs/transforms.md docs/transforms.zh-CN.md; do
    perl -0777 -e '
        my ($program, $guide) = map { open my $f, "<", $_ or die "$_: $!\n"; <$f> } @ARGV;
        my $missing = 0;
        while ($guide =~ /^```c\n(.*?)^```/msg) {
            next if index($program, $1) >= 0;
            print "$ARGV[1]: not in $ARGV[0]:\n$1";
            $missing = 1;
        }
        exit $missing' examples/transforms.c "$guide" || bad=1
done

while IFS=: read -r file name; do
    if ! grep -qsF "EBB_TEST(${name# })" "tests/$file.c"; then
        echo "docs/autograd.md: there is no test ${name# } in tests/$file.c"
        bad=1
    fi
done < <(grep -oE '`test_[a-z_0-9]+: [a-z_0-9]+`' docs/autograd.md | tr -d '`')

# Each invariant is cited where it is kept.
while read -r invariant; do
    if ! grep -qrE "\b$invariant\b[^0-9]" src --include='*.[ch]'; then
        echo "docs/autograd.md: no source cites $invariant"
        bad=1
    fi
done < <(grep -oE '^- \*\*I[0-9]+' docs/autograd.md | grep -oE 'I[0-9]+')

if command -v mandoc > /dev/null && ! mandoc -Tlint cli/ebb.1; then bad=1; fi
[ $bad = 0 ] || exit 1
echo "docs: the tests that docs/autograd.md names are there, the manual page is in order"
