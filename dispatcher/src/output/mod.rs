// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the steps behind the target are told: the files in `/run/provision`.
//!
//! What is secret stands in `secret/` (0600 in a 0700 directory). `user-data` and `unattend.xml` have links at the
//! names that the contract gives them.

pub mod env_file;
pub mod files;

use zeroize::Zeroizing;

/// Variables for units and shell scripts.
pub const RECIPE_ENV: &str = "recipe.env";
/// The disk and its partitions.
pub const LAYOUT: &str = "layout.json";
/// The stamp to leave on the ESP and in the root.
pub const STAMP: &str = "stamp.json";
/// cloud-init meta-data.
pub const META_DATA: &str = "meta-data";
/// cloud-init network-config, version 2.
pub const NETWORK_CONFIG: &str = "network-config";
/// What made these files, for people.
pub const BUILD_INFO: &str = "build-info.txt";
/// The target that was started in this boot.
pub const HANDED_OFF: &str = "handed-off";
/// Who speaks to the controller.
pub const SESSION: &str = "secret/session.json";
/// The outcome of this boot.
pub const OUTCOME: &str = "secret/outcome.json";
/// The job's token.
pub const TOKEN: &str = "secret/token";
/// cloud-init user-data.
pub const USER_DATA: &str = "secret/user-data";
/// Windows answer file.
pub const UNATTEND: &str = "secret/unattend.xml";
/// Token for the image's registry.
pub const REGISTRY_TOKEN: &str = "secret/registry-token";

/// Every file that holds a secret as its whole content.
pub const SECRETS: [&str; 4] = [TOKEN, USER_DATA, UNATTEND, REGISTRY_TOKEN];

/// The directory of what is secret.
pub const SECRET_DIR: &str = "secret";

/// A file for the steps.
#[derive(Clone)]
pub struct OutputFile {
    /// Relative path.
    pub path: &'static str,
    /// A second name that leads to it.
    pub link: Option<&'static str>,
    /// The content; wiped when dropped.
    pub content: Zeroizing<Vec<u8>>,
}

impl OutputFile {
    /// A file that anyone on the machine may read. `path` is one of the names above.
    pub fn public(path: &'static str, content: impl Into<Vec<u8>>) -> Self {
        debug_assert!(!path.contains('/'), "public files stand beside the secret directory");
        Self { path, link: None, content: Zeroizing::new(content.into()) }
    }

    /// A file for root alone. `path` is one of the names above that begin with `secret/`.
    pub fn secret(path: &'static str, content: impl Into<Vec<u8>>) -> Self {
        debug_assert!(path.starts_with("secret/"), "secret files stand in the secret directory");
        Self { path, link: None, content: Zeroizing::new(content.into()) }
    }

    /// The same file under a second name.
    pub fn linked(self, link: &'static str) -> Self {
        Self { link: Some(link), ..self }
    }

    /// Whether it is for root alone.
    pub fn is_secret(&self) -> bool {
        self.path.starts_with("secret/")
    }
}
