#!/usr/bin/env bash
# Deploys the newest router.
set -euo pipefail
exec "$(dirname "$0")/mole.sh" deploy --latest "$@"
