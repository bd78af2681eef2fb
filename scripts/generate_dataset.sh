#!/usr/bin/env bash
# Makes a routing set and starts the chain, under its older name.
set -euo pipefail
exec "$(dirname "$0")/mole.sh" generate "$@"
