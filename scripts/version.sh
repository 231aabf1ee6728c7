#!/bin/bash
# Print the version that include/ebb/base.h states.
set -euo pipefail
awk '/^#define EBB_VERSION_(MAJOR|MINOR|PATCH) / { printf "%s%s", dot, $3; dot = "." } END { print "" }' \
    "$(dirname "$0")/../include/ebb/base.h"
