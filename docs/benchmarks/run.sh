#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# run.sh DIR [TIMES]: over an inventory that fleet.sh made, the run with the median wall clock, and its CPU time.
# Needs shoal on the PATH; PyYAML, for scale, where it is there.
set -euo pipefail
cd "$1"; times=${2:-9}

measure() {
  local name=$1; shift
  for _ in $(seq "$times"); do
    { TIMEFORMAT='%R %U %S'; time "$@" > /dev/null 2>&1 || true; } 2>&1
  done | awk '{print $1, $2 + $3}' | sort -n | awk -v name="$name" \
    '{wall[NR] = $1; cpu[NR] = $2} END {n = int((NR + 1) / 2); printf "%-44s %.2f s wall  %.2f s cpu\n", name, wall[n], cpu[n]}'
}

measure 'shoal validate' shoal validate
measure 'shoal plan' shoal plan --without-status
measure 'shoal plan --format json' shoal plan --without-status --format json
if python3 -c 'import yaml; yaml.CSafeLoader' 2> /dev/null; then
  measure 'PyYAML with libyaml, parsing alone' python3 -c '
import glob, yaml
for path in glob.glob("**/*.yaml", recursive=True):
    with open(path) as file:
        yaml.load(file, yaml.CSafeLoader)'
fi
