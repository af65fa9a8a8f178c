#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Boots the maintenance OS in QEMU under UEFI and checks what it says of itself.
set -euo pipefail
export LC_ALL=C

usage() {
  cat <<'HELP'
Boots a maintenance ISO in QEMU and checks it: the dispatcher runs, nothing listens, nobody can log in, the firewall
stands, no unit failed, and all of it stays so when the medium is taken away. Prints the times of each run.

usage: test.sh ISO [options]

  --runs N        boots this many times (default: 1); every run is checked
  --memory MIB    of the machine (default: 1536)
  --usb           the ISO as a USB stick instead of a CD
  --accel NAME    of QEMU (default: tcg; a /dev/kvm that is there may still be broken)
  --console FILE  keep the serial console of the last run
  --help          this text

Needs the Debian packages qemu-system-x86, ovmf and python3. Where they are missing it says so and ends well, unless
SHOAL_REQUIRE_E2E=1.
HELP
}

die() { printf 'error: %s\n' "$1" >&2; exit 1; }

iso='' runs=1 memory=1536 usb=0 accel=tcg console=''
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --usb) usb=1; shift ;;
    --runs | --memory | --accel | --console)
      [ $# -ge 2 ] || die "$1 lacks its value"
      case $1 in --runs) runs=$2 ;; --memory) memory=$2 ;; --accel) accel=$2 ;; --console) console=$2 ;; esac
      shift 2
      ;;
    -*) die "$1 is not known: test.sh --help" ;;
    *) iso=$1; shift ;;
  esac
done
[ -n "$iso" ] || { usage >&2; exit 2; }
[ -f "$iso" ] || die "no file $iso"

firmware=
for file in /usr/share/OVMF/OVMF_CODE.fd /usr/share/OVMF/OVMF_CODE_4M.fd; do
  [ ! -f "$file" ] || { firmware=$file; break; }
done
missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
command -v python3 >/dev/null || missing+=(python3)
[ -n "$firmware" ] || missing+=(ovmf)
if [ ${#missing[@]} -gt 0 ]; then
  [ "${SHOAL_REQUIRE_E2E:-0}" != 1 ] || die "missing: ${missing[*]}"
  echo "skipped: missing ${missing[*]}" >&2
  exit 0
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/shoal-maintenance-test.XXXXXX")
machine=
cleanup() {
  if [ -n "$machine" ]; then
    kill "$machine" 2>/dev/null || true
    wait "$machine" 2>/dev/null || true
  fi
  [ -z "$console" ] || [ ! -f "$work/console" ] || cp "$work/console" "$console"
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

now() { date +%s%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", (b - a) / 1e9 }'; }

start_machine() {
  rm -f "$work"/{console,monitor,vars.fd}
  cp "${firmware/CODE/VARS}" "$work/vars.fd"
  truncate -s 64M "$work/disk.img"
  # shellcheck disable=SC2054 # the commas are QEMU's
  local medium=(-drive "if=none,id=medium,media=cdrom,readonly=on,format=raw,file=$iso" -device ide-cd,drive=medium,id=cd,bootindex=0)
  # shellcheck disable=SC2054
  [ "$usb" = 0 ] || medium=(-device qemu-xhci -drive "if=none,id=medium,readonly=on,format=raw,file=$iso" -device usb-storage,drive=medium,id=cd,bootindex=0)
  # The stub of systemd-boot takes more of a command line from the firmware's tables.
  qemu-system-x86_64 -machine q35,smm=off -accel "$accel" -cpu max -smp 1 -m "$memory" -nodefaults -vga none -display none \
    -no-reboot -drive "if=pflash,format=raw,readonly=on,file=$firmware" -drive "if=pflash,format=raw,file=$work/vars.fd" \
    "${medium[@]}" -drive "if=virtio,format=raw,file=$work/disk.img" \
    -netdev user,id=net,restrict=on -device virtio-net-pci,netdev=net,romfile= \
    -smbios "type=1,serial=SHOALTEST1" -smbios "type=11,value=io.systemd.stub.kernel-cmdline-extra=shoal.selftest" \
    -serial "file:$work/console" -qmp "unix:$work/monitor,server=on,wait=off" &
  machine=$!
}

# What the machine has used; says more than the clock where other work goes on beside it.
cpu_seconds() { awk -v hz="$(getconf CLK_TCK)" '{ printf "%.1f", ($14 + $15) / hz }' "/proc/$machine/stat"; }

# Waits for a line on the console. The limits are generous: software emulation on a busy host takes its time.
await() {
  local limit=$((SECONDS + $2))
  until grep -a -q -E -- "$1" "$work/console" 2>/dev/null; do
    kill -0 "$machine" 2>/dev/null || { tail -n 40 "$work/console" >&2; die "the machine ended before it said: $1"; }
    if grep -a -q 'Kernel panic' "$work/console" 2>/dev/null; then tail -n 40 "$work/console" >&2; die "the kernel panicked"; fi
    [ "$SECONDS" -lt "$limit" ] || { tail -n 40 "$work/console" >&2; die "not said within $2 s: $1"; }
    sleep 0.1
  done
}

eject() {
  python3 - "$work/monitor" <<'PY'
import json, socket, sys
with socket.socket(socket.AF_UNIX) as monitor:
    monitor.connect(sys.argv[1])
    talk = monitor.makefile("rw")
    def ask(command, **arguments):
        talk.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        talk.flush()
        for line in talk:
            answer = json.loads(line)
            if "error" in answer:
                sys.exit(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return
    ask("qmp_capabilities")
    ask("eject", id="cd", force=True)
PY
}

facts() { tr -d '\r' <"$work/console" | sed -n "s/.*selftest: $1=//p" | sed 's/ *$//'; }

failures=0
check() { # what, expected (extended regular expression for the whole), found
  if [[ $3 =~ ^($2)$ ]]; then
    printf '  ok      %s: %s\n' "$1" "${3:-nothing}"
  else
    printf '  FAILED  %s: %s, expected %s\n' "$1" "${3:-nothing}" "${2:-nothing}"
    failures=$((failures + 1))
  fi
}

for run in $(seq "$runs"); do
  started=$(now)
  start_machine
  await '\[dispatcher\] looks' 900
  dispatcher_after=$(since "$started") cpu=$(cpu_seconds)
  await 'selftest: ready=eject' 900
  [ "$usb" = 1 ] || eject
  await 'selftest: finished=' 900
  echo "run $run: power on to dispatcher $dispatcher_after s ($cpu s of CPU; since the kernel began: $(facts times)); memory $(facts memory_mib) MiB"
  check "dispatcher" "activating" "$(facts dispatcher)"
  check "what listens" "" "$(facts listening)"
  check "firewall" "input:drop forward:drop output:drop" "$(facts firewall)"
  check "root's password" "L" "$(facts root)"
  check "accounts with a password" "0" "$(facts passwords)"
  check "login programs" "0" "$(facts logins)"
  check "failed units" "" "$(facts failed)"
  check "address by DHCP" "10\.0\.2\..*" "$(facts address)"
  check "complaints of systemd about the units" "" "$(facts complaint)"
  check "devices mounted" "0" "$(facts mounted)"
  targets=$(facts targets)
  if [ -n "${targets// /}" ]; then
    check "image of the steps" "localhost/shoal-steps:bound true" "$(facts image)"
    check "container of the steps" ".+" "$(facts container)"
  fi
  [ "$usb" = 1 ] || check "medium" "gone" "$(facts medium)"
  check "files unreadable without the medium" "0" "$(facts unreadable)"
  # Its own word, at the end of its own patience; the wait is two minutes of the machine's time.
  if [ "$run" = 1 ]; then
    await '\[dispatcher\].*no task medium' 900
    check "dispatcher without a task" ".+" "$(tr -d '\r' <"$work/console" | grep -a -o '\[dispatcher\].*' | grep -m1 'no task medium')"
  fi
  kill "$machine"
  wait "$machine" 2>/dev/null || true
  machine=
done
[ "$failures" = 0 ] || die "$failures checks failed"
echo "all good"
