// SPDX-License-Identifier: AGPL-3.0-or-later
//! The files of the inventory, as a person would write them.

/// An image of the inventory, by name and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Os {
    /// Name.
    pub image: &'static str,
    /// Version.
    pub version: &'static str,
}

/// A real Debian with cloud-init.
pub const DEBIAN: Os = Os { image: "debian", version: "13.1" };
/// Kernel, initrd and busybox: starts in seconds, and reads the same seed.
pub const SMALL: Os = Os { image: "small", version: "1" };
/// The next version of it.
pub const SMALL_NEXT: Os = Os { image: "small", version: "2" };
/// One without a kernel.
pub const UNBOOTABLE: Os = Os { image: "small", version: "unbootable" };
/// All of them.
pub(crate) const IMAGES: [Os; 4] = [DEBIAN, SMALL, SMALL_NEXT, UNBOOTABLE];

/// Who may log in to the installed system, as user-data says.
pub const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxpdHRsZSB0ZXN0IGtleSBmb3Igc2hvYWwncyBsYWI ada@lab";

/// What Git says of a server.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Name, and host name.
    pub name: String,
    /// What it is to run.
    pub os: Os,
    /// The recipe.
    pub recipe: String,
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
  defaults: {{recipe: linux}}
"
    )
}

/// A recipe: a layout (lines of YAML), a host name and a key.
pub(crate) fn recipe(name: &str, layout: &[&str]) -> String {
    let lines: Vec<String> = layout.iter().map(|partition| format!("    - {partition}\n")).collect();
    let layout = lines.concat();
    format!(
        "apiVersion: shoal.dev/v1
kind: Recipe
metadata: {{name: {name}}}
spec:
  target: install-linux.target
  layout:
{layout}  parameters:
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

/// The usual recipe,
pub const LINUX: &str = "linux";
/// and its layout.
pub const LAYOUT: [&str; 4] = [
    "{size: 128M, type_guid: ef00, format: vfat, label: esp}",
    "{size: 34M, type_guid: \"8300\", format: vfat, label: cidata}",
    "{size: 64M, type_guid: \"8200\", format: swap, label: swap}",
    "{size: 100%, type_guid: \"8300\", format: ext4, label: root}",
];

/// `images/NAME.yaml`: each version with its reference.
pub(crate) fn image(name: &str, versions: &[(&str, &str)]) -> String {
    let line = |(version, reference): &(&str, &str)| format!("    \"{version}\": {{oci: \"{reference}\"}}\n");
    let versions = versions.iter().map(line).collect::<Vec<_>>().concat();
    format!(
        "apiVersion: shoal.dev/v1
kind: Image
metadata: {{name: {name}}}
spec:
  versions:
{versions}"
    )
}

/// `servers/NAME.yaml`.
pub(crate) fn server(wanted: &Wanted, serial: &str, bmc: &str, fingerprint: &str) -> String {
    let Wanted { name, os: Os { image, version }, recipe, disk } = wanted;
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
  recipe: {recipe}
  os: {{image: {image}, version: \"{version}\"}}
  disk: {{serial: {disk}}}
  vars: {{hostname: {name}}}
"
    )
}
