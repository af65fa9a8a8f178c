#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Boots an image in QEMU, without Shoal, and checks its first boot.
set -euo pipefail
export LC_ALL=C

usage() {
  cat <<'HELP'
Boots an image in QEMU with a seed on a volume of its own and checks the first boot: the host name of the seed stands
at the login prompt, cloud-init is done without errors, no unit failed, the disk is used to its end. Prints the times.

usage: test.sh FILE [options]

  FILE            of build.sh: a rootfs-tar is put on an ext4 file system, its kernel is booted directly; a raw-disk is
                  booted by UEFI firmware. Plain, or compressed with zstd or gzip
  --disk BUS      nvme (default), sata or virtio
  --memory MIB    of the machine (default: 1024)
  --accel NAME    of QEMU (default: tcg; a /dev/kvm that is there may still be broken)
  --limit N       seconds that the boot may take (default: 600)
  --console FILE  keep the serial console
  --help          this text

Runs as root, for the owners of files. Needs the Debian packages qemu-system-x86, ovmf, e2fsprogs, dosfstools, mtools and
zstd. Where they are missing it says so and ends well, unless SHOAL_REQUIRE_E2E=1.
HELP
}

die() { printf 'error: %s\n' "$1" >&2; exit 1; }

file='' disk=nvme memory=1024 accel=tcg limit=600 console=''
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --disk | --memory | --accel | --limit | --console)
      [ $# -ge 2 ] || die "$1 lacks its value"
      case $1 in --disk) disk=$2 ;; --memory) memory=$2 ;; --accel) accel=$2 ;; --limit) limit=$2 ;; --console) console=$2 ;; esac
      shift 2
      ;;
    -*) die "$1 is not known: test.sh --help" ;;
    *) file=$1; shift ;;
  esac
done
[ -n "$file" ] || { usage >&2; exit 2; }
[ -f "$file" ] || die "no file $file"
case $disk in
  nvme) device=(-device "nvme,drive=disk,serial=TEST0001,bootindex=1") ;;
  sata) device=(-device "ahci,id=ahci" -device "ide-hd,drive=disk,bus=ahci.0,bootindex=1") ;;
  virtio) device=(-device "virtio-blk-pci,drive=disk,bootindex=1") ;;
  *) die "--disk: nvme, sata or virtio, not $disk" ;;
esac

firmware=
for one in /usr/share/OVMF/OVMF_CODE.fd /usr/share/OVMF/OVMF_CODE_4M.fd; do
  [ ! -f "$one" ] || { firmware=$one; break; }
done
missing=()
for pair in qemu-system-x86_64:qemu-system-x86 mke2fs:e2fsprogs mkfs.vfat:dosfstools mcopy:mtools zstd:zstd; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
[ -n "$firmware" ] || missing+=(ovmf)
[ "$(id -u)" = 0 ] || missing+=(root)
if [ ${#missing[@]} -gt 0 ]; then
  [ "${SHOAL_REQUIRE_E2E:-0}" != 1 ] || die "missing: ${missing[*]}"
  echo "skipped: missing ${missing[*]}" >&2
  exit 0
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/shoal-os-image-test.XXXXXX")
machine=
cleanup() {
  if [ -n "$machine" ]; then
    kill "$machine" 2>/dev/null || true
    wait "$machine" 2>/dev/null || true
  fi
  [ -z "$console" ] || [ ! -f "$work/console" ] || cp "$work/console" "$console"
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

unpacked() {
  case $(od -An -tx1 -N4 "$file" | tr -d ' ') in
    28b52ffd) zstd -qdc "$file" ;;
    1f8b*) gzip -dc "$file" ;;
    *) cat "$file" ;;
  esac
}

# What the image gets to do at its first boot. The report waits in the background for the end of it.
seed() {
  cat >"$work/meta-data" <<'META'
instance-id: shoal-test-1
local-hostname: image-test
META
  cat >"$work/user-data" <<'USER'
#cloud-config
hostname: image-test
users:
  - {name: admin, sudo: "ALL=(ALL) NOPASSWD:ALL", lock_passwd: true}
write_files:
  - path: /run/report
    content: |
      systemctl is-system-running --wait
      {
        echo "REPORT system $(systemctl is-system-running)"
        echo "REPORT failed $(systemctl --failed --plain --no-legend | tr '\n' ' ')"
        echo "REPORT cloud-init $(cloud-init status | tr '\n' ' ')"
        echo "REPORT image $(tr '\n' ' ' </etc/shoal-image)"
        echo "REPORT root $(df --output=size -BM / | tail -1)"
        systemd-analyze
        systemd-analyze blame --no-pager | head -15
        echo "REPORT end"
      } >/dev/console 2>&1
runcmd:
  - [systemd-run, --no-block, sh, /run/report]
USER
  truncate -s 8M "$work/seed"
  mkfs.vfat -n CIDATA "$work/seed" >/dev/null
  mcopy -i "$work/seed" "$work/meta-data" "$work/user-data" ::
}

root=$work/root.img
mkdir "$work/tree"
unpacked | head -c 1048576 >"$work/head" || true
if [ "$(dd if="$work/head" bs=1 skip=257 count=5 status=none | tr -d '\0')" = ustar ]; then
  unpacked | tar -C "$work/tree" --numeric-owner --xattrs --xattrs-include='*' -xpf -
  echo "LABEL=root / ext4 defaults,errors=remount-ro 0 1" >"$work/tree/etc/fstab"
  truncate -s 4G "$root"
  mke2fs -q -t ext4 -L root -d "$work/tree" "$root"
  seed
  volume=(-drive "if=none,id=seed,format=raw,file=$work/seed" -device "virtio-blk-pci,drive=seed")
  cp "$work"/tree/boot/vmlinuz-* "$work/kernel"
  cp "$work"/tree/boot/initrd.img-* "$work/initrd"
  boot=(-kernel "$work/kernel" -initrd "$work/initrd"
    -append "root=LABEL=root ro console=tty0 console=ttyS0,115200 quiet")
else
  unpacked | dd of="$root" bs=1M conv=sparse iflag=fullblock status=none
  truncate -s 4G "$root"
  seed
  # The seed's files go where Shoal writes them: to the volume in the image.
  at=$(sfdisk --dump "$root" | sed -n 's/.*start= *\([0-9]*\),.*name="cidata".*/\1/p')
  [ -n "$at" ] || die "the disk has no volume cidata"
  mcopy -i "$root@@$((at * 512))" "$work/meta-data" "$work/user-data" ::
  cp "${firmware/CODE/VARS}" "$work/variables"
  volume=()
  boot=(-drive "if=pflash,format=raw,unit=0,readonly=on,file=$firmware" -drive "if=pflash,format=raw,unit=1,file=$work/variables")
fi
rm -rf --one-file-system "$work/tree"

start=$(date +%s%N)
since() { awk -v a="$start" -v b="$(date +%s%N)" 'BEGIN { printf "%.1f", (b - a) / 1e9 }'; }
processor=max
[ "$accel" = tcg ] || processor=host
qemu-system-x86_64 -machine q35,smm=off -nodefaults -vga none -display none -accel "$accel" -cpu "$processor" -smp 1 \
  -m "$memory" -no-reboot -drive "if=none,id=disk,format=raw,cache=unsafe,file=$root" "${device[@]}" \
  "${volume[@]}" "${boot[@]}" -netdev user,id=net,restrict=on -device virtio-net-pci,netdev=net,romfile= \
  -serial "file:$work/console" &
machine=$!

seen() { grep -qaF "$1" "$work/console" 2>/dev/null; }
# Waits for a text on the console, and says when it was there.
await() {
  until seen "$1"; do
    kill -0 "$machine" 2>/dev/null || die "the machine ended before: $1"
    ! seen "Kernel panic" || die "the kernel panicked"
    [ $((($(date +%s%N) - start) / 1000000000)) -lt "$limit" ] || die "not seen in $limit s: $1"
    sleep 0.2
  done
  printf '%7s s  %s\n' "$(since)" "$1"
}

await "image-test login:"
await "cloud-init is done on image-test"
await "REPORT end"
tr -d '\r' <"$work/console" | sed -n '/^REPORT system/,/^REPORT end/p'
tr -d '\r' <"$work/console" | grep -qx 'REPORT system running' || die "the system is not running as it should"
tr -d '\r' <"$work/console" | grep -q '^REPORT cloud-init status: done' || die "cloud-init had errors"
size=$(tr -d '\r' <"$work/console" | sed -n 's/^REPORT root *\([0-9]*\)M$/\1/p')
[ "${size:-0}" -ge 3500 ] || die "the root did not grow: ${size:-?} MiB"
echo "passed"
