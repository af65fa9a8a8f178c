// SPDX-License-Identifier: AGPL-3.0-or-later
//! `docs/reference/`: command line, environment, inventory, step keys, diagnostics, exit codes of the dispatcher,
//! OpenAPI.

use std::fmt::Write as _;

use anyhow::Context as _;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use shoal_dispatcher::exit::Exit;
use shoal_schema::step::Step;

use super::{Files, add_markdown, json_text};

/// Adds every reference that is made from types.
pub(super) fn add(files: &mut Files) -> anyhow::Result<()> {
    add_markdown(files, "cli", &shoal::docs::cli_markdown());
    add_markdown(files, "environment", &shoal::docs::env_markdown());
    add_markdown(files, "inventory", &shoal::docs::inventory_markdown());
    add_markdown(files, "step-keys", &step_keys()?);
    add_markdown(files, "diagnostics", &diagnostics());
    add_markdown(files, "dispatcher-exit-codes", &exit_codes());
    let openapi = json_text(&shoal_controller::http::openapi::document())?;
    files.insert("docs/reference/openapi.json".to_owned(), openapi);
    Ok(())
}

fn step_keys() -> anyhow::Result<String> {
    let mut out = String::from(
        "# Step keys\n\nWhere a job is, or where it failed: `failed_step` of a job, `step` of an error in a status \
         file. The keys are stable. An error's own hint, where it has a better one, comes before the one here.\n\n\
         | key | what it means | what to do |\n|---|---|---|\n",
    );
    for step in Step::ALL {
        let meaning = meaning(*step).with_context(|| format!("step {step} has no description"))?;
        let _ = writeln!(out, "| `{step}` | {meaning} | {} |", cell(step.hint()));
    }
    Ok(out)
}

/// The doc comment of a step, as its schema carries it.
fn meaning(step: Step) -> Option<String> {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Step>().to_value();
    let choices = schema.get("oneOf")?.as_array()?;
    let value = Value::String(step.key().to_owned());
    let choice = choices.iter().find(|choice| {
        choice.get("const") == Some(&value)
            || choice.get("enum").and_then(Value::as_array).is_some_and(|list| list.contains(&value))
    })?;
    choice.get("description")?.as_str().map(cell)
}

fn diagnostics() -> String {
    let mut out = String::from(
        "# Diagnostics\n\nWhat `shoal validate` can say, by its stable code. A code is never given another \
         meaning.\n\n| code | what it stands for |\n|---|---|\n",
    );
    for (code, about) in shoal_inventory::codes::ALL {
        let _ = writeln!(out, "| `{code}` | {} |", cell(about));
    }
    out
}

fn exit_codes() -> String {
    let mut out = String::from(
        "# Exit codes of the dispatcher\n\n`shoal-dispatcher` runs once per boot of the maintenance OS. It \
         writes to no disk itself; the units that it starts with code 0 do.\n\n| code | meaning |\n|---|---|\n",
    );
    for exit in Exit::ALL {
        let _ = writeln!(out, "| {} | {} |", exit.code(), cell(exit.meaning()));
    }
    out
}

/// Fit for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_key_has_a_row_with_meaning_and_advice() {
        let text = step_keys().unwrap();
        for step in Step::ALL {
            let row = text.lines().find(|line| line.starts_with(&format!("| `{}` |", step.key()))).unwrap();
            assert!(row.split(" | ").all(|cell| cell.trim_matches(['|', ' ']).len() > 3), "{row}");
        }
    }

    #[test]
    fn the_api_document_names_every_machine_route() {
        let mut files = Files::new();
        add(&mut files).unwrap();
        let document: Value = serde_json::from_str(&files["docs/reference/openapi.json"]).unwrap();
        for path in ["/api/v1/jobs/{id}/permit", "/api/v1/status-webhook/{serial}"] {
            assert_eq!(
                document["paths"][path]["post"]["security"][0]["jobToken"],
                serde_json::json!([]),
                "{path}"
            );
        }
    }
}
