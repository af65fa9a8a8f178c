// SPDX-License-Identifier: AGPL-3.0-or-later
//! `docs/reference/metrics.md`, out of the source that registers the metrics.
//!
//! A metric with labels shows nothing before its first observation, so that an empty registry has
//! nothing to tell. The registrations are read instead: `counter("name", "help", &["label"])`.
//! Guarantee: a metric that is a field of the struct and is not understood here is an error.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};

/// How metrics are registered, and what they are called in the table.
const KINDS: [(&str, &str); 3] = [("counter(", "counter"), ("gauge(", "gauge"), ("histogram(", "histogram")];
/// The types of the struct's fields.
const FIELDS: [&str; 3] = [": IntCounterVec,", ": IntGaugeVec,", ": HistogramVec,"];

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Metric {
    name: String,
    kind: &'static str,
    labels: Vec<String>,
    help: String,
}

/// The reference.
pub(super) fn markdown(source: &str) -> anyhow::Result<String> {
    let prefix = literals(source.split_once("const PREFIX").context("there is no const PREFIX")?.1)
        .next()
        .context("PREFIX is no literal")?;
    let mut out = format!(
        "# Metrics\n\n`GET /metrics` of the API, in the text format of Prometheus. It needs an account that may \
         read. Every name begins with `{prefix}_`. No label holds a host name or anything secret. A metric \
         appears with its first observation.\n\n| metric | type | labels | what |\n|---|---|---|---|\n"
    );
    for metric in read(source)? {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(
            out,
            "| `{prefix}_{}` | {} | {} | {} |",
            metric.name,
            metric.kind,
            labels.join(" "),
            metric.help
        );
    }
    Ok(out)
}

fn read(source: &str) -> anyhow::Result<Vec<Metric>> {
    let fields: usize = FIELDS.iter().map(|field| source.matches(field).count()).sum();
    let mut metrics = Vec::new();
    for (call, kind) in KINDS {
        for (at, _) in source.match_indices(call) {
            let rest = source[at + call.len()..].trim_start();
            if !rest.starts_with('"') {
                continue;
            }
            let (head, labels) = rest.split_once("&[").context("a metric has no labels")?;
            let (labels, _) = labels.split_once(']').context("a list of labels does not end")?;
            let mut head = literals(head);
            let name = head.next().context("a metric has no name")?;
            let help = head.next().with_context(|| format!("{name} has no help"))?;
            metrics.push(Metric { name, kind, labels: literals(labels).collect(), help });
        }
    }
    if metrics.len() != fields {
        bail!("{fields} metrics are declared and {} were understood", metrics.len());
    }
    metrics.sort();
    Ok(metrics)
}

/// The string literals of a text. None of ours has a quotation mark in it.
fn literals(text: &str) -> impl Iterator<Item = String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        const PREFIX: &str = "p";
        struct M { a: IntCounterVec, b: HistogramVec, }
        let counter = |name: &str| 0;
        a: counter("a_total", "How many.", &["x", "y"])?,
        b: histogram(
            "b_seconds",
            "How long.",
            &["z"],
            1.0,
        )?,
    "#;

    #[test]
    fn a_registration_on_one_line_or_several_is_a_row() {
        let text = markdown(SOURCE).unwrap();
        assert!(text.contains("| `p_a_total` | counter | `x` `y` | How many. |"), "{text}");
        assert!(text.contains("| `p_b_seconds` | histogram | `z` | How long. |"), "{text}");
    }

    #[test]
    fn a_declared_metric_that_is_not_understood_is_an_error() {
        let source = SOURCE.replace("struct M {", "struct M { c: IntGaugeVec,");
        let error = markdown(&source).unwrap_err();
        assert_eq!(error.to_string(), "3 metrics are declared and 2 were understood");
    }
}
