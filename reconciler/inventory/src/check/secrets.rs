// SPDX-License-Identifier: AGPL-3.0-or-later
//! Secrets are encrypted to those whom the fleet lists.
//!
//! A Secret with other recipients can still be decrypted by those that it has: it stays in the
//! inventory, and the error stands until someone encrypts it anew.

use shoal_schema::recipients::recipients_digest;

use super::{At, Context, Finding};
use crate::codes;
use crate::decode::did_you_mean;
use crate::diagnostic::shown;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let Some(fleet) = &context.inventory.fleet else { return Vec::new() };
    let recipients = &fleet.value.spec.recipients;
    let names: Vec<&str> = recipients.iter().map(|recipient| recipient.name.as_str()).collect();
    let mut findings = Vec::new();
    for (name, secret) in &context.inventory.secrets {
        let spec = &secret.value.spec;
        let mut named = Vec::with_capacity(spec.recipients.len());
        let mut unknown = false;
        for (index, wanted) in spec.recipients.iter().enumerate() {
            if let Some(recipient) = recipients.iter().find(|recipient| recipient.name == *wanted) {
                named.push(recipient);
            } else {
                unknown = true;
                let at = At::of(secret, format!("/spec/recipients/{index}"));
                let message = format!("the fleet has no recipient `{}`", shown(wanted));
                let hint = did_you_mean(wanted, &names, "there are the recipients");
                findings.push(
                    Finding::error(codes::SECRET_RECIPIENTS, at, message)
                        .maybe_hint(hint)
                        .related("the fleet's recipients", At::of(fleet, "/spec/recipients").key())
                        .about("Secret", name),
                );
            }
        }
        if !unknown && recipients_digest(named) != spec.recipients_digest {
            let at = At::of(secret, "/spec/recipientsDigest").key();
            findings.push(
                Finding::error(
                    codes::SECRET_RECIPIENTS,
                    at,
                    "encrypted to other keys than the fleet lists for these recipients",
                )
                .hint("encrypt it anew with `shoal secret edit`")
                .related("the fleet's recipients", At::of(fleet, "/spec/recipients").key())
                .about("Secret", name),
            );
        }
    }
    findings
}
