// SPDX-License-Identifier: AGPL-3.0-or-later
//! The files of the inventory, as a person would write them.

use shoal_testbed_qemu::VmDisk;

/// The image's name in the inventory.
pub const IMAGE: &str = "debian";

/// Who may log in to the installed system, in user-data.
pub(crate) const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxpdHRsZSB0ZXN0IGtleSBmb3Igc2hvYWwncyBsYWI ada@lab";

/// What a server is to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Name, and host name.
    pub name: String,
    /// Version of the image.
    pub version: String,
    /// Serial of the disk.
    pub disk: String,
}

/// `shoal.yaml`: status comes at once, secrets can be read by `recipient`.
pub(crate) fn fleet(recipient: &str) -> String {
    format!(
        "apiVersion: shoal.dev/v1
kind: Fleet
metadata: {{name: lab}}
spec:
  firstInstall: blankOnly
  recipients: [{{name: controller, key: {recipient}}}]
  limits: {{concurrent: 4, sharePercent: 100, haltAfterFailures: 50}}
  status: {{branch: shoal/status, flushSeconds: 1}}
  defaults: {{recipe: debian}}
"
    )
}

/// The recipe: four partitions, a host name and a key.
pub(crate) fn recipe(layout: &str) -> String {
    format!(
        "apiVersion: shoal.dev/v1
kind: Recipe
metadata: {{name: debian}}
spec:
  target: install-linux.target
  layout:
{layout}
  parameters:
    hostname: {{description: Host name without its domain.}}
  userData:
    text: |
      #cloud-config
      hostname: ${{hostname|quote}}
      users:
        - name: ada
          ssh_authorized_keys: [\"{SSH_KEY}\"]
          hashed_passwd: ${{secret.adminPassword|quote}}
    secrets:
      adminPassword: {{secret: os/admin, key: hash}}
"
    )
}

/// The usual layout.
pub(crate) const LAYOUT: &str = "    - {size: 128M, type_guid: ef00, format: vfat, label: esp}
    - {size: 34M, type_guid: \"8300\", format: vfat, label: cidata}
    - {size: 64M, type_guid: \"8200\", format: swap, label: swap}
    - {size: 100%, type_guid: \"8300\", format: ext4, label: root}";

/// `images/debian.yaml`: each version with its reference.
pub(crate) fn images(versions: &[(String, String)]) -> String {
    let versions: String = versions
        .iter()
        .map(|(version, reference)| format!("    \"{version}\": {{oci: \"{reference}\"}}\n"))
        .collect();
    format!(
        "apiVersion: shoal.dev/v1
kind: Image
metadata: {{name: {IMAGE}}}
spec:
  versions:
{versions}"
    )
}

/// `servers/NAME.yaml`.
pub(crate) fn server(wanted: &Wanted, serial: &str, bmc: &str, fingerprint: &str) -> String {
    let Wanted { name, version, disk } = wanted;
    format!(
        "apiVersion: shoal.dev/v1
kind: Server
metadata: {{name: {name}}}
spec:
  serial: {serial}
  bmc:
    address: {bmc}
    credentials: {{secret: bmc/lab}}
    tls: {{sha256: \"{fingerprint}\"}}
  os: {{image: {IMAGE}, version: \"{version}\"}}
  disk: {{serial: {disk}}}
  vars: {{hostname: {name}}}
"
    )
}

/// What a server with these disks wants: the first of them.
pub(crate) fn wanted(name: &str, version: &str, disks: &[VmDisk]) -> Wanted {
    let disk = disks.first().map(|disk| disk.serial.clone()).unwrap_or_default();
    Wanted { name: name.to_owned(), version: version.to_owned(), disk }
}
