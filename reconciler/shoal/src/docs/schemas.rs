// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every document that has a JSON Schema.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;
use shoal_registry::Policy;
use shoal_schema::kinds::schema_of;
use shoal_schema::plan::Plan;
use shoal_schema::status::{ServerStatus, StatusSummary};
use shoal_schema::wire::recipe::recipe_schema;

/// A document with a JSON Schema.
pub struct Document {
    /// What it is called.
    pub name: &'static str,
    /// What it describes.
    pub about: &'static str,
    schema: fn() -> Value,
}

/// Every one of them: what people commit first, then what Shoal writes.
pub const DOCUMENTS: &[Document] = &[
    Document {
        name: "Fleet",
        about: "defaults and limits of the whole repository, in shoal.yaml",
        schema: || kind("Fleet"),
    },
    Document { name: "Server", about: "one machine, below servers/", schema: || kind("Server") },
    Document { name: "Recipe", about: "how to install, below recipes/", schema: || kind("Recipe") },
    Document {
        name: "Image",
        about: "versions of an operating system, below images/",
        schema: || kind("Image"),
    },
    Document {
        name: "Secret",
        about: "values encrypted with age, below secrets/",
        schema: || kind("Secret"),
    },
    Document {
        name: "Approval",
        about: "what people agreed to, below approvals/",
        schema: || kind("Approval"),
    },
    Document { name: "Plan", about: "what 'shoal plan --out' writes", schema: typed::<Plan> },
    Document {
        name: "ServerStatus",
        about: "one server's file on the status branch",
        schema: typed::<ServerStatus>,
    },
    Document {
        name: "StatusSummary",
        about: "summary.json on the status branch",
        schema: typed::<StatusSummary>,
    },
    Document {
        name: "RegistryPolicy",
        about: "who may do what in the registry, retention, quotas; REGISTRY_POLICY_FILE",
        schema: typed::<Policy>,
    },
    Document { name: "WireRecipe", about: "recipe.json on a task medium", schema: recipe_schema },
];

/// The document of this name, in upper or lower case.
pub fn find(name: &str) -> Option<&'static Document> {
    DOCUMENTS.iter().find(|document| document.name.eq_ignore_ascii_case(name))
}

/// The name of a schema's file: `server-status.json`.
pub fn file_name(document: &Document) -> String {
    let mut name = String::new();
    for (index, c) in document.name.chars().enumerate() {
        if c.is_ascii_uppercase() && index > 0 {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name + ".json"
}

/// The schema.
pub fn schema(document: &Document) -> Value {
    (document.schema)()
}

/// The schema's text, with a line feed at the end.
pub fn text(document: &Document) -> String {
    format!("{:#}\n", schema(document))
}

fn kind(name: &str) -> Value {
    schema_of(name).map(Schema::to_value).unwrap_or_default()
}

fn typed<T: JsonSchema>() -> Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_schema::kinds::KINDS;

    #[test]
    fn every_kind_has_a_schema_and_every_schema_a_file() {
        for kind in KINDS {
            assert!(find(kind).is_some(), "{kind}");
        }
        for document in DOCUMENTS {
            let schema = schema(document);
            assert!(schema.get("$schema").is_some(), "{}", document.name);
            assert!(!document.about.ends_with('.'));
        }
        assert_eq!(file_name(find("serverstatus").unwrap()), "server-status.json");
    }
}
