#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Makes a whole disk out of what small-image.sh made: ESP with GRUB, a volume for the seed, and the root. Most of it is
# holes. Nothing is mounted: each file system is written at its place.
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022

usage() {
  cat <<'HELP'
Makes a disk that starts from UEFI, out of an archive of small-image.sh.

usage: small-disk.sh --from FILE.tar.zst --output FILE.raw.zst [--without-seed-volume]

  --without-seed-volume   names the volume for cloud-init's seed something else, as most cloud images lack it

Runs as root. Needs the Debian packages zstd, fdisk, e2fsprogs, dosfstools, mtools, grub-common and grub-efi-amd64-bin.
HELP
}
die() { printf 'error: %s\n' "$1" >&2; [ -z "${2:-}" ] || printf '\nhint: %s\n' "$2" >&2; exit 1; }

from='' output='' label=cidata
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --without-seed-volume) label=data; shift; continue ;;
  esac
  [ $# -ge 2 ] || die "$1 is not known, or lacks its value" "small-disk.sh --help"
  case $1 in
    --from) from=$2 ;;
    --output) output=$2 ;;
    *) die "$1 is not known" "small-disk.sh --help" ;;
  esac
  shift 2
done
[ -n "$from" ] && [ -n "$output" ] || die "--from and --output are needed" "small-disk.sh --help"
[ "$(id -u)" = 0 ] || die "not root: devices and owners could not be kept"

# MiB. The root has more room than the image needs, as images of disks have.
esp_at=1 esp_size=40 cidata_at=41 cidata_size=8 root_at=49 root_size=512
root_id=5e0a1d15-0000-4000-8000-000000000001
esp_type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
data_type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
root_type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root disk=$work/disk
mkdir "$root"
tar -C "$root" --zstd --numeric-owner --xattrs --xattrs-include='*' -xpf "$from"
kernel=$(basename "$root"/boot/vmlinuz-*)
mkdir -p "$root/boot/grub"
cat >"$root/boot/grub/grub.cfg" <<GRUB
set timeout=0
menuentry 'Small' {
  linux /boot/$kernel root=UUID=$root_id console=ttyS0
  initrd /boot/initrd.img-${kernel#vmlinuz-}
}
GRUB
# shellcheck disable=SC2016 # GRUB's own variable
printf 'search.fs_uuid %s root\nset prefix=($root)/boot/grub\n' "$root_id" >"$work/early.cfg"
grub-mkimage --format=x86_64-efi --output="$work/BOOTX64.EFI" --prefix=/boot/grub --config="$work/early.cfg" \
  part_gpt fat ext2 search search_fs_uuid normal configfile linux echo test

truncate -s "$((root_at + root_size + 1))M" "$disk"
sfdisk --quiet --no-reread --no-tell-kernel "$disk" <<TABLE
label: gpt
label-id: 5e0a1d15-0000-4000-8000-000000000000
start=${esp_at}MiB, size=${esp_size}MiB, type=$esp_type, uuid=5e0a1d15-0000-4000-8000-000000000002, name=esp
start=${cidata_at}MiB, size=${cidata_size}MiB, type=$data_type, uuid=5e0a1d15-0000-4000-8000-000000000003, name=$label
start=${root_at}MiB, size=${root_size}MiB, type=$root_type, uuid=5e0a1d15-0000-4000-8000-000000000004, name=root
TABLE
truncate -s "${esp_size}M" "$work/esp"
mkfs.vfat --invariant -n ESP "$work/esp" >/dev/null
mmd -i "$work/esp" ::EFI ::EFI/BOOT
mcopy -i "$work/esp" "$work/BOOTX64.EFI" ::EFI/BOOT/BOOTX64.EFI
truncate -s "${cidata_size}M" "$work/cidata"
# Its init looks for the label in small letters, as cloud-init may.
mkfs.vfat --invariant -n "$label" "$work/cidata" >/dev/null 2>&1
dd if="$work/esp" of="$disk" bs=1M seek="$esp_at" conv=notrunc,sparse status=none
dd if="$work/cidata" of="$disk" bs=1M seek="$cidata_at" conv=notrunc,sparse status=none
E2FSPROGS_FAKE_TIME=1700000000 mke2fs -q -t ext4 -L root -J size=4 -U "$root_id" -d "$root" \
  -E "offset=$((root_at * 1048576)),hash_seed=$root_id,root_owner=0:0,nodiscard" "$disk" "${root_size}M"
zstd -q -9 --single-thread -c "$disk" >"$output.part"
mv "$output.part" "$output"
printf '%s: %s MB, of %s MB on the disk %s MB are data\n' "$output" "$(($(stat -c %s "$output") / 1000000))" \
  "$(($(stat -c %s "$disk") / 1000000))" "$(($(stat -c '%b * %B' "$disk") / 1000000))" >&2
