#!/usr/bin/env bash
# Judges a router on its test split.
set -euo pipefail
exec "$(dirname "$0")/mole.sh" eval --split test "$@"
