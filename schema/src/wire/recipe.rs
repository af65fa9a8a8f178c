// SPDX-License-Identifier: AGPL-3.0-or-later
//! `recipe.json` on the task medium: contracts §2.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::disk::{DiskSelector, Partition};

/// The schema's stable identity; recorded with each job.
pub const RECIPE_SCHEMA_ID: &str = "https://shoal.dev/schemas/recipe/v1.json";

/// A rendered recipe. What is secret (user-data, unattend) is not in it: that comes with the permit.
/// Kickstart is the exception, because nothing of ours runs on ESXi.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireRecipe {
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe_version: Option<String>,
    /// The systemd target to start.
    #[schemars(regex(pattern = r"^[a-z0-9.-]+\.target$"))]
    pub task_target: String,
    /// The disk to install on: a path or a selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_disk: Option<DiskSelector>,
    /// OCI reference of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub oci_url: Option<String>,
    /// URI of the firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub firmware_url: Option<String>,
    /// The partitions, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64))]
    pub partition_layout: Vec<Partition>,
    /// cloud-init user-data; accepted from callers of the API, never on a medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1_048_576))]
    pub user_data: Option<String>,
    /// Windows answer file; accepted from callers of the API, never on a medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1_048_576))]
    pub unattend_xml: Option<String>,
    /// ESXi Kickstart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536))]
    pub ks_cfg: Option<String>,
    /// Stored for audit, never interpreted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, serde_json::Value>,
}

/// The JSON Schema of [`WireRecipe`], draft-07, with the conditional rules of each workflow.
pub fn recipe_schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft07();
    let mut schema = settings.into_generator().into_root_schema_for::<WireRecipe>().to_value();
    let when = |target: &str, required: &[&str]| {
        // `null` is there too, and is still nothing.
        let there: serde_json::Map<String, serde_json::Value> = required
            .iter()
            .map(|name| {
                let types: &[&str] = match *name {
                    "target_disk" => &["string", "object"],
                    "partition_layout" => &["array"],
                    _ => &["string"],
                };
                ((*name).to_owned(), serde_json::json!({"type": types}))
            })
            .collect();
        serde_json::json!({
            "if": {"properties": {"task_target": {"const": target}}, "required": ["task_target"]},
            "then": {"required": required, "properties": there},
        })
    };
    if let Some(map) = schema.as_object_mut() {
        map.insert("$id".into(), RECIPE_SCHEMA_ID.into());
        map.insert(
            "allOf".into(),
            serde_json::json!([
                when("install-linux.target", &["target_disk", "oci_url", "partition_layout"]),
                when("install-windows.target", &["target_disk", "oci_url"]),
                when("install-esxi.target", &["ks_cfg"]),
                when("supermicro-update.target", &["firmware_url"]),
            ]),
        );
    }
    schema
}
