#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Builds an image to install: a small Debian with cloud-init, as an archive of its root or as a whole disk.
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
  cat <<'HELP'
Builds a small Debian for servers with UEFI, ready for: shoal image push FILE HOST/REPOSITORY:VERSION

usage: build.sh [--version TEXT] [--output FILE] [options]

  --version TEXT      version of the image, written to /etc/shoal-image (default: 13)
  --name TEXT         name of the image, written there, too (default: debian)
  --output FILE       the image (default: ./NAME-VERSION.tar.zst, or as format and compression want it)
  --format FORMAT     rootfs-tar (default): the recipe's layout is kept; raw-disk: a disk with ESP and root
  --compression HOW   zstd (default), gzip or none
  --level NUMBER      of compression (default: 9 for zstd, 6 for gzip)
  --include LIST      more packages, by comma, such as linux-image-cloud-amd64,netplan.io
  --packages FILE     list of packages (default: packages.list beside this script)
  --components LIST   such as "main non-free-firmware" (default: main)
  --refresh           ask the mirror for newer packages, although a base is kept
  --mirror URL        Debian mirror, or a snapshot of it (default: http://deb.debian.org/debian)
  --security URL      the same for security updates (default: http://deb.debian.org/debian-security)
  --cache DIR         packages and unpacked bases are kept here (default: ~/.cache/shoal/os-image)
  --help              this text

Runs as root on Debian 12 or newer, amd64. Needs these packages there: mmdebstrap apt dpkg zstd gzip
debian-archive-keyring; for raw-disk e2fsprogs, dosfstools, mtools and fdisk, too.
The base is made once and kept; another version of it only repacks. SOURCE_DATE_EPOCH is the date of the
mirror's lists unless it is set. Without --refresh a kept base is taken as it is, and the mirror is not asked.
HELP
}

say() { printf '%5ds  %s\n' "$SECONDS" "$*" >&2; }
die() {
  printf 'error: %s\n' "$1" >&2
  [ -z "${2:-}" ] || printf '\nhint: %s\n' "$2" >&2
  exit 1
}

suite=trixie
version=13 name=debian output='' format=rootfs-tar compression=zstd level='' include='' refresh=0
packages=$here/packages.list components=main
mirror=http://deb.debian.org/debian security=http://deb.debian.org/debian-security
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/shoal/os-image

while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --refresh) refresh=1; shift; continue ;;
    --*=*) key=${1%%=*} value=${1#*=}; shift; set -- "$key" "$value" "$@" ;;
  esac
  [ $# -ge 2 ] || die "$1 is not known, or lacks its value" "build.sh --help"
  case $1 in
    --version) version=$2 ;;
    --name) name=$2 ;;
    --output) output=$2 ;;
    --format) format=$2 ;;
    --compression) compression=$2 ;;
    --level) level=$2 ;;
    --include) include=$2 ;;
    --packages) packages=$2 ;;
    --components) components=$2 ;;
    --mirror) mirror=${2%/} ;;
    --security) security=${2%/} ;;
    --cache) cache=$2 ;;
    *) die "$1 is not known" "build.sh --help" ;;
  esac
  shift 2
done

# === What must be there ===

need() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair##*:}")
  done
  [ ${#missing[@]} -eq 0 ] || die "missing: ${missing[*]}" "apt-get install ${missing[*]}"
}

[[ $version =~ ^[A-Za-z0-9._+~-]+$ ]] || die "'$version' is no version" "give --version 13.1"
[[ $name =~ ^[a-z0-9][a-z0-9._-]*$ ]] || die "'$name' is no name" "give --name debian"
case $format in
  rootfs-tar) suffix=tar ;;
  raw-disk) suffix=raw ;;
  *) die "the format $format is not known" "rootfs-tar or raw-disk" ;;
esac
case $compression in
  zstd) level=${level:-9} ending=.zst packer=(zstd -q -T0 "-$level" -c) ;;
  gzip) level=${level:-6} ending=.gz packer=(gzip -n "-$level" -c) ;;
  none) ending='' packer=(cat) ;;
  *) die "the compression $compression is not known" "zstd, gzip or none" ;;
esac
[[ ${level:-1} =~ ^[0-9]+$ ]] || die "the level $level is no number" "1 to 19 for zstd, 1 to 9 for gzip"
output=${output:-$name-$version.$suffix$ending}

need mmdebstrap:mmdebstrap apt-get:apt dpkg-query:dpkg zstd:zstd gzip:gzip tar:tar
[ "$format" = rootfs-tar ] || need mke2fs:e2fsprogs mkfs.vfat:dosfstools mcopy:mtools sfdisk:fdisk
[ "$(id -u)" = 0 ] || die "root is needed to unpack packages with their owners" "run it with sudo, or in a container"
[ -f "$packages" ] || die "no list of packages at $packages"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f "$keyring" ] || die "no $keyring" "apt-get install debian-archive-keyring"
mapfile -t wanted < <({ sed 's/#.*//' "$packages"; tr ',' '\n' <<<"$include"; } | grep -o '[^[:space:]]*' | sort -u)
mkdir -p "$cache/debs"
work=$(mktemp -d "${TMPDIR:-/tmp}/shoal-os-image.XXXXXX")
cleanup() { rm -rf --one-file-system "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM

# === The base: packages, unpacked, configured and made anonymous ===

# Sorted, with nothing in it that says when or where it was made.
archive() {
  tar --sort=name --numeric-owner --format=posix --xattrs --xattrs-include='*' \
    --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' \
    --mtime="@$SOURCE_DATE_EPOCH" --clamp-mtime "$@"
}

debootstrap() {
  local tree=$1
  say "unpacking the packages (about a minute)"
  cat >"$work/setup" <<'HOOK'
set -eu
mkdir -p "$1/var/cache/apt/archives/partial"
find "$CACHE" -name '*.deb' -exec ln -f -t "$1/var/cache/apt/archives" {} + 2>/dev/null \
  || find "$CACHE" -name '*.deb' -exec cp -t "$1/var/cache/apt/archives" {} +
HOOK
  # Nothing is started, and the initramfs is made once, when everything is there.
  cat >"$work/essential" <<'HOOK'
set -eu
printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
cp -r "$OVERLAY/." "$1/"
chroot "$1" dpkg-divert --quiet --local --rename --add /usr/sbin/update-initramfs
ln -s /bin/true "$1/usr/sbin/update-initramfs"
HOOK
  cat >"$work/customize" <<'HOOK'
set -eu
rm "$1/usr/sbin/update-initramfs" "$1/usr/sbin/policy-rc.d"
chroot "$1" dpkg-divert --quiet --local --rename --remove /usr/sbin/update-initramfs
chroot "$1" update-initramfs -c -k all
chroot "$1" systemctl --quiet enable systemd-networkd systemd-resolved systemd-timesyncd ssh
# Snapshots of LVM that nobody made; SSH over virtual sockets, whose generator complains where there are none.
chroot "$1" systemctl --quiet disable e2scrub_reap
mkdir -p "$1/etc/systemd/system-generators"
ln -s /dev/null "$1/etc/systemd/system-generators/systemd-ssh-generator"
find "$1/var/cache/apt/archives" -maxdepth 1 -name '*.deb' -exec cp -n -t "$CACHE" {} +
sed -n 's/^Date: //p' "$1"/var/lib/apt/lists/*InRelease >"$WORK/dates"
HOOK
  CACHE=$cache/debs OVERLAY=$here/root WORK=$work \
    mmdebstrap --quiet --mode=root --variant=apt --architectures=amd64 --format=directory \
    --skip=check/empty,download/empty,essential/unlink \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt="$here/leave-out.list" --dpkgopt='force-unsafe-io' \
    --setup-hook="sh $work/setup \"\$1\"" --essential-hook="sh $work/essential \"\$1\"" \
    --customize-hook="sh $work/customize \"\$1\"" \
    --include="$(IFS=,; echo "${wanted[*]}")" "$suite" "$tree" \
    "deb [signed-by=$keyring] $mirror $suite $components" \
    "deb [signed-by=$keyring] $mirror $suite-updates $components" \
    "deb [signed-by=$keyring] $security $suite-security $components" >&2 \
    || die "the packages could not be unpacked" "look at --mirror and --security, and at the names of packages"
}

# Takes out what belongs to one machine, or to this build.
anonymous() {
  local tree=$1
  rm -f "$tree"/etc/apt/apt.conf.d/99mmdebstrap "$tree"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$tree"/etc/apt/sources.list
  install -m 0644 "$here/leave-out.list" "$tree/etc/dpkg/dpkg.cfg.d/shoal-image"
  sed -i "s/^Components: .*/Components: $components/" "$tree/etc/apt/sources.list.d/debian.sources"
  rm -f "$tree"/etc/ssh/ssh_host_*_key* "$tree"/etc/hostname "$tree"/etc/fstab "$tree"/var/lib/dbus/machine-id \
    "$tree"/var/lib/systemd/{random-seed,credential.secret} "$tree"/etc/*- "$tree"/var/lib/dpkg/*-old \
    "$tree"/var/cache/debconf/*-old "$tree"/var/cache/ldconfig/aux-cache
  : >"$tree/etc/machine-id"
  # As cloud-init would set it.
  echo LANG=C.UTF-8 >"$tree/etc/locale.conf"
  printf '127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\n' >"$tree/etc/hosts"
  ln -sfn ../run/systemd/resolve/stub-resolv.conf "$tree/etc/resolv.conf"
  find "$tree/var/log" "$tree/var/cache/apt" "$tree/var/lib/apt/lists" -type f -delete
  find "$tree/tmp" "$tree/var/tmp" "$tree/run" "$tree/dev" "$tree/proc" "$tree/sys" -xdev -mindepth 1 -delete 2>/dev/null || true
  mkdir -p "$tree/boot/efi" "$tree/var/lib/cloud"
  chroot "$tree" usermod --lock root
  rm -f "$tree"/etc/*-
  sed -i 's/^\([^:]*:[^:]*:\)[0-9]*:/\1'$((SOURCE_DATE_EPOCH / 86400))':/' "$tree/etc/shadow"
  # Otherwise the first boot makes hardware database, linker cache and more anew: ten seconds for nothing.
  local marker
  for marker in etc var; do
    printf '# The image was made with everything up to date.\nTIMESTAMP_NSEC=%s000000000\n' "$SOURCE_DATE_EPOCH" >"$tree/$marker/.updated"
  done
  find "$tree" -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  touch --date="@$SOURCE_DATE_EPOCH" "$tree/usr" "$tree/etc/.updated" "$tree/var/.updated"
}

make_base() {
  local key given=${SOURCE_DATE_EPOCH:-}
  key=$({
    printf '%s\n' "$suite" "$components" "$given" "${wanted[@]}"
    cat "$here/leave-out.list"
    find "$here/root" -type f -print0 | sort -z | xargs -0 sha256sum | sed "s|$here||"
    declare -f archive debootstrap anonymous
  } | sha256sum | cut -c1-32)
  base=$cache/base-$key
  if [ "$refresh" = 1 ] || [ ! -f "$base.tar" ]; then
    debootstrap "$work/tree"
    if [ -z "$given" ]; then
      SOURCE_DATE_EPOCH=$(while read -r line; do date -d "$line" +%s; done <"$work/dates" | sort -n | tail -1)
    fi
    export SOURCE_DATE_EPOCH
    anonymous "$work/tree"
    # shellcheck disable=SC2016 # dpkg's own variables
    dpkg-query --admindir="$work/tree/var/lib/dpkg" -W -f '${Package} ${Version} ${Architecture}\n' | sort >"$base.packages"
    printf '%s\n' "$SOURCE_DATE_EPOCH" >"$base.epoch"
    archive -C "$work/tree" -cf "$base.part" .
    mv "$base.part" "$base.tar"
    [ "$format" = raw-disk ] || rm -rf --one-file-system "$work/tree"
  else
    say "taking the kept base of $(date -d "@$(cat "$base.epoch")" +%F)"
  fi
  SOURCE_DATE_EPOCH=$(cat "$base.epoch")
  export SOURCE_DATE_EPOCH
}

# What one version adds to the base.
marker() {
  mkdir -p "$1/etc"
  printf 'NAME=%s\nVERSION=%s\nBASE=%s\n' "$name" "$version" "$(sha256sum <"$base.packages" | cut -c1-16)" >"$1/etc/shoal-image"
}

# === Formats ===

# The base without tar's end, and behind it what the version adds: nothing is unpacked.
pack_rootfs() {
  mkdir "$work/marker"
  marker "$work/marker"
  archive -C "$work/marker" -cf "$work/marker.tar" ./etc/shoal-image
  say "packing ($compression)"
  { head -c "$(end_of_archive "$base.tar")" "$base.tar"; cat "$work/marker.tar"; } | "${packer[@]}" >"$work/out"
}

# Where the entries of an archive end, as tar itself reads it: behind that there are only zeros, to fill the last record.
end_of_archive() {
  tar --list --block-number --file "$1" | sed -n 's/^block \([0-9]*\): \*\* Block of NULs \*\*$/\1/p' | tail -1 | {
    read -r block && echo $((block * 512))
  }
}

# A GPT disk: ESP with GRUB, a volume for cloud-init's seed, and the root, which grows at the first boot. Everything is
# written into a file, at its place; nothing is mounted.
pack_disk() {
  local tree=$work/tree disk=$work/disk seed esp_id root_id size
  local esp_at=1 esp_size=64 cidata_at=65 cidata_size=16 root_at=81 root_size
  [ -d "$tree" ] || { mkdir "$tree"; tar -C "$tree" --numeric-owner --xattrs --xattrs-include='*' -xpf "$base.tar"; }
  marker "$tree"
  say "laying out the disk"
  # The same input gets the same identifiers.
  seed=$(printf '%s %s ' "$name" "$version" | cat - "$base.packages" | sha256sum)
  esp_id=${seed:0:8}
  uuid() { printf '%s-%s-4%s-8%s-%s\n' "${1:0:8}" "${1:8:4}" "${1:13:3}" "${1:17:3}" "${1:20:12}"; }
  root_id=$(uuid "${seed:8:32}")
  disk_tree "$tree" "$root_id" "${esp_id:0:4}-${esp_id:4:4}"

  size=$(du -s --block-size=1M --apparent-size "$tree" | cut -f1)
  root_size=$((size * 5 / 4 + 256))
  truncate -s "$((root_at + root_size + 1))M" "$disk"
  sfdisk --quiet --no-reread --no-tell-kernel "$disk" <<TABLE
label: gpt
label-id: $(uuid "${seed:16:32}")
start=${esp_at}MiB, size=${esp_size}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$(uuid "${seed:20:32}"), name=esp
start=${cidata_at}MiB, size=${cidata_size}MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=$(uuid "${seed:24:32}"), name=cidata
start=${root_at}MiB, size=${root_size}MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=$(uuid "${seed:28:32}"), name=root
TABLE
  truncate -s "${esp_size}M" "$work/esp"
  mkfs.vfat --invariant -i "$esp_id" -n ESP "$work/esp" >/dev/null
  mmd -i "$work/esp" ::EFI ::EFI/BOOT
  touch --date="@$SOURCE_DATE_EPOCH" "$work/BOOTX64.EFI"
  mcopy -m -i "$work/esp" "$work/BOOTX64.EFI" ::EFI/BOOT/BOOTX64.EFI
  truncate -s "${cidata_size}M" "$work/cidata"
  mkfs.vfat --invariant -i "${seed:40:8}" -n CIDATA "$work/cidata" >/dev/null
  dd if="$work/esp" of="$disk" bs=1M seek="$esp_at" conv=notrunc,sparse status=none
  dd if="$work/cidata" of="$disk" bs=1M seek="$cidata_at" conv=notrunc,sparse status=none
  E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -L root -J size=64 -U "$root_id" -d "$tree" \
    -E "offset=$((root_at * 1048576)),hash_seed=$root_id,root_owner=0:0,nodiscard" "$disk" "${root_size}M" \
    || die "mke2fs could not fill the root"
  say "packing ($compression)"
  if [ "$compression" = none ]; then mv "$disk" "$work/out"; else "${packer[@]}" <"$disk" >"$work/out"; fi
}

# What a disk has and an archive has not: GRUB, its configuration, fstab, and a root that grows.
disk_tree() {
  local tree=$1 root_id=$2 esp_id=$3 kernel line
  kernel=$(basename "$tree"/usr/lib/modules/*)
  # shellcheck source=/dev/null
  line=$(. "$tree/etc/default/grub" && printf '%s %s' "$GRUB_CMDLINE_LINUX" "$GRUB_CMDLINE_LINUX_DEFAULT")
  printf 'UUID=%s / ext4 defaults,errors=remount-ro 0 1\nUUID=%s /boot/efi vfat umask=0077 0 1\n' "$root_id" "${esp_id^^}" >"$tree/etc/fstab"
  printf '# The disk is larger than the image.\ngrowpart:\n  mode: auto\nresize_rootfs: true\n' >"$tree/etc/cloud/cloud.cfg.d/91-shoal-disk.cfg"
  mkdir -p "$tree/boot/grub/x86_64-efi"
  cp "$tree"/usr/lib/grub/x86_64-efi/*.{mod,lst} "$tree/boot/grub/x86_64-efi/"
  cat >"$tree/boot/grub/grub.cfg" <<GRUB
# Of the image; update-grub replaces it.
search --no-floppy --fs-uuid --set=root $root_id
set timeout=1
menuentry 'Debian GNU/Linux' {
  linux /boot/vmlinuz-$kernel root=UUID=$root_id ro $line
  initrd /boot/initrd.img-$kernel
}
GRUB
  # shellcheck disable=SC2016 # GRUB's own variable
  printf 'search.fs_uuid %s root\nset prefix=($root)/boot/grub\n' "$root_id" >"$tree/tmp/early.cfg"
  chroot "$tree" grub-mkimage --format=x86_64-efi --output=/tmp/BOOTX64.EFI --prefix=/boot/grub --config=/tmp/early.cfg \
    part_gpt fat ext2 search search_fs_uuid search_label normal configfile linux echo test true sleep ls cat \
    gzio minicmd reboot halt efi_gop all_video loadenv \
    || die "grub-mkimage could not make the boot program"
  mv "$tree/tmp/BOOTX64.EFI" "$work/BOOTX64.EFI"
  rm "$tree/tmp/early.cfg"
  find "$tree" -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

make_base
case $format in
  rootfs-tar) pack_rootfs ;;
  raw-disk) pack_disk ;;
esac
mkdir -p "$(dirname "$output")"
mv "$work/out" "$output"
say "$output: $(($(stat -c %s "$output") / 1000000)) MB, $(wc -l <"$base.packages") packages, unpacked $(($(stat -c %s "$base.tar") / 1000000)) MB"
sha256sum "$output"
