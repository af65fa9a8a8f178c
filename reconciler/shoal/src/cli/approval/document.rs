// SPDX-License-Identifier: AGPL-3.0-or-later
//! The file that an agreement is.

use shoal_core::inventory::Inventory;
use shoal_schema::kinds::{Approval, ApprovalSpec, ApprovedAction, ApprovedEntry};

use crate::error::CliError;
use crate::output::yaml::scalar;

/// One word for what is agreed to.
pub(super) fn word(action: ApprovedAction) -> &'static str {
    match action {
        ApprovedAction::Install => "install",
        ApprovedAction::Adopt => "adopt",
        ApprovedAction::Release => "release",
    }
}

/// `2026-11-21-web-01`, `2026-11-21-web-01-and-3-more`, with a number behind it where that is taken.
pub(super) fn free_name(
    now: jiff::Timestamp,
    entries: &[ApprovedEntry],
    inventory: &Inventory,
    taken: impl Fn(&str) -> bool,
) -> String {
    let date = now.strftime("%Y-%m-%d");
    let first = entries.first().map(|entry| entry.server.replace('/', "-")).unwrap_or_default();
    let more = match entries.len() {
        0 | 1 => String::new(),
        many => format!("-and-{}-more", many - 1),
    };
    // A name has at most 128 characters.
    let first: String = first.chars().take(80).collect();
    let base = format!("{date}-{first}{more}");
    let is_free =
        |name: &String| !inventory.approvals.contains_key(name) && !taken(&format!("approvals/{name}.yaml"));
    // Nobody agrees ten thousand times a day; a name that is taken after all is refused when written.
    std::iter::once(base.clone())
        .chain((2..10_000).map(|number| format!("{base}-{number}")))
        .find(is_free)
        .unwrap_or(base)
}

/// The document's text. Quoted by hand: other YAML tools must read the same, times included.
pub(super) fn file_text(
    name: &str,
    reason: &str,
    expires: Option<jiff::Timestamp>,
    entries: &[ApprovedEntry],
) -> Result<String, CliError> {
    let mut text = format!(
        "apiVersion: shoal.dev/v1\nkind: Approval\nmetadata:\n  name: {}\nspec:\n  reason: {}\n",
        scalar(name),
        scalar(reason)
    );
    if let Some(expires) = expires {
        text.push_str(&format!("  expires: {}\n", scalar(&expires.to_string())));
    }
    text.push_str("  entries:\n");
    for entry in entries {
        text.push_str(&format!(
            "    - server: {}\n      action: {}\n      entry: {}\n",
            scalar(&entry.server),
            word(entry.action),
            entry.entry
        ));
        if let Some(loses) = &entry.loses {
            text.push_str(&format!("      loses: {}\n", scalar(loses)));
        }
    }
    let wanted = ApprovalSpec { reason: reason.to_owned(), expires, entries: entries.to_vec() };
    match yaml_serde::from_str::<Approval>(&text) {
        Ok(read) if read.spec == wanted && read.metadata.name == name => Ok(text),
        Ok(_) => Err(CliError::internal("approval.text", "the agreement does not read back as it was meant")),
        Err(error) => {
            Err(CliError::internal("approval.text", "the agreement does not read back").because(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_schema::Sha256;

    #[test]
    fn an_agreement_reads_back_whatever_its_reason_says() {
        let entry = ApprovedEntry {
            server: "web-01".to_owned(),
            action: ApprovedAction::Install,
            entry: Sha256::of(b"x"),
            loses: Some("disk S1 (480 GB): debian 13.1".to_owned()),
        };
        for reason in ["because", "yes", "a: b # c", "two\nlines", "quote \" and \\", "- x", "é \u{2028}"] {
            let text = file_text(
                "2026-11-21-web-01",
                reason,
                Some(jiff::Timestamp::UNIX_EPOCH),
                std::slice::from_ref(&entry),
            )
            .unwrap();
            assert!(text.contains("expires: \"1970-01-01T00:00:00Z\""), "{text}");
        }
    }
}
