#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Prints a directory of Redfish schemas (CSDL): the one that is named, or the DMTF's newest bundle, fetched below the
# other one. The DMTF publishes no digest of the bundle; what it brings decides nothing but which FAILs are found.
#
#   testbed/redfish-schemas.sh "" DIRECTORY    or    testbed/redfish-schemas.sh SCHEMAS DIRECTORY
set -euo pipefail
schemas=$1 directory=$2
bundle=https://www.dmtf.org/sites/default/files/standards/documents/DSP8010.zip
first() { find "$directory" -name ComputerSystem_v1.xml -print -quit; }

if [ -z "$schemas" ]; then
  mkdir -p "$directory"
  if [ -z "$(first)" ]; then
    if ! curl --fail --silent --show-error --location --output "$directory/DSP8010.zip" "$bundle"; then
      echo "error: the schemas cannot be fetched" >&2
      echo >&2
      echo "hint: name a directory of CSDL files: just validate-redfish DIRECTORY" >&2
      exit 1
    fi
    python3 -m zipfile -e "$directory/DSP8010.zip" "$directory"
  fi
  schemas=$(dirname "$(first)")
fi
realpath "$schemas"
