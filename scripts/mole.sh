#!/usr/bin/env bash
# Runs the program: the one on the path, or else the one of this checkout.
set -euo pipefail
if command -v mole >/dev/null; then
    exec mole "$@"
fi
root=$(cd "$(dirname "$0")/.." && pwd)
(cd "$root" && go build -o mole ./cmd/mole)
exec "$root/mole" "$@"
