#!/usr/bin/env bash
# Runs the quick part of the gate before a commit. To install:
#
#   ln -s ../../scripts/pre-commit.sh .git/hooks/pre-commit
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
# Git sets these for hooks; the tests must not see them.
unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE GIT_PREFIX
exec .ci/run --quick
