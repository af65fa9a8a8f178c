// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people want of a fleet, and how it stands in Git.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use shoal_schema::SecretString;
use shoal_schema::kinds::Recipient;
use shoal_secrets::KeyPair;

use crate::git::{Tree, blob};
use crate::hardware::Bmc;

/// The controller's age key.
pub(crate) static KEY: LazyLock<KeyPair> = LazyLock::new(KeyPair::generate);

/// The one Secret: the account of every BMC. What it holds is never shown.
static SECRET: LazyLock<Value> = LazyLock::new(|| {
    let fleet = [Recipient { name: "controller".to_owned(), key: KEY.public.clone() }];
    let data: BTreeMap<String, SecretString> = [("username", "root"), ("password", "simulation")]
        .map(|(key, value)| (key.to_owned(), SecretString::new(value.to_owned())))
        .into();
    let spec = shoal_secrets::encrypt("bmc", &data, &fleet).expect("it can be encrypted");
    json!({
        "apiVersion": "shoal.dev/v1", "kind": "Secret", "metadata": {"name": "bmc"},
        "spec": serde_json::to_value(&spec).expect("it is JSON"),
    })
});

/// A server, as it stands in Git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// The machine that it should be.
    pub serial: String,
    /// The number of its BMC.
    pub bmc: usize,
    /// The disk that it should be installed on.
    pub disk: Option<String>,
    /// Version of the image.
    pub version: String,
    /// Left alone.
    pub suspended: bool,
    /// Never installed again.
    pub protected: bool,
    /// Raised to install it again.
    pub reinstall: u32,
    /// `On`, `Off`, or nothing that is said.
    pub power: Option<&'static str>,
    /// The file is not readable.
    pub broken: bool,
}

/// All that people want.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Servers by name.
    pub servers: BTreeMap<String, Server>,
    /// Letter of the image by version.
    pub images: BTreeMap<String, char>,
    /// Blank disks need no approval.
    pub blank_only: bool,
    /// Approvals by file name.
    pub approvals: BTreeMap<String, Value>,
}

impl Wanted {
    /// The letter of the image that a server gets.
    pub(crate) fn image(&self, server: &Server) -> Option<char> {
        self.images.get(&server.version).copied()
    }

    /// As files.
    pub(crate) fn tree(&self) -> Arc<Tree> {
        let mut files: BTreeMap<String, Value> = BTreeMap::new();
        let document = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "shoal.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let fleet = json!({
            "firstInstall": if self.blank_only { "blankOnly" } else { "approve" },
            "status": {"flushSeconds": 5},
            "limits": {"sharePercent": 50, "removedSharePercent": 30, "haltAfterFailures": 5},
            "defaults": {"recipe": "debian"},
            "recipients": [{"name": "controller", "key": KEY.public}],
        });
        files.insert("shoal.yaml".to_owned(), document("Fleet", "simulation", fleet));
        let layout = json!([
            {"size": "512M", "type_guid": "ef00", "format": "vfat", "label": "esp"},
            {"size": "100%", "type_guid": "8300", "format": "ext4", "label": "root"},
        ]);
        let recipe = json!({"target": "install-linux.target", "layout": layout});
        files.insert("recipes/debian.yaml".to_owned(), document("Recipe", "debian", recipe));
        let versions: BTreeMap<&String, Value> = self
            .images
            .iter()
            .map(|(version, letter)| {
                let digest: String = std::iter::repeat_n(*letter, 64).collect();
                (version, json!({"oci": format!("registry.test/os/debian@sha256:{digest}")}))
            })
            .collect();
        let image = json!({"versions": versions});
        files.insert("images/debian.yaml".to_owned(), document("Image", "debian", image));
        files.insert("secrets/bmc.yaml".to_owned(), SECRET.clone());
        for (name, server) in &self.servers {
            let mut spec = json!({
                "serial": server.serial,
                "bmc": {"address": Bmc::address(server.bmc), "credentials": {"secret": "bmc"}},
                "os": {"image": "debian", "version": server.version},
                "suspend": server.suspended, "protect": server.protected, "reinstall": server.reinstall,
            });
            spec["disk"] = match &server.disk {
                Some(disk) => json!({"serial": disk}),
                None => json!({"minSize": "8G"}),
            };
            if let Some(power) = server.power {
                spec["power"] = json!(power);
            }
            if server.broken {
                spec["nonsense"] = json!(true);
            }
            files.insert(format!("servers/{name}.yaml"), document("Server", name, spec));
        }
        for (name, approval) in &self.approvals {
            files.insert(format!("approvals/{name}.yaml"), document("Approval", name, approval.clone()));
        }
        Arc::new(
            files.into_iter().map(|(path, value)| (path, blob(value.to_string().into_bytes()))).collect(),
        )
    }
}
