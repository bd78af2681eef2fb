#!/usr/bin/env bash
# Copies the adapter of an expert to a volume and lists it.
set -euo pipefail
exec "$(dirname "$0")/mole.sh" save-lora "$@"
