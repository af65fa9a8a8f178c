// SPDX-License-Identifier: AGPL-3.0-or-later
//! What Git means for one machine: the server's document with the fleet's defaults, its recipe and
//! its image put together, and the digests that decide what reinstalls.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shoal_schema::Sha256;
use shoal_schema::disk::{DiskSelector, Partition};
use shoal_schema::kinds::{
    Bmc, BmcTls, DesiredPower, FirstInstall, FleetSpec, ImageFormat, Labels, OnFailure, PowerDrift, Suspend,
    Template,
};
use shoal_schema::network::Interface;
use shoal_schema::size::ByteSize;
use shoal_schema::wire::recipe::WireRecipe;
use shoal_schema::wire::task::Identity;

use crate::inventory::Inventory;

/// The target that this version can carry out.
pub const LINUX_TARGET: &str = "install-linux.target";

/// One machine as Git wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The server's name.
    pub name: String,
    /// Its serial, or its UUID where it has none: what plans and approvals call the machine.
    pub machine: String,
    /// Labels.
    pub labels: Labels,
    /// Who the machine must be.
    pub identity: Identity,
    /// How to reach its BMC.
    pub bmc: BmcTarget,
    /// What to install; nothing where the machine is only watched.
    pub install: Option<InstallTarget>,
    /// Wanted power.
    pub power: DesiredPower,
    /// What to do when the power is not as wanted.
    pub power_drift: PowerDrift,
    /// Why nothing is done to it.
    pub suspended: Option<SuspendedBy>,
    /// Never install over it.
    pub protect: bool,
    /// What is left after a failure behind the permit.
    pub on_failure: OnFailure,
    /// How a machine without a record is first installed.
    pub first_install: FirstInstall,
}

/// How to reach a BMC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcTarget {
    /// Scheme, host, port.
    pub address: String,
    /// The Secret with `username` and `password`.
    pub credentials: Option<String>,
    /// Digest of that Secret's ciphertext: a refused account is tried again when it changes.
    pub credentials_digest: Option<Sha256>,
    /// What its certificate must be.
    pub tls: Option<BmcTls>,
    /// Which system, where several stand behind it.
    pub system: Option<String>,
}

/// Why nothing is done to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuspendedBy {
    /// What Git says.
    pub reason: String,
    /// Until when.
    pub until: Option<jiff::Timestamp>,
}

/// What to install, frozen into a job when one starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallTarget {
    /// The recipe's name.
    pub recipe: String,
    /// The systemd target.
    pub target: String,
    /// Image name.
    pub image: String,
    /// Image version.
    pub version: String,
    /// OCI reference with digest.
    pub oci: String,
    /// The image's own digest.
    pub image_digest: String,
    /// How it is packed.
    pub format: ImageFormat,
    /// The smallest disk that holds it.
    pub min_disk: Option<ByteSize>,
    /// The disk.
    pub disk: DiskSelector,
    /// The partitions.
    pub layout: Vec<Partition>,
    /// Digest of the layout.
    pub layout_digest: Sha256,
    /// The counter that installs again.
    pub reinstall: u32,
    /// Digest of all that reinstalls when it changes: image, layout, disk, counter.
    pub digest: Sha256,
    /// Digest of what applies at the next install only: workflow and packing, templates, variables,
    /// secrets, network.
    pub config_digest: Sha256,
    /// cloud-init user-data, not yet rendered.
    pub user_data: Option<Template>,
    /// Windows answer file, not yet rendered.
    pub unattend_xml: Option<Template>,
    /// The values that templates may use.
    pub vars: BTreeMap<String, String>,
    /// The machine's own network.
    pub network: Vec<Interface>,
    /// Where the values stand in Git.
    pub places: Places,
}

/// Where the values that can reinstall a machine stand in Git.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// `os.version`, or the image's digest.
    pub version: String,
    /// The image's reference.
    pub image: String,
    /// The layout.
    pub layout: String,
    /// The disk.
    pub disk: String,
    /// The counter.
    pub reinstall: String,
}

/// Why a server cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum DesiredError {
    /// A name leads nowhere.
    #[error("server {server}: {kind} `{name}` does not exist ({place})")]
    Missing {
        /// The server.
        server: String,
        /// `Recipe`, `Image`, `version of Image`.
        kind: &'static str,
        /// The name.
        name: String,
        /// Where it is written.
        place: String,
    },
    /// Something is not set anywhere.
    #[error("server {server}: {what} is not set, neither in the server nor in {elsewhere} ({place})")]
    Unset {
        /// The server.
        server: String,
        /// What.
        what: &'static str,
        /// Where else it could stand.
        elsewhere: &'static str,
        /// The server's place.
        place: String,
    },
    /// A value has no canonical form.
    #[error("server {server}: cannot compute a digest")]
    Digest {
        /// The server.
        server: String,
        /// Why.
        #[source]
        source: shoal_schema::digest::CanonicalError,
    },
}

/// The fleet's values, or the defaults where there is no document.
pub fn fleet_spec(inventory: &Inventory) -> FleetSpec {
    inventory.fleet.as_ref().map(|fleet| fleet.value.spec.clone()).unwrap_or_default()
}

/// Puts one server together. `name` must be one of the inventory's servers.
pub fn resolve(inventory: &Inventory, fleet: &FleetSpec, name: &str) -> Result<Desired, DesiredError> {
    let missing = |kind, other: &str, place: String| DesiredError::Missing {
        server: name.to_owned(),
        kind,
        name: other.to_owned(),
        place,
    };
    let server =
        inventory.servers.get(name).ok_or_else(|| missing("Server", name, "inventory".to_owned()))?;
    let spec = &server.value.spec;
    let machine = spec.serial.clone().or_else(|| spec.uuid.clone()).ok_or_else(|| DesiredError::Unset {
        server: name.to_owned(),
        what: "serial",
        elsewhere: "uuid",
        place: server.place("/spec"),
    })?;
    let install = match &spec.os {
        Some(_) => Some(resolve_install(inventory, fleet, name)?),
        None => None,
    };
    let suspended = match &spec.suspend {
        None | Some(Suspend::Flag(false)) => None,
        Some(Suspend::Flag(true)) => {
            Some(SuspendedBy { reason: "suspended in Git without a reason".to_owned(), until: None })
        }
        Some(Suspend::Because(why)) => Some(SuspendedBy { reason: why.reason.clone(), until: why.until }),
    };
    Ok(Desired {
        name: name.to_owned(),
        machine,
        labels: Labels::clone(&server.value.metadata.labels),
        identity: Identity {
            serial: spec.serial.clone(),
            uuid: spec.uuid.clone(),
            macs: spec.macs.clone(),
            sku: None,
        },
        bmc: bmc_target(inventory, fleet, &spec.bmc),
        install,
        power: spec.power.or(fleet.defaults.power).unwrap_or_default(),
        power_drift: spec.drift.as_ref().unwrap_or(&fleet.drift).power,
        suspended,
        protect: spec.protect,
        on_failure: spec.on_failure.unwrap_or_default(),
        first_install: fleet.first_install,
    })
}

/// The Secret with the account of a BMC: its own, or the fleet's.
pub fn account<'a>(fleet: &'a FleetSpec, bmc: &'a Bmc) -> Option<&'a String> {
    let credentials = bmc.credentials.as_ref().or(fleet.defaults.bmc.credentials.as_ref());
    credentials.map(|credentials| &credentials.secret)
}

/// How to reach a server's BMC.
pub fn bmc_target(inventory: &Inventory, fleet: &FleetSpec, bmc: &Bmc) -> BmcTarget {
    let credentials = account(fleet, bmc).cloned();
    let credentials_digest = credentials
        .as_ref()
        .and_then(|name| inventory.secrets.get(name))
        .map(|secret| Sha256::of(secret.value.spec.age.as_bytes()));
    BmcTarget {
        address: bmc.address.trim_end_matches('/').to_owned(),
        credentials,
        credentials_digest,
        tls: bmc.tls.clone().or_else(|| fleet.defaults.bmc.tls.clone()),
        system: bmc.system.clone(),
    }
}

fn resolve_install(
    inventory: &Inventory,
    fleet: &FleetSpec,
    name: &str,
) -> Result<InstallTarget, DesiredError> {
    let server = &inventory.servers[name];
    let spec = &server.value.spec;
    let digest_error = |source| DesiredError::Digest { server: name.to_owned(), source };
    let missing = |kind, other: &str, pointer: &str| DesiredError::Missing {
        server: name.to_owned(),
        kind,
        name: other.to_owned(),
        place: server.place(pointer),
    };
    let unset = |what, elsewhere, pointer: &str| DesiredError::Unset {
        server: name.to_owned(),
        what,
        elsewhere,
        place: server.place(pointer),
    };
    let os = spec.os.as_ref().ok_or_else(|| unset("os", "nothing else", "/spec"))?;
    let recipe_name = spec
        .recipe
        .as_ref()
        .or(fleet.defaults.recipe.as_ref())
        .ok_or_else(|| unset("recipe", "the fleet's defaults", "/spec"))?;
    let recipe =
        inventory.recipes.get(recipe_name).ok_or_else(|| missing("Recipe", recipe_name, "/spec/recipe"))?;
    let image =
        inventory.images.get(&os.image).ok_or_else(|| missing("Image", &os.image, "/spec/os/image"))?;
    let version = image
        .value
        .spec
        .versions
        .get(&os.version)
        .ok_or_else(|| missing("version of Image", &os.version, "/spec/os/version"))?;
    let image_digest =
        version.digest().ok_or_else(|| missing("digest of", &version.oci, "/spec/os/version"))?;
    let recipe_spec = &recipe.value.spec;
    let (disk, disk_place) = match (&spec.disk, &recipe_spec.disk) {
        (Some(disk), _) => (disk.clone(), server.place("/spec/disk")),
        (None, Some(disk)) => (disk.clone(), recipe.place("/spec/disk")),
        (None, None) => return Err(unset("disk", "its recipe", "/spec")),
    };
    let mut vars: BTreeMap<String, String> = recipe_spec
        .parameters
        .iter()
        .filter_map(|(key, parameter)| parameter.default.clone().map(|value| (key.clone(), value)))
        .collect();
    vars.extend(fleet.defaults.vars.iter().map(|(k, v)| (k.clone(), v.clone())));
    vars.extend(spec.vars.iter().map(|(k, v)| (k.clone(), v.clone())));
    vars.insert("server.name".into(), name.to_owned());
    if let Some(serial) = &spec.serial {
        vars.insert("server.serial".into(), serial.clone());
    }
    vars.insert("os.image".into(), os.image.clone());
    vars.insert("os.version".into(), os.version.clone());
    for (key, value) in server.value.metadata.labels.iter() {
        vars.insert(format!("label.{key}"), value.clone());
    }
    let layout_digest = Sha256::of_value(&recipe_spec.layout).map_err(digest_error)?;
    let digest =
        Sha256::of_value(&(image_digest, &layout_digest, &disk, spec.reinstall)).map_err(digest_error)?;
    let secret_digests: BTreeMap<&str, Option<Sha256>> = [&recipe_spec.user_data, &recipe_spec.unattend_xml]
        .into_iter()
        .flatten()
        .flat_map(|template| template.secrets.values())
        .map(|reference| {
            let secret = inventory.secrets.get(&reference.secret);
            (reference.secret.as_str(), secret.map(|s| Sha256::of(s.value.spec.age.as_bytes())))
        })
        .collect();
    // The version's name is left out: the same digest under another name is the same content.
    let config_vars: BTreeMap<&String, &String> = vars.iter().filter(|(k, _)| *k != "os.version").collect();
    let config_digest = Sha256::of_value(&(
        &recipe_spec.target,
        version.format,
        &recipe_spec.user_data,
        &recipe_spec.unattend_xml,
        config_vars,
        &spec.network,
        secret_digests,
    ))
    .map_err(digest_error)?;
    Ok(InstallTarget {
        recipe: recipe_name.clone(),
        target: recipe_spec.target.clone(),
        image: os.image.clone(),
        version: os.version.clone(),
        oci: version.oci.clone(),
        image_digest: image_digest.to_owned(),
        format: version.format,
        min_disk: version.min_disk,
        disk,
        layout: recipe_spec.layout.clone(),
        layout_digest,
        reinstall: spec.reinstall,
        digest,
        config_digest,
        user_data: recipe_spec.user_data.clone(),
        unattend_xml: recipe_spec.unattend_xml.clone(),
        vars,
        network: spec.network.clone(),
        places: Places {
            version: server.place("/spec/os/version"),
            image: image
                .place(&format!("/spec/versions/{}/oci", os.version.replace('~', "~0").replace('/', "~1"))),
            layout: recipe.place("/spec/layout"),
            disk: disk_place,
            reinstall: server.place("/spec/reinstall"),
        },
    })
}

impl InstallTarget {
    /// The recipe as it stands on the task medium and as `POST /api/v1/jobs` must send it: without
    /// anything secret.
    pub fn wire_recipe(&self) -> WireRecipe {
        WireRecipe {
            recipe_version: Some(self.version.clone()),
            task_target: self.target.clone(),
            target_disk: Some(self.disk.clone()),
            oci_url: Some(self.oci.clone()),
            firmware_url: None,
            partition_layout: self.layout.clone(),
            user_data: None,
            unattend_xml: None,
            ks_cfg: None,
            metadata: BTreeMap::new(),
        }
    }
}
