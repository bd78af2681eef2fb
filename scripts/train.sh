#!/usr/bin/env bash
# Trains a router.
set -euo pipefail
exec "$(dirname "$0")/mole.sh" train "$@"
