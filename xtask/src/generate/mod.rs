// SPDX-License-Identifier: AGPL-3.0-or-later
//! The generated files below `docs/`: written out of the code, checked in, and compared with the code.
//!
//! Guarantees: the same code gives the same bytes; `--check` changes nothing. In the directories that
//! hold nothing else ([`GENERATED_DIRS`]) a file that nothing generates any more counts as drift, and
//! is removed by a run without `--check`.

mod conformance;
mod drift;
mod metrics;
mod redfish_rules;
mod references;
mod schemas;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

/// Directories that hold generated files and nothing else.
const GENERATED_DIRS: [&str; 2] = ["docs/reference", "docs/schemas"];

/// What the registry's tests show: the one generated file that stands beside written ones.
const CONFORMANCE: &str = "docs/registry-conformance.md";

/// Writes every generated file: schemas, references, OpenAPI.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail where a file is not what the code says
    #[arg(long)]
    check: bool,
}

/// A file's path below the workspace, and its text.
type Files = BTreeMap<String, String>;

/// Writes or checks the files of the workspace; exit code 1 where something differs or fails.
pub(crate) fn main(args: &Args) -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the workspace");
    match perform(args, root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told where standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(args: &Args, root: &Path) -> anyhow::Result<()> {
    let files = files(root)?;
    let drifts = drift::find(root, &files, &GENERATED_DIRS)?;
    if args.check {
        return refuse(&drifts);
    }
    let mut out = std::io::stdout().lock();
    for drift in &drifts {
        drift.mend(root, &files)?;
        writeln!(out, "{}", drift.path)?;
    }
    writeln!(out, "{} generated files, {} changed", files.len(), drifts.len())?;
    Ok(())
}

fn refuse(drifts: &[drift::Drift]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for drift in drifts {
        writeln!(out, "{drift}")?;
    }
    if !drifts.is_empty() {
        bail!("{} generated files are not what the code says; 'just gen' writes them", drifts.len());
    }
    Ok(())
}

/// Every generated file.
fn files(root: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    schemas::add(&mut files).context("make the schemas")?;
    references::add(&mut files).context("make the references")?;
    let source = root.join("reconciler/controller/src/metrics.rs");
    let text = std::fs::read_to_string(&source).with_context(|| format!("read {}", source.display()))?;
    let metrics =
        metrics::markdown(&text).with_context(|| format!("read the metrics in {}", source.display()))?;
    add_markdown(&mut files, "metrics", &metrics);
    add_markdown(&mut files, "redfish-rules", &redfish_rules::markdown());
    files.insert(CONFORMANCE.to_owned(), noted(&conformance::markdown(root)?));
    Ok(files)
}

/// JSON as people read it, with a line feed at the end.
fn json_text(value: &serde_json::Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn add_markdown(files: &mut Files, name: &str, text: &str) {
    // A generator of its own may say where it comes from; one note for all is enough.
    let body = match text.split_once("-->") {
        Some((note, body)) if note.starts_with("<!--") => body,
        _ => text,
    };
    files.insert(format!("docs/reference/{name}.md"), noted(body));
}

/// A generated document, with the note that it is one.
fn noted(body: &str) -> String {
    format!("<!-- Generated from the code by `just gen`. Do not edit. -->\n\n{}\n", body.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the workspace").to_owned()
    }

    #[test]
    fn the_same_code_gives_the_same_bytes() {
        assert_eq!(files(&root()).unwrap(), files(&root()).unwrap());
    }

    #[test]
    fn every_file_stands_in_a_generated_directory_and_ends_with_one_line_feed() {
        let files = files(&root()).unwrap();
        assert!(files.len() > 15, "{} files", files.len());
        for (path, text) in &files {
            let own_directory = GENERATED_DIRS.iter().any(|dir| path.starts_with(&format!("{dir}/")));
            assert!(own_directory || path == CONFORMANCE, "{path}");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{path}");
        }
    }

    #[test]
    fn the_note_of_another_generator_is_replaced() {
        let mut files = Files::new();
        add_markdown(&mut files, "x", "<!-- made elsewhere -->\n\n# Title\n\nText\n");
        assert_eq!(
            files["docs/reference/x.md"],
            "<!-- Generated from the code by `just gen`. Do not edit. -->\n\n# Title\n\nText\n"
        );
    }
}
