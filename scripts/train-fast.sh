#!/usr/bin/env bash
# Trains a router for 20 steps, to see that everything works.
set -euo pipefail
exec "$(dirname "$0")/mole.sh" train --fast "$@"
