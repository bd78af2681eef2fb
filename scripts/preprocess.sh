#!/usr/bin/env bash
# Preprocesses a routing set and goes on with train.
set -euo pipefail
exec "$(dirname "$0")/mole.sh" preprocess "$@"
