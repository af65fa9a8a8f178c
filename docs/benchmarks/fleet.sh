#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# fleet.sh DIR [COUNT]: an inventory to measure with. Needs shoal on the PATH; run it from the repository.
# COUNT servers (10,000) of about 1 KB each in 100 directories, one recipe, one image, one Secret.
set -euo pipefail
fleet=$1; count=${2:-10000}
mkdir -p "$fleet/recipes" "$fleet/images"
cp examples/inventory/images/debian.yaml "$fleet/images/"
me=$(shoal secret keygen --out "$fleet.key" 2> /dev/null)
cat > "$fleet/shoal.yaml" <<YAML
apiVersion: shoal.dev/v1
kind: Fleet
metadata: {name: bench}
spec:
  recipients: [{name: me, key: $me}]
  defaults:
    bmc: {credentials: {secret: bmc/all}, tls: {trustOnFirstUse: true}}
YAML
(cd "$fleet" && echo 'username: root
password: none' | shoal secret new bmc/all --from - > /dev/null 2>&1)
cat > "$fleet/recipes/debian.yaml" <<'YAML'
apiVersion: shoal.dev/v1
kind: Recipe
metadata: {name: debian}
spec:
  target: install-linux.target
  layout:
    - {size: 512M, type_guid: ef00, format: vfat, label: esp}
    - {size: 100%, type_guid: "8300", format: ext4, label: root}
  parameters:
    hostname: {description: Host name.}
    note: {default: ""}
  userData:
    text: |
      #cloud-config
      hostname: ${hostname|quote}
      write_files: [{path: /etc/note, content: ${note|quote}}]
YAML
awk -v fleet="$fleet" -v count="$count" 'BEGIN {
  for (n = 0; n < 700; n++) note = note "x"
  for (n = 0; n < count; n++) {
    dir = sprintf("%s/servers/rack-%02d", fleet, n % 100)
    if (n < 100) system("mkdir -p " dir)
    file = sprintf("%s/host-%05d.yaml", dir, n)
    printf "apiVersion: shoal.dev/v1\nkind: Server\nmetadata:\n  name: host-%05d\n  labels: {rack: \"%02d\", role: web, env: prod}\nspec:\n  serial: SN%08d\n  bmc:\n    address: https://10.%d.%d.%d\n  power: On\n  recipe: debian\n  os: {image: debian, version: \"13.1\"}\n  disk: {serial: DISK%08d}\n  vars:\n    hostname: host-%05d\n    note: \"%s\"\n", n, n % 100, n, int(n / 62500), int(n / 250) % 250, n % 250 + 1, n, n, note > file
    close(file)
  }
}'
