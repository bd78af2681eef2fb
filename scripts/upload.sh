#!/usr/bin/env bash
# Publishes a routing set and goes on with preprocess and train.
set -euo pipefail
exec "$(dirname "$0")/mole.sh" upload "$@"
