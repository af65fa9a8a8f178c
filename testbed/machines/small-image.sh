#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Makes a root file system of a few megabytes for tests: a kernel, an initrd and busybox. It starts in seconds, takes its
# host name from cloud-init's seed, and has one of everything that an archive can hold.
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022

usage() {
  cat <<'HELP'
Makes a small root file system for tests, out of the packages of the maintenance OS.

usage: small-image.sh --version TEXT --output FILE.tar.zst [--tree TAR] [--without-kernel]

  --version TEXT     written to /etc/shoal-image
  --output FILE      the archive, zstd
  --tree TAR         the unpacked packages (default: the newest that maintenance-os/build.sh has cached)
  --without-kernel   leaves /boot empty: an image that cannot be made bootable
HELP
}
die() { printf 'error: %s\n' "$1" >&2; [ -z "${2:-}" ] || printf '\nhint: %s\n' "$2" >&2; exit 1; }

version='' output='' tree='' kernel=1
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --without-kernel) kernel=0; shift; continue ;;
  esac
  [ $# -ge 2 ] || die "$1 is not known, or lacks its value" "small-image.sh --help"
  case $1 in
    --version) version=$2 ;;
    --output) output=$2 ;;
    --tree) tree=$2 ;;
    *) die "$1 is not known" "small-image.sh --help" ;;
  esac
  shift 2
done
[ -n "$version" ] && [ -n "$output" ] || die "--version and --output are needed" "small-image.sh --help"
if [ -z "$tree" ]; then
  cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/shoal/maintenance-os
  # shellcheck disable=SC2012 # names of our own making
  tree=$(ls -t "$cache"/tree-*.tar 2>/dev/null | head -1)
  [ -n "$tree" ] || die "nothing is cached in $cache" "run maintenance-os/build.sh first"
fi
[ "$(id -u)" = 0 ] || die "not root: devices and owners could not be kept"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/from" "$work/initrd" "$work/root"
tar -C "$work/from" -xf "$tree" --wildcards ./usr/bin/busybox './boot/vmlinuz-*' './usr/lib/modules/*'
name=$(basename "$work"/from/usr/lib/modules/*)

# The initrd: drivers of disks, and the way to the root that the kernel's command line names.
mkdir -p "$work/initrd/bin" "$work/initrd/lib/modules/$name"
cp "$work/from/usr/bin/busybox" "$work/initrd/bin/"
python3 - "$work/from/usr/lib/modules/$name" >"$work/modules" <<'PY'
import os, sys
top = sys.argv[1]
wanted = "crc32c_generic nvme virtio_pci virtio_blk ahci sd_mod ext4 vfat nls_cp437 nls_ascii nls_iso8859_1 nls_utf8".split()
needs, path = {}, {}
for line in open(os.path.join(top, "modules.dep")):
    file, others = line.strip().split(":", 1)
    name = lambda file: os.path.basename(file).split(".")[0].replace("-", "_")
    path[name(file)] = file
    needs[name(file)] = [name(other) for other in reversed(others.split())]
listed = []
for module in wanted:
    for one in needs.get(module, []) + [module]:
        if one in path and one not in listed:
            listed.append(one)
            print(os.path.join(top, path[one]))
PY
while read -r file; do
  case $file in
    *.xz) xz -dc "$file" >"$work/initrd/lib/modules/$name/$(basename "${file%.xz}")" ;;
    *.zst) zstd -qdc "$file" >"$work/initrd/lib/modules/$name/$(basename "${file%.zst}")" ;;
    *) cp "$file" "$work/initrd/lib/modules/$name/" ;;
  esac
done <"$work/modules"
sed 's#.*/##; s/\.xz$//; s/\.zst$//' "$work/modules" >"$work/initrd/modules"
cat >"$work/initrd/init" <<'INIT'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in $(cat /modules); do insmod "/lib/modules/$(uname -r)/$module" 2>/dev/null; done
for word in $(cat /proc/cmdline); do case $word in root=*) root=${word#root=} ;; esac; done
tries=0
until device=$(findfs "$root" 2>/dev/null) && mount -o rw "$device" /root; do
	tries=$((tries + 1))
	[ "$tries" -lt 300 ] || { echo "small: no root $root" >/dev/ttyS0; sleep 5; poweroff -f; }
	usleep 100000
done
mkdir -p /root/proc /root/sys /root/dev
mount --move /dev /root/dev
mount --move /sys /root/sys
mount --move /proc /root/proc
exec switch_root /root /sbin/init
INIT
chmod 0755 "$work/initrd/init"

# The root: one program, its many names, and a specimen of whatever an archive can hold.
root=$work/root
mkdir -p "$root"/{bin,sbin,etc,proc,sys,dev,run,tmp,mnt,boot/efi,root,var/log,specimen}
cp "$work/from/usr/bin/busybox" "$root/bin/busybox"
printf 'name=small\nversion=%s\n' "$version" >"$root/etc/shoal-image"
printf 'NAME="Small"\nVERSION_ID="%s"\n' "$version" >"$root/etc/os-release"
cat >"$root/sbin/init" <<'INIT'
#!/bin/busybox sh
export PATH=/bin
exec </dev/ttyS0 >/dev/ttyS0 2>&1
/bin/busybox --install -s /bin
mount -t tmpfs tmpfs /run
seed=$(findfs LABEL=cidata) && mkdir -p /run/seed && mount -t vfat -o ro "$seed" /run/seed
name=$(sed -n 's/^local-hostname: *//p' /run/seed/meta-data | tr -d "\"'")
hostname "${name:-nobody}"
echo "small: seed of $(wc -c </run/seed/user-data) bytes"
. /etc/shoal-image
echo "small: version $version"
umount /run/seed
sync
# Orders come from the console.
while :; do
	printf '%s login: ' "$(hostname)"
	read -r order || sleep 1
	case $order in
		off) sync; poweroff -f ;;
		reset) sync; reboot -f ;;
	esac
done
INIT
chmod 0755 "$root/sbin/init"
chmod 1777 "$root/tmp"
if [ "$kernel" = 1 ]; then
  cp "$work/from/boot/vmlinuz-$name" "$root/boot/"
  (cd "$work/initrd" && find . -print0 | sort -z | cpio --quiet --null --create --format=newc --owner=+0:+0) \
    | zstd -q -9 --single-thread >"$root/boot/initrd.img-$name"
fi
(
  cd "$root/specimen"
  echo linked >one
  ln one two
  ln -s one symbolic
  mkfifo pipe
  mknod null c 1 3
  truncate -s 8M sparse
  printf end | dd of=sparse bs=1 seek=8388605 conv=notrunc status=none
  printf owned >owned
  chown 1234:4321 owned
  chmod 4750 owned
  printf capable >capable
  # cap_net_raw=ep, as setcap writes it.
  python3 -c 'import os; os.setxattr("capable", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))'
)
tar -C "$root" --sort=name --numeric-owner --format=posix --sparse --xattrs --xattrs-include='*' \
  --mtime=@1700000000 -c . | zstd -q -9 --single-thread >"$output.part"
mv "$output.part" "$output"
printf '%s: %s MB\n' "$output" "$(($(stat -c %s "$output") / 1000000))" >&2
