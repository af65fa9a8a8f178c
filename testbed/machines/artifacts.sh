#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Builds what the machines of the tests boot and install, each only where what it is made of has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'HELP'
Builds the maintenance OS and the images for machines in QEMU.

usage: artifacts.sh DISPATCHER STEPS DIRECTORY

Writes maintenance.iso, debian-13.1.tar.zst, small-1.tar.zst, small-2.tar.zst, small-unbootable.tar.zst, and the whole
disks small-disk-1.raw.zst and small-disk-seedless.raw.zst into DIRECTORY. Works as root or with sudo, on Debian, with the packages that maintenance-os/build.sh --help names.
HELP
}
[ $# -eq 3 ] || { usage >&2; exit 2; }
# Images hold devices and owners, which root alone can make.
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "error: root is needed to make images, and there is no sudo" >&2; exit 1; }
  exec sudo -- "$PWD/testbed/machines/artifacts.sh" "$@"
fi
dispatcher=$1 steps=$2 directory=$3
mkdir -p "$directory"

# make NAME INPUT… -- COMMAND…: runs the command where NAME is missing or was made of something else.
make_of() {
  local name=$1 inputs=() key
  shift
  while [ "$1" != -- ]; do inputs+=("$1"); shift; done
  shift
  key=$(find "${inputs[@]}" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
  if [ -f "$directory/$name" ] && [ "$(cat "$directory/$name.of" 2>/dev/null)" = "$key" ]; then
    return
  fi
  rm -f "$directory/$name.of"
  "$@"
  printf '%s\n' "$key" >"$directory/$name.of"
}

# With the lock's packages. Once a mirror has dropped one of them, which must not stop the tests, with today's.
build_iso() {
  local ended=0
  set -- --fast --dispatcher "$dispatcher" --steps "$steps" --output "$directory/maintenance.iso"
  maintenance-os/build.sh "$@" || ended=$?
  if [ "$ended" -eq 4 ]; then
    echo "the tests go on with today's packages; maintenance-os/build.sh --update-lock mends it" >&2
    maintenance-os/build.sh --update-lock --lock "$directory/packages.lock"
    ended=0
    maintenance-os/build.sh --lock "$directory/packages.lock" "$@" || ended=$?
  fi
  return "$ended"
}
make_of maintenance.iso maintenance-os "$dispatcher" "$steps" -- build_iso
make_of debian-13.1.tar.zst os-image -- os-image/build.sh --version 13.1 --output "$directory/debian-13.1.tar.zst"
small=testbed/machines/small-image.sh
for version in 1 2; do
  make_of "small-$version.tar.zst" $small maintenance-os/packages.lock -- \
    $small --version "$version" --output "$directory/small-$version.tar.zst"
done
make_of small-unbootable.tar.zst $small maintenance-os/packages.lock -- \
  $small --version unbootable --without-kernel --output "$directory/small-unbootable.tar.zst"
disk=testbed/machines/small-disk.sh
make_of small-disk-1.raw.zst $disk "$directory/small-1.tar.zst" -- \
  $disk --from "$directory/small-1.tar.zst" --output "$directory/small-disk-1.raw.zst"
make_of small-disk-seedless.raw.zst $disk "$directory/small-1.tar.zst" -- \
  $disk --from "$directory/small-1.tar.zst" --output "$directory/small-disk-seedless.raw.zst" --without-seed-volume
