#!/usr/bin/env bash
# Deploys a router.
set -euo pipefail
exec "$(dirname "$0")/mole.sh" deploy "$@"
