#!/usr/bin/env bash
# Makes a routing set and starts the chain: upload, preprocess, train.
set -euo pipefail
exec "$(dirname "$0")/mole.sh" generate "$@"
