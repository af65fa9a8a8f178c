// SPDX-License-Identifier: AGPL-3.0-or-later
//! The files of the inventory, as a person would write them.

use shoal_schema::kinds::ImageFormat;

/// An image of the inventory, by name and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Os {
    /// Name.
    pub image: &'static str,
    /// Version.
    pub version: &'static str,
    /// How it is packed.
    pub format: ImageFormat,
}

impl Os {
    /// An archive of a root file system.
    pub const fn archive(image: &'static str, version: &'static str) -> Self {
        Self { image, version, format: ImageFormat::RootfsTar }
    }

    /// A whole disk.
    pub const fn disk(image: &'static str, version: &'static str) -> Self {
        Self { image, version, format: ImageFormat::RawDisk }
    }
}

/// A real Debian with cloud-init.
pub const DEBIAN: Os = Os::archive("debian", "13.1");
/// Kernel, initrd and busybox: starts in seconds, and reads the same seed.
pub const SMALL: Os = Os::archive("small", "1");
/// The next version of it.
pub const SMALL_NEXT: Os = Os::archive("small", "2");
/// One without a kernel.
pub const UNBOOTABLE: Os = Os::archive("small", "unbootable");
/// The same system as [`SMALL`], as a disk with ESP, `cidata` and a root that is mostly holes.
pub const SMALL_DISK: Os = Os::disk("small-disk", "1");
/// Such a disk without a volume for the seed.
pub const SEEDLESS: Os = Os::disk("small-disk", "seedless");
/// What every site has; others are offered by those that want them.
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
    /// A failed install leaves the maintenance OS up.
    pub keep: bool,
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
pub(crate) fn image(name: &str, versions: &[(Os, &str)]) -> String {
    let line = |(Os { version, format, .. }, reference): &(Os, &str)| {
        let format = if *format == ImageFormat::RawDisk { ", format: raw-disk" } else { "" };
        format!("    \"{version}\": {{oci: \"{reference}\"{format}}}\n")
    };
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
    let Wanted { name, os: Os { image, version, .. }, recipe, disk, keep } = wanted;
    let keep = if *keep { "  onFailure: keep\n" } else { "" };
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
{keep}"
    )
}
