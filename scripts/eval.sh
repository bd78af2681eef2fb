#!/usr/bin/env bash
# Judges a router.
set -euo pipefail
exec "$(dirname "$0")/mole.sh" eval "$@"
