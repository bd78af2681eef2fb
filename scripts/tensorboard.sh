#!/usr/bin/env bash
# Shows the curves of the runs: `serve`, or nothing. `deploy` put the page on a
# rented machine once; there is none any more, so it serves here as well.
set -euo pipefail
case "${1-}" in
serve | deploy) shift ;;
esac
exec "$(dirname "$0")/mole.sh" tensorboard serve "$@"
