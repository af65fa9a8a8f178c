// SPDX-License-Identifier: AGPL-3.0-or-later
//! `docs/schemas/`: the JSON Schema (draft-07) of every document that people or processes exchange.

use anyhow::Context as _;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use shoal_registry::Policy;
use shoal_schema::kinds::{KINDS, schema_of};
use shoal_schema::plan::Plan;
use shoal_schema::status::{ServerStatus, StatusSummary};
use shoal_schema::wire::permit::{PermitAnswer, PermitRequest};
use shoal_schema::wire::progress::ProgressBody;
use shoal_schema::wire::recipe::recipe_schema;
use shoal_schema::wire::stamp::Stamp;
use shoal_schema::wire::task::Task;
use shoal_schema::wire::webhook::{WebhookAnswer, WebhookBody};

use super::{Files, json_text};

/// Adds every schema.
pub(super) fn add(files: &mut Files) -> anyhow::Result<()> {
    for kind in KINDS {
        let schema = schema_of(kind).with_context(|| format!("kind {kind} has no schema"))?;
        put(files, &kind.to_ascii_lowercase(), &schema.to_value())?;
    }
    put(files, "recipe-wire", &recipe_schema())?;
    put(files, "plan", &typed::<Plan>())?;
    put(files, "server-status", &typed::<ServerStatus>())?;
    put(files, "status-summary", &typed::<StatusSummary>())?;
    put(files, "task", &typed::<Task>())?;
    put(files, "permit-request", &typed::<PermitRequest>())?;
    put(files, "permit-answer", &typed::<PermitAnswer>())?;
    put(files, "progress", &typed::<ProgressBody>())?;
    put(files, "stamp", &typed::<Stamp>())?;
    put(files, "webhook", &typed::<WebhookBody>())?;
    put(files, "webhook-answer", &typed::<WebhookAnswer>())?;
    put(files, "registry-policy", &typed::<Policy>())
}

fn typed<T: JsonSchema>() -> Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value()
}

fn put(files: &mut Files, name: &str, schema: &Value) -> anyhow::Result<()> {
    files.insert(format!("docs/schemas/{name}.json"), json_text(schema)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_names_its_draft_and_has_a_title_or_an_identity() {
        let mut files = Files::new();
        add(&mut files).unwrap();
        for (path, text) in &files {
            let schema: Value = serde_json::from_str(text).unwrap();
            assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#", "{path}");
            assert!(schema["title"].is_string() || schema["$id"].is_string(), "{path}");
        }
    }

    #[test]
    fn no_document_of_people_has_a_status() {
        let mut files = Files::new();
        add(&mut files).unwrap();
        for kind in KINDS {
            let schema: Value =
                serde_json::from_str(&files[&format!("docs/schemas/{}.json", kind.to_ascii_lowercase())])
                    .unwrap();
            assert!(schema["properties"].get("status").is_none(), "{kind}");
            assert_eq!(schema["additionalProperties"], false, "{kind}");
        }
    }
}
