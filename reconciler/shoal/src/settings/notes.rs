// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an operator should hear about settings that are right and mean less than they think.

use super::layers::Origin;
use super::table::{Group, SETTINGS};
use super::value::Values;

/// Sayings about former names that are set, and refusals of what is not in this version.
pub(super) fn former(values: &mut Values<'_>, notes: &mut Vec<String>) {
    for setting in SETTINGS.iter().filter(|setting| setting.group == Group::Former) {
        let Some(given) = values.layers.get(setting.name).cloned() else { continue };
        match setting.name {
            "REDFISH_INSECURE" => {
                if values.boolean(setting.name) {
                    let why = "nobody switches every verification off at once; say it of single BMCs, in spec.bmc.tls";
                    refuse(values, setting.name, &given.origin, why);
                }
            }
            "JOB_LEASE_TTL" => {
                let _ = values.duration(
                    setting.name,
                    std::time::Duration::ZERO,
                    std::time::Duration::ZERO..=std::time::Duration::MAX,
                );
                notes.push(format!("{} has no effect: {}", setting.name, lower(setting.about)));
            }
            "WEBHOOK_SECRET" | "WEBHOOK_SECRET_OLD" => notes.push(format!(
                "{} has no effect: every job has a token of its own, and no secret is shared with the fleet",
                setting.name
            )),
            _ => notes.push(format!("{} has no effect: {}", setting.name, lower(setting.about))),
        }
    }
}

fn refuse(values: &mut Values<'_>, name: &str, origin: &Origin, why: &str) {
    values.faults.add(format!("{name} ({origin}): {why}"));
}

/// A sentence behind a colon.
fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_lowercase().to_string() + chars.as_str()).unwrap_or_default()
}
