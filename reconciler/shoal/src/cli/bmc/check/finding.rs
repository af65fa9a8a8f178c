// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a check says: one [`Finding`] for each [`Check`], in a fixed order.

use std::collections::BTreeMap;

use serde::Serialize;

/// What is checked, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Check {
    Address,
    Certificate,
    Credentials,
    Session,
    Redfish,
    System,
    Identity,
    Power,
    ResetTypes,
    Licence,
    VirtualMedia,
    Slots,
    ImageSchemes,
    BootOverride,
    BootMode,
    MediaAddress,
    MediaTrial,
}

impl Check {
    pub(super) const ALL: [Self; 17] = [
        Self::Address,
        Self::Certificate,
        Self::Credentials,
        Self::Session,
        Self::Redfish,
        Self::System,
        Self::Identity,
        Self::Power,
        Self::ResetTypes,
        Self::Licence,
        Self::VirtualMedia,
        Self::Slots,
        Self::ImageSchemes,
        Self::BootOverride,
        Self::BootMode,
        Self::MediaAddress,
        Self::MediaTrial,
    ];

    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Certificate => "certificate",
            Self::Credentials => "credentials",
            Self::Session => "session",
            Self::Redfish => "redfish",
            Self::System => "system",
            Self::Identity => "identity",
            Self::Power => "power",
            Self::ResetTypes => "reset types",
            Self::Licence => "licence",
            Self::VirtualMedia => "virtual media",
            Self::Slots => "slots",
            Self::ImageSchemes => "image schemes",
            Self::BootOverride => "boot override",
            Self::BootMode => "boot mode",
            Self::MediaAddress => "media address",
            Self::MediaTrial => "media trial",
        }
    }
}

/// How a check ended. What is worse is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Ok,
    /// It could not be seen.
    NotKnown,
    /// An install may work, and somebody should know.
    Warning,
    /// It would stop an install.
    Failed,
}

impl Verdict {
    /// For people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotKnown => "not known",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// What one check saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: Check,
    pub(super) verdict: Verdict,
    pub(super) seen: String,
    /// What to do about it.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
}

/// What all checks saw.
#[derive(Debug, Default)]
pub(super) struct Findings(BTreeMap<Check, Finding>);

impl Findings {
    /// Adds what was seen. Of several about one check the worst verdict counts, and all are told,
    /// the worst first.
    pub(super) fn add(&mut self, check: Check, verdict: Verdict, seen: impl Into<String>, advice: &str) {
        let advice = (!advice.is_empty()).then(|| advice.to_owned());
        let new = Finding { check, verdict, seen: seen.into(), advice };
        let Some(known) = self.0.get_mut(&check) else {
            self.0.insert(check, new);
            return;
        };
        let (worse, better) = if new.verdict > known.verdict { (&new, &*known) } else { (&*known, &new) };
        let advice = [&worse.advice, &better.advice];
        let mut advice: Vec<&str> = advice.into_iter().flatten().map(String::as_str).collect();
        // The same is to be done about several slots, and said once.
        if let [first, second] = advice[..]
            && first.contains(second)
        {
            advice.pop();
        }
        *known = Finding {
            check,
            verdict: worse.verdict,
            seen: format!("{}; {}", worse.seen, better.seen),
            advice: (!advice.is_empty()).then(|| advice.join("; ")),
        };
    }

    /// All is well with it.
    pub(super) fn ok(&mut self, check: Check, seen: impl Into<String>) {
        self.add(check, Verdict::Ok, seen, "");
    }

    /// It could not be seen.
    pub(super) fn not_known(&mut self, check: Check, why: impl Into<String>, advice: &str) {
        self.add(check, Verdict::NotKnown, why, advice);
    }

    /// Whether something was said about it.
    pub(super) fn has(&self, check: Check) -> bool {
        self.0.contains_key(&check)
    }

    /// One for each check, in order; `why` where nothing was seen.
    pub(super) fn all(mut self, why: &str) -> Vec<Finding> {
        for check in Check::ALL {
            if !self.has(check) {
                self.not_known(check, why, "");
            }
        }
        self.0.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_counts_and_everything_is_told() {
        let mut findings = Findings::default();
        findings.ok(Check::Slots, "two are free");
        findings.add(Check::Slots, Verdict::Failed, "one is broken", "mend it");
        findings.add(Check::Slots, Verdict::Warning, "one is held", "close the console");
        let all = findings.all("not reached");
        let slots = all.iter().find(|finding| finding.check == Check::Slots).unwrap();
        assert_eq!(slots.verdict, Verdict::Failed);
        assert_eq!(slots.seen, "one is broken; two are free; one is held");
        assert_eq!(slots.advice.as_deref(), Some("mend it; close the console"));
    }

    #[test]
    fn what_is_to_be_done_about_several_is_said_once() {
        let mut findings = Findings::default();
        findings.add(Check::Slots, Verdict::Warning, "one is held", "close the console");
        findings.add(Check::Slots, Verdict::Warning, "another is held", "close the console");
        let all = findings.all("not reached");
        let slots = all.iter().find(|finding| finding.check == Check::Slots).unwrap();
        assert_eq!(slots.advice.as_deref(), Some("close the console"));
    }

    #[test]
    fn every_check_is_told_once_in_its_order() {
        let checks: Vec<Check> = Findings::default().all("no").iter().map(|finding| finding.check).collect();
        assert_eq!(checks, Check::ALL);
        assert!(Check::ALL.is_sorted());
    }
}
