#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Builds the maintenance OS: a live ISO for UEFI that runs from memory, out of locked Debian packages.
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
  cat <<'HELP'
Builds the maintenance OS as an ISO that UEFI firmware boots from virtual media, DVD or USB stick.

usage: build.sh --dispatcher FILE [--steps FILE] [--output FILE] [options]
       build.sh --update-lock [options]

  --dispatcher FILE   the static shoal-dispatcher (just release)
  --steps FILE        the static tool of the step containers; without it no target is shipped, so that the
                      system boots, finds its task and refuses it
  --output FILE       the ISO (default: ./shoal-maintenance-os.iso)
  --oci DIR           write an OCI image layout of the same root file system, too
  --version TEXT      version recorded in the image (default: that of the workspace)
  --fast              for tests: lz4 instead of zstd, no checksum at boot, no CPU mitigations
  --update-lock       ask the mirror for the newest packages and write the lock; builds nothing
  --overlay DIR       files of your own, copied over the tree as they are, last of all
  --packages FILE     list of packages (default: packages.list beside this script)
  --lock FILE         lock file (default: packages.lock beside this script)
  --mirror URL        Debian mirror, or a snapshot of it (default: http://deb.debian.org/debian)
  --security URL      the same for security updates (default: http://deb.debian.org/debian-security)
  --components LIST   for --update-lock, such as "main non-free-firmware" (default: main)
  --cache DIR         packages and unpacked trees are kept here (default: ~/.cache/shoal/maintenance-os)
  --help              this text

Runs as root on Debian 12 or newer, amd64. Needs these packages there: mmdebstrap apt dpkg squashfs-tools xorriso
mtools dosfstools binutils cpio zstd xz-utils curl python3 debian-archive-keyring.
Everything that goes into the image comes from the lock; SOURCE_DATE_EPOCH is the lock's own date unless it is set.
Exit codes: 0 built, 4 a package of the lock is not on the mirror any more, 1 anything else.
HELP
}

say() { printf '%5ds  %s\n' "$SECONDS" "$*" >&2; }
die() {
  printf 'error: %s\n' "$1" >&2
  [ -z "${2:-}" ] || printf '\nhint: %s\n' "$2" >&2
  exit "${code:-1}"
}

suite=trixie
dispatcher='' steps='' overlay='' output=shoal-maintenance-os.iso oci='' version='' fast=0 update=0
packages=$here/packages.list lock=$here/packages.lock components=main
mirror=http://deb.debian.org/debian security=http://deb.debian.org/debian-security
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/shoal/maintenance-os

while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --fast) fast=1; shift; continue ;;
    --update-lock) update=1; shift; continue ;;
    --*=*) key=${1%%=*} value=${1#*=}; shift; set -- "$key" "$value" "$@" ;;
  esac
  [ $# -ge 2 ] || die "$1 is not known, or lacks its value" "build.sh --help"
  case $1 in
    --dispatcher) dispatcher=$2 ;;
    --steps) steps=$2 ;;
    --overlay) overlay=$2 ;;
    --output) output=$2 ;;
    --oci) oci=$2 ;;
    --version) version=$2 ;;
    --packages) packages=$2 ;;
    --lock) lock=$2 ;;
    --mirror) mirror=${2%/} ;;
    --security) security=${2%/} ;;
    --components) components=$2 ;;
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

static_binary() {
  [ -f "$2" ] || die "$1: no file $2"
  if readelf -l "$2" 2>/dev/null | grep -q INTERP || ! readelf -h "$2" >/dev/null 2>&1; then
    die "$1: $2 is not a static program" "build it by: just release"
  fi
}

need apt-get:apt curl:curl
[ -f "$packages" ] || die "no list of packages at $packages"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mapfile -t wanted < <(sed 's/#.*//' "$packages" | grep -o '[^[:space:]]*')
mkdir -p "$cache/debs"
work=$(mktemp -d "${TMPDIR:-/tmp}/shoal-maintenance-os.XXXXXX")
cleanup() { rm -rf --one-file-system "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM

# === The lock: package, version, architecture, sha256, archive, path ===

update_lock() {
  [ -f "$keyring" ] || die "no $keyring" "apt-get install debian-archive-keyring"
  say "asking $mirror and $security"
  local apt=$work/apt
  mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,etc/apt.conf.d,etc/preferences.d}
  : >"$apt/status"
  cat >"$apt/sources" <<SOURCES
deb [signed-by=$keyring] $mirror $suite $components
deb [signed-by=$keyring] $mirror $suite-updates $components
deb [signed-by=$keyring] $security $suite-security $components
SOURCES
  cat >"$apt/conf" <<CONF
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc "$apt/etc";
Dir::Etc::sourcelist "$apt/sources";
Dir::Etc::sourceparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::ForceHash "SHA256";
pkgCacheGen::ForceEssential ",";
CONF
  APT_CONFIG=$apt/conf apt-get -qq update || die "the mirror's lists could not be read" "look at --mirror and --security"
  APT_CONFIG=$apt/conf apt-get -qq --print-uris install '?essential' "${wanted[@]}" >"$apt/uris" \
    || die "the packages do not go together" "look at $packages"
  local epoch
  epoch=$(date -d "$(sed -n 's/^Date: //p' "$apt"/state/lists/*InRelease | while read -r line; do date -d "$line" '+%s %c'; done | sort -n | tail -1 | cut -d' ' -f2-)" +%s)
  {
    echo "# The packages of the maintenance OS. Made by: maintenance-os/build.sh --update-lock"
    echo "# suite $suite"
    echo "# epoch $epoch"
    echo "# package version architecture sha256 archive path"
    local uri name hash file
    while read -r uri name _ hash; do
      uri=${uri#\'} uri=${uri%\'} hash=${hash#SHA256:}
      [ "${#hash}" -eq 64 ] || die "no SHA-256 of $name"
      case $uri in
        "$security"/*) file="security ${uri#"$security"/}" ;;
        "$mirror"/*) file="main ${uri#"$mirror"/}" ;;
        *) die "$uri is on neither mirror" ;;
      esac
      name=${name%.deb} name=${name//%3a/:}
      echo "${name%%_*} $(cut -d_ -f2 <<<"$name") ${name##*_} $hash $file"
    done <"$apt/uris" | sort
  } >"$work/lock"
  mv "$work/lock" "$lock"
  say "$(grep -vc '^#' "$lock") packages in $lock"
}

if [ "$update" = 1 ]; then
  update_lock
  exit 0
fi

need mmdebstrap:mmdebstrap dpkg-deb:dpkg mksquashfs:squashfs-tools xorriso:xorriso mcopy:mtools \
  mkfs.vfat:dosfstools objcopy:binutils readelf:binutils cpio:cpio zstd:zstd xz:xz-utils python3:python3
[ "$(id -u)" = 0 ] || die "root is needed to unpack packages with their owners" "run it with sudo, or in a container"
[ -n "$dispatcher" ] || die "no --dispatcher" "just release builds it; then: --dispatcher target/x86_64-unknown-linux-gnu/release/shoal-dispatcher"
static_binary --dispatcher "$dispatcher"
[ -z "$steps" ] || static_binary --steps "$steps"
[ -f "$lock" ] || die "no lock at $lock" "build.sh --update-lock"
[ -n "$version" ] || version=$(sed -n 's/^version *= *"\(.*\)"/\1/p' "$here/../Cargo.toml" | head -1)
[[ $version =~ ^[A-Za-z0-9.+~-]+$ ]] || die "'$version' is no version" "give --version 1.2.3"
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  SOURCE_DATE_EPOCH=$(sed -n 's/^# epoch //p' "$lock")
  [[ $SOURCE_DATE_EPOCH =~ ^[0-9]+$ ]] || die "$lock has no epoch" "build.sh --update-lock"
fi
export SOURCE_DATE_EPOCH

# === Packages: fetched once, compared with the lock every time ===

# One field of $control.
field() { [[ $'\n'$control$'\n' =~ $'\n'$1:\ ([^$'\n']*)$'\n' ]] && printf '%s' "${BASH_REMATCH[1]}"; }

fetch_packages() {
  local package ver arch hash archive path file from control said total=0 fetched=0
  mkdir -p "$work/repo"
  : >"$work/fetch"
  while read -r package ver arch hash archive path; do
    total=$((total + 1))
    file=$cache/debs/$hash.deb
    if [ ! -f "$file" ]; then
      fetched=$((fetched + 1))
      [ "$archive" = security ] && archive=$security || archive=$mirror
      printf 'url = "%s/%s"\noutput = "%s"\n' "$archive" "$path" "$file.part" >>"$work/fetch"
    fi
  done < <(grep -v '^#' "$lock")
  if [ "$fetched" -gt 0 ]; then
    say "fetching $fetched of $total packages"
    curl --fail --no-progress-meter --location --retry 5 --parallel --parallel-max 4 --config "$work/fetch" \
      || code=4 die "a package of the lock is not on the mirror any more" "take an older mirror, such as --mirror http://snapshot.debian.org/archive/debian/TIMESTAMP, or --update-lock"
  fi
  say "comparing $total packages with the lock"
  while read -r package ver arch hash archive path; do
    file=$cache/debs/$hash.deb
    from=$file
    [ -f "$file" ] || from=$file.part
    if [ "$(sha256sum <"$from" | cut -d' ' -f1)" != "$hash" ]; then
      rm -f "$from"
      die "$package $ver is not what the lock says: another SHA-256" "try again; if it stays, the mirror or the lock is wrong"
    fi
    [ "$from" = "$file" ] || mv "$from" "$file"
    ln "$file" "$work/repo/$hash.deb" 2>/dev/null || cp "$file" "$work/repo/$hash.deb"
    control=$(dpkg-deb -f "$file" | grep .)
    said="$(field Package) $(field Version) $(field Architecture)"
    [ "$said" = "$package $ver $arch" ] || die "the lock says $package $ver $arch, the package $said"
    printf '%s\n' "$control"
    printf 'Filename: ./%s.deb\nSize: %s\nSHA256: %s\n\n' "$hash" "$(stat -c %s "$file")" "$hash"
  done < <(grep -v '^#' "$lock") >"$work/repo/Packages"
  # mmdebstrap looks for essential packages in the suite of that name.
  {
    printf 'Suite: %s\nCodename: %s\nArchitectures: amd64 all\nDate: %s\nSHA256:\n' \
      "$suite" "$suite" "$(date -R -u -d "@$SOURCE_DATE_EPOCH")"
    printf ' %s %s Packages\n' "$(sha256sum <"$work/repo/Packages" | cut -d' ' -f1)" "$(stat -c %s "$work/repo/Packages")"
  } >"$work/repo/Release"
}

# === The tree: the packages, unpacked and configured ===

# Unpacked once per lock and list: everything after it is quick.
unpack_tree() {
  local key tree
  key=$(cat "$lock" <(printf '%s\n' "${wanted[@]}") <(declare -f unpack_tree) | sha256sum | cut -c1-32)
  tree=$cache/tree-$key.tar
  if [ ! -f "$tree" ]; then
    fetch_packages
    say "unpacking the packages"
    # shellcheck disable=SC2016 # $1 is for the hook's own shell
    mmdebstrap --quiet --mode=root --variant=essential --architectures=amd64 --format=tar \
      --skip=check/empty --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
      --dpkgopt='path-include=/usr/share/doc/*/copyright' --dpkgopt='path-exclude=/usr/share/lintian/*' \
      --dpkgopt='force-unsafe-io' \
      --essential-hook='printf "#!/bin/sh\nexit 0\n" >"$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d"' \
      --essential-hook='chroot "$1" dpkg-divert --quiet --local --rename --add /usr/sbin/update-initramfs; ln -s /bin/true "$1/usr/sbin/update-initramfs"' \
      --include="$(IFS=,; echo "${wanted[*]}")" \
      "$suite" "$tree.part" "deb [trusted=yes] copy:$work/repo ./" >&2 \
      || die "the packages could not be unpacked"
    mv "$tree.part" "$tree"
  fi
  say "laying out the tree"
  mkdir "$work/tree"
  tar -C "$work/tree" --numeric-owner --xattrs --xattrs-include='*' -xpf "$tree"
  rm -f "$work/tree/usr/sbin/policy-rc.d"
  # shellcheck disable=SC2016 # dpkg's own variables
  dpkg-query --admindir="$work/tree/var/lib/dpkg" -W -f '${Package} ${Version} ${Architecture}\n' | sort >"$work/have"
  grep -v '^#' "$lock" | cut -d' ' -f1-3 | sort >"$work/want"
  if ! diff -u --label lock --label tree "$work/want" "$work/have" >&2; then
    die "the tree is not what the lock says" "build.sh --update-lock, if the list of packages changed"
  fi
}

# === What is ours ===

steps_of_target() {
  case $1 in
    install-linux.target) echo partition image-linux bootloader-linux config-drive ;;
    install-windows.target) echo partition image-windows bootloader-windows ;;
  esac
}

# Whether the tool knows a step: it is a static program for this architecture, and has help for each.
has_step() {
  local help
  help=$("$steps" "$1" --help 2>/dev/null) && [ -n "$help" ]
}

mask() {
  local line
  while read -r line; do
    case $line in
      udev:*) mkdir -p "$1/etc/udev/rules.d"; ln -sfn /dev/null "$1/etc/udev/rules.d/${line#udev:}" ;;
      generator:*) mkdir -p "$1/etc/systemd/system-generators"; ln -sfn /dev/null "$1/etc/systemd/system-generators/${line#generator:}" ;;
      *) ln -sfn /dev/null "$1/etc/systemd/system/$line" ;;
    esac
  done < <(sed 's/#.*//; s/[[:space:]]*$//' "$here/masks.list" | grep .)
}

bind_steps() {
  local tree=$1 target step shipped=() complete
  local containers=$tree/usr/share/containers/systemd units=$tree/usr/lib/systemd/system
  mkdir -p "$tree/usr/lib/shoal/images"
  if [ -n "$steps" ]; then
    python3 "$here/oci.py" bind "$tree/usr/lib/shoal/images" "$steps" "$version" "$SOURCE_DATE_EPOCH" >/dev/null
    for target in install-linux.target install-windows.target; do
      complete=1
      for step in $(steps_of_target "$target"); do
        has_step "$step" || { complete=0; say "$target is left out: $(basename "$steps") has no step $step"; break; }
      done
      [ "$complete" = 0 ] || shipped+=("$target")
    done
  else
    say "no --steps: the dispatcher will run, and refuse every task, for there is no target"
  fi
  {
    echo "# The targets that a task may name."
    [ ${#shipped[@]} -eq 0 ] || printf '%s\n' "${shipped[@]}"
  } >"$tree/usr/lib/shoal/targets"
  # What no target needs is not shipped.
  local used=" "
  for target in "${shipped[@]}"; do used+="$(steps_of_target "$target") "; done
  for target in install-linux.target install-windows.target; do
    grep -qx "$target" "$tree/usr/lib/shoal/targets" || rm -f "$units/$target"
    for step in $(steps_of_target "$target"); do
      [[ $used == *" $step "* ]] || rm -rf "$containers/$step.container" "$units/$step.service.d"
    done
  done
}

finish_tree() {
  local tree=$work/tree kernel pattern
  kernel=$(basename "$tree"/usr/lib/modules/*)
  say "adding what is ours (kernel $kernel)"
  mkdir "$work/boot"
  cp "$tree/boot/vmlinuz-$kernel" "$work/boot/linux"
  cp "$tree/usr/lib/systemd/boot/efi/linuxx64.efi.stub" "$work/boot/stub"
  cp "$tree/usr/bin/busybox" "$work/boot/busybox"
  pack_modules "$kernel"
  python3 "$here/describe.py" "$tree" "$lock" >"$work/packages.json"

  while read -r pattern; do
    # shellcheck disable=SC2086 # patterns are meant to be expanded
    (cd "$tree" && rm -rf -- ${pattern//KERNEL/$kernel})
  done < <(sed 's/#.*//; s/[[:space:]]*$//' "$here/leave-out.list" | grep .)
  chroot "$tree" depmod "$kernel"

  cp -r "$here/root/." "$tree/"
  mask "$tree"
  install -m 0755 "$dispatcher" "$tree/usr/lib/shoal/shoal-dispatcher"
  install -D -m 0644 "$work/packages.json" "$tree/usr/share/shoal/packages.json"
  install -m 0644 "$lock" "$tree/usr/share/shoal/packages.lock"
  bind_steps "$tree"
  [ -z "$overlay" ] || cp -r "$overlay/." "$tree/"

  ln -sfn shoal.target "$tree/etc/systemd/system/default.target"
  # What the packages enabled on their own; shoal.target says what runs.
  rm -rf "$tree"/etc/systemd/system/*.wants
  ln -sfn /run/systemd/resolve/resolv.conf "$tree/etc/resolv.conf"
  ln -sfn ../proc/self/mounts "$tree/etc/mtab"
  : >"$tree/etc/machine-id"
  rm -f "$tree/var/lib/dbus/machine-id" "$tree/etc/fstab"
  chroot "$tree" usermod --lock --shell /usr/sbin/nologin root
  # Left behind by tools that edit passwords; they hold dates.
  rm -f "$tree"/etc/*- "$tree"/var/lib/systemd/catalog/database
  sed -i 's/^\(root:[^:]*:\)[0-9]*:/\1'$((SOURCE_DATE_EPOCH / 86400))':/' "$tree/etc/shadow"
  mkdir -p "$tree/mnt/task" "$tree/mnt/new-root" "$tree/mnt/new-windows" "$tree/mnt/efi" "$tree/mnt/cidata"
  cat >>"$tree/usr/lib/os-release" <<RELEASE
VARIANT="Shoal maintenance OS"
VARIANT_ID=shoal-maintenance
IMAGE_ID=shoal-maintenance-os
IMAGE_VERSION="$version"
BUILD_ID=$(sha256sum <"$lock" | cut -c1-16)
RELEASE
  find "$tree" -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

# The modules of the initrd with what they depend on, uncompressed.
pack_modules() {
  local name file
  mkdir -p "$work/initrd/lib/modules/$1"
  mapfile -t names < <(sed 's/#.*//' "$here/initrd.modules" | grep -o '[a-z0-9_]*' | sort -u)
  printf '%s\n' "${names[@]}" >"$work/initrd/modules"
  for name in "${names[@]}"; do
    chroot "$work/tree" modprobe --set-version "$1" --show-depends "$name" 2>/dev/null | awk '$1 == "insmod" { print $2 }' \
      || die "the kernel has no module $name" "look at initrd.modules"
  done | sort -u | while read -r file; do
    case $file in
      *.xz) xz -dc "$work/tree$file" >"$work/initrd/lib/modules/$1/$(basename "${file%.xz}")" ;;
      *.zst) zstd -qdc "$work/tree$file" >"$work/initrd/lib/modules/$1/$(basename "${file%.zst}")" ;;
      *) cp "$work/tree$file" "$work/initrd/lib/modules/$1/" ;;
    esac
  done
  cp "$work/tree/usr/lib/modules/$1"/modules.{builtin,builtin.modinfo,order} "$work/initrd/lib/modules/$1/"
  # depmod wants a root of its own around them.
  mkdir -p "$work/tree/tmp/initrd"
  cp -r "$work/initrd/lib" "$work/tree/tmp/initrd/"
  chroot "$work/tree" depmod --basedir /tmp/initrd "$1"
  cp "$work/tree/tmp/initrd/lib/modules/$1"/modules.* "$work/initrd/lib/modules/$1/"
  rm -rf "$work/tree/tmp/initrd" "$work/initrd/lib/modules/$1"/modules.*.bin
}

# === Image, initrd, kernel, ISO ===

pack_root() {
  local compression=(-comp zstd -Xcompression-level 19 -b 256K)
  [ "$fast" = 0 ] || compression=(-comp lz4)
  say "compressing the root"
  mksquashfs "$work/tree" "$work/root.squashfs" -noappend -quiet -no-progress "${compression[@]}" \
    -wildcards -e 'proc/*' 'sys/*' 'dev/*' 'run/*' 'tmp/*' >&2
  image_hash=$(sha256sum <"$work/root.squashfs" | cut -d' ' -f1)
  image_size=$(stat -c %s "$work/root.squashfs")
  image_name=root-${image_hash:0:16}.squashfs
}

pack_initrd() {
  say "packing the initrd"
  mkdir -p "$work/initrd/bin"
  cp "$work/boot/busybox" "$work/initrd/bin/busybox"
  cp "$here/init" "$work/initrd/init"
  chmod 0755 "$work/initrd/init" "$work/initrd/bin/busybox"
  local check=$image_hash
  [ "$fast" = 0 ] || check=
  printf 'IMAGE=%s\nSIZE=%s\nSHA256=%s\n' "$image_name" "$image_size" "$check" >"$work/initrd/BUILD"
  find "$work/initrd" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  (cd "$work/initrd" && find . -print0 | sort -z | cpio --quiet --null --create --format=newc --reproducible --owner=+0:+0) \
    | zstd -q -19 --single-thread >"$work/boot/initrd"
}

# The stub of systemd-boot with kernel, initrd and command line as sections of their own.
pack_kernel() {
  local line="console=tty0 console=ttyS0,115200 quiet loglevel=4 raid=noautodetect systemd.show_status=0"
  [ "$fast" = 0 ] || line+=" mitigations=off"
  printf '%s' "$line" >"$work/boot/cmdline"
  printf '%s\n' "$(basename "$work"/tree/usr/lib/modules/*)" >"$work/boot/uname"
  cp "$work/tree/usr/lib/os-release" "$work/boot/osrel"
  local at arguments=() section
  at=$(objdump -h -w "$work/boot/stub" | awk '$2 ~ /^\./ { end = strtonum("0x" $4) + strtonum("0x" $3); if (end > max) max = end } END { print max }' 2>/dev/null) || at=
  [ -n "$at" ] || at=$(python3 - "$work/boot/stub" <<'PY'
import struct, sys
data = open(sys.argv[1], "rb").read()
pe = struct.unpack_from("<I", data, 0x3C)[0]
count, optional = struct.unpack_from("<H", data, pe + 6)[0], struct.unpack_from("<H", data, pe + 20)[0]
base = struct.unpack_from("<Q", data, pe + 24 + 24)[0]
table = pe + 24 + optional
ends = [sum(struct.unpack_from("<II", data, table + 40 * i + 8)) for i in range(count)]
print(base + max(ends))
PY
)
  for section in osrel cmdline uname initrd linux; do
    at=$(((at + 4095) / 4096 * 4096))
    arguments+=(--add-section ".$section=$work/boot/$section" --change-section-vma ".$section=$at")
    at=$((at + $(stat -c %s "$work/boot/$section")))
  done
  objcopy --enable-deterministic-archives --preserve-dates "${arguments[@]}" "$work/boot/stub" "$work/boot/shoal.efi" \
    || die "objcopy could not put the kernel together"
}

pack_iso() {
  say "writing the ISO"
  local iso=$work/iso fat=$work/efi.img date
  mkdir -p "$iso/shoal"
  mv "$work/root.squashfs" "$iso/shoal/$image_name"
  cp "$work/packages.json" "$iso/shoal/packages.json"
  printf '%s\n' "$version" >"$iso/shoal/version"
  truncate -s $((($(stat -c %s "$work/boot/shoal.efi") / 1048576 + 2) * 1048576)) "$fat"
  mkfs.vfat --invariant -n SHOAL_EFI "$fat" >/dev/null
  mmd -i "$fat" ::EFI ::EFI/BOOT
  mcopy -i "$fat" "$work/boot/shoal.efi" ::EFI/BOOT/BOOTX64.EFI
  find "$iso" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S00)
  xorriso -report_about SORRY -as mkisofs -quiet -o "$work/out.iso" -V SHOAL_MAINTENANCE -R -J --modification-date="$date" \
    -append_partition 2 0xef "$fat" -appended_part_as_gpt --gpt_disk_guid modification-date \
    -e --interval:appended_partition_2:all:: -no-emul-boot "$iso" >&2
  mv "$work/out.iso" "$output"
}

pack_oci() {
  say "writing the OCI image"
  local digest
  mkdir -p "$oci"
  mkfifo "$work/pipe"
  sha256sum <"$work/pipe" >"$work/diff-id" &
  local summing=$!
  tar -C "$work/tree" --sort=name --numeric-owner --format=posix \
    --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' --xattrs --xattrs-include='*' \
    --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' --exclude='./run/*' --exclude='./tmp/*' -c . \
    | tee "$work/pipe" | zstd -q -9 --single-thread >"$work/layer"
  wait "$summing"
  digest=$(python3 "$here/oci.py" layout "$oci" "$work/layer" "$(cut -d' ' -f1 "$work/diff-id")" "$version" "$SOURCE_DATE_EPOCH")
  say "OCI image $digest in $oci"
}

unpack_tree
finish_tree
[ -z "$oci" ] || pack_oci
pack_root
pack_initrd
pack_kernel
pack_iso
say "$output: $(($(stat -c %s "$output") / 1000000)) MB (root $((image_size / 1000000)) MB, kernel and initrd $(($(stat -c %s "$work/boot/shoal.efi") / 1000000)) MB)"
sha256sum "$output" >&2
