// SPDX-License-Identifier: AGPL-3.0-or-later
//! Approvals that are over, or for servers that are not there: worth knowing, no more.

use super::{At, Context, Finding};
use crate::codes;
use crate::decode::did_you_mean;
use crate::diagnostic::shown;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let names = || -> Vec<&str> { context.inventory.servers.keys().map(String::as_str).collect() };
    for (name, approval) in &context.inventory.approvals {
        let spec = &approval.value.spec;
        if let (Some(expires), Some(now)) = (spec.expires, context.checks.now)
            && expires <= now
        {
            let at = At::of(approval, "/spec/expires");
            findings.push(
                Finding::info(codes::APPROVAL_EXPIRED, at, format!("expired at {expires}"))
                    .hint("`shoal approve --prune` removes it")
                    .about("Approval", name),
            );
            continue;
        }
        for (index, entry) in spec.entries.iter().enumerate() {
            let there = context.inventory.servers.contains_key(&entry.server)
                || context.may_exist("Server", &entry.server);
            // Leaving Git is what an approval to release is about.
            if !there && entry.action != shoal_schema::kinds::ApprovedAction::Release {
                let at = At::of(approval, format!("/spec/entries/{index}/server"));
                let message = format!("there is no server `{}`", shown(&entry.server));
                findings.push(
                    Finding::info(codes::APPROVAL_SERVER, at, message)
                        .maybe_hint(did_you_mean(&entry.server, &names(), "there are the servers"))
                        .about("Approval", name),
                );
            }
        }
    }
    findings
}
