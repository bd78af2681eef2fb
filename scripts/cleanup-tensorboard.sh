#!/usr/bin/env bash
# Removes the event files of old runs.
set -euo pipefail
exec "$(dirname "$0")/mole.sh" tensorboard cleanup "$@"
