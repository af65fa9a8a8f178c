// SPDX-License-Identifier: AGPL-3.0-or-later
//! The set of files that goes with a granted permit.

use serde::{Deserialize, Serialize};
use shoal_schema::disk::{DiskFacts, Partition};
use shoal_schema::kinds::{ImageFormat, OnFailure};
use shoal_schema::wire::permit::Grant;
use shoal_schema::wire::recipe::WireRecipe;
use shoal_schema::wire::task::Task;

use super::env_file::{self, BadCharacter};
use super::{
    BUILD_INFO, LAYOUT, META_DATA, NETWORK_CONFIG, OutputFile, RECIPE_ENV, REGISTRY_TOKEN, STAMP, TOKEN,
    UNATTEND, USER_DATA,
};

/// `layout.json`: where to install, and how it is laid out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The disk; nothing for tasks without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskFacts>,
    /// The partitions, in order.
    pub partitions: Vec<Partition>,
}

/// Everything that the files are made of.
pub struct Sources<'a> {
    /// The task.
    pub task: &'a Task,
    /// The recipe.
    pub recipe: &'a WireRecipe,
    /// What came with the permit.
    pub grant: &'a Grant,
    /// The target that is going to be started.
    pub target: &'a str,
    /// The disk that was chosen.
    pub disk: Option<&'a DiskFacts>,
    /// The machine's serial as it was found.
    pub serial: Option<&'a str>,
    /// The kernel's random id of this boot.
    pub boot_id: &'a str,
    /// The `$id` of the recipe's schema.
    pub schema_id: &'a str,
    /// Where the outcome is reported.
    pub webhook_url: &'a str,
}

/// Why the files could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A value does not fit into the environment file.
    #[error("make {RECIPE_ENV}")]
    Env(#[from] BadCharacter),
    /// A value does not serialise.
    #[error("make {name}")]
    Json {
        /// The file.
        name: &'static str,
        /// What serde said.
        #[source]
        source: serde_json::Error,
    },
}

/// Renders the files.
pub fn render(from: &Sources<'_>) -> Result<Vec<OutputFile>, FilesError> {
    let layout = Layout { disk: from.disk.cloned(), partitions: from.recipe.partition_layout.clone() };
    let mut files = vec![
        OutputFile::public(RECIPE_ENV, env_file::render(&variables(from))?),
        OutputFile::public(LAYOUT, json(LAYOUT, &layout)?),
        OutputFile::public(STAMP, json(STAMP, &from.grant.stamp)?),
        OutputFile::public(META_DATA, meta_data(from)),
        OutputFile::public(BUILD_INFO, build_info(from)),
        OutputFile::secret(TOKEN, from.task.token.expose().as_bytes()),
    ];
    if let Some(network) = &from.grant.network_config {
        // JSON is YAML, which is what cloud-init reads.
        files.push(OutputFile::public(NETWORK_CONFIG, json(NETWORK_CONFIG, network)?));
    }
    let secrets = [
        (USER_DATA, Some("user-data"), &from.grant.user_data),
        (UNATTEND, Some("unattend.xml"), &from.grant.unattend_xml),
        (REGISTRY_TOKEN, None, &from.grant.registry_token),
    ];
    for (path, link, secret) in secrets {
        if let Some(secret) = secret {
            let file = OutputFile::secret(path, secret.expose().as_bytes());
            files.push(OutputFile { link, ..file });
        }
    }
    Ok(files)
}

fn variables(from: &Sources<'_>) -> Vec<(&'static str, String)> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let task = from.task;
    let image_format = match task.image_format {
        Some(ImageFormat::RootfsTar) => "rootfs-tar",
        Some(ImageFormat::RawDisk) => "raw-disk",
        Some(ImageFormat::Wim) => "wim",
        Some(ImageFormat::Iso) => "iso",
        None => "",
    };
    let on_failure = match task.on_failure {
        OnFailure::Off => "off",
        OnFailure::Keep => "keep",
    };
    vec![
        ("TASK_TARGET", from.target.to_owned()),
        ("TARGET_DISK", text(from.disk.map(|disk| disk.path.as_str()))),
        ("TARGET_DISK_SERIAL", text(from.disk.and_then(|disk| disk.serial.as_deref()))),
        ("TARGET_DISK_WWN", text(from.disk.and_then(|disk| disk.wwn.as_deref()))),
        ("TARGET_DISK_BYTES", from.disk.map(|disk| disk.size_bytes.to_string()).unwrap_or_default()),
        ("OCI_URL", text(from.recipe.oci_url.as_deref())),
        ("IMAGE_FORMAT", image_format.to_owned()),
        ("FIRMWARE_URL", text(from.recipe.firmware_url.as_deref())),
        ("SERIAL_NUMBER", text(from.serial)),
        ("SERVER_NAME", task.server.clone()),
        ("WEBHOOK_URL", from.webhook_url.to_owned()),
        ("CALLBACK_URL", task.callback.url.clone()),
        ("CALLBACK_PINS", task.callback.pins.join(" ")),
        ("JOB_ID", task.job_id.as_str().to_owned()),
        ("ATTEMPT", task.attempt.to_string()),
        ("BOOT_ID", from.boot_id.to_owned()),
        ("SCHEMA_ID", from.schema_id.to_owned()),
        ("ON_FAILURE", on_failure.to_owned()),
        ("DISPATCHER_VERSION", crate::VERSION.to_owned()),
    ]
}

/// cloud-init's meta-data. JSON strings are YAML strings. The instance is the machine's serial, as in the original;
/// a machine without one is known by its job.
fn meta_data(from: &Sources<'_>) -> String {
    let instance = from.serial.unwrap_or(from.task.job_id.as_str());
    let yaml = |text: &str| serde_json::Value::from(text).to_string();
    format!("instance-id: {}\nlocal-hostname: {}\n", yaml(instance), yaml(&from.task.server))
}

fn build_info(from: &Sources<'_>) -> String {
    format!(
        "dispatcher {}\nrecipe schema {}\njob {} attempt {}\nserver {}\n",
        crate::VERSION,
        from.schema_id,
        from.task.job_id,
        from.task.attempt,
        from.task.server
    )
}

fn json<T: Serialize>(name: &'static str, value: &T) -> Result<Vec<u8>, FilesError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| FilesError::Json { name, source })?;
    text.push(b'\n');
    Ok(text)
}
