// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is done at a point, in few words: the same in every run, so without ids and addresses.

use serde_json::Value;
use shoal_testbed::bmc::Deed;

/// A request in few words; nothing for those that open and close sessions, which come with every look at a BMC.
pub(crate) fn what_is_asked(deed: &Deed) -> Option<String> {
    if deed.path.contains("/Sessions") {
        return None;
    }
    let body = deed.body.as_ref();
    let of = |name: &str| body.and_then(|body| body[name].as_str()).map(str::to_owned);
    let image = of("Image").map(|image| image.rsplit('/').next().unwrap_or_default().to_owned());
    let detail = of("ResetType").or(image).or_else(|| {
        let boot = body.map(|body| &body["Boot"])?;
        boot["BootSourceOverrideEnabled"].as_str().map(|enabled| format!("boot {enabled}"))
    });
    let end = deed.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    Some(
        format!("BMC {}: {} {end} {}", deed.bmc, deed.method, detail.unwrap_or_default())
            .trim_end()
            .to_owned(),
    )
}

/// A transaction in few words: what is written of a job where one is, else which tables.
pub(crate) fn what_is_written(writes: &Value) -> String {
    let all = writes.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut words: Vec<String> = Vec::new();
    for write in all {
        let (table, row) = (write["table"].as_str().unwrap_or_default(), &write["row"]);
        let word = match table {
            "journal" => {
                let moment = if row["outcome"].is_null() { "begins" } else { "ended" };
                format!("{} {moment}", effect(&row["effect"]))
            }
            "jobs" => format!("job: {}", row["phase"].as_str().unwrap_or_default()),
            other => other.to_owned(),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", ")
}

/// `eject-all`, `insert boot`
fn effect(effect: &Value) -> String {
    match effect {
        Value::String(name) => name.clone(),
        Value::Object(one) => {
            let name = |(name, value): (&String, &Value)| match value {
                Value::String(value) => format!("{name} {value}"),
                _ => name.clone(),
            };
            one.iter().map(name).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}
