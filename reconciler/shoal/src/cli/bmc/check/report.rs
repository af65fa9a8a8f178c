// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is written about a check: for a terminal, for a vendor's ticket, for programs.
//!
//! # Guarantees
//! No credential, token or capability, and no query string, is in any of them: what a BMC says was
//! cleaned by the client, paths of calls carry neither, and the account's password is replaced
//! wherever a BMC should have echoed it.

use std::fmt::Write as _;

use serde::Serialize;
use shoal_redfish::{Discovered, InsertVia};

use super::calls::Call;
use super::finding::{Finding, Verdict};
use super::medium::Read;
use crate::output::{Table, clean};

/// Shorter passwords would be found in ordinary words.
const SHORTEST: usize = 4;

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Standing {
    /// Nothing stands in the way of an install.
    Ready,
    /// Something would stop one.
    Stops,
    /// The BMC does not answer as it should.
    NoAnswer,
}

impl Standing {
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Ready => 0,
            Self::Stops => 3,
            Self::NoAnswer => 69,
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Ready => "nothing that was seen stands in the way of an install",
            Self::Stops => "something would stop an install",
            Self::NoAnswer => "the BMC does not answer as it should",
        }
    }
}

/// One check of one BMC.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Version of Shoal.
    pub(super) shoal: &'static str,
    pub(super) at: jiff::Timestamp,
    /// Host and port.
    pub(super) bmc: String,
    pub(super) vendor: Option<String>,
    pub(super) model: Option<String>,
    pub(super) firmware: Option<String>,
    pub(super) result: Standing,
    pub(super) checks: Vec<Finding>,
    pub(super) slots: Vec<Slot>,
    /// Requests for the medium of a trial.
    pub(super) trial: Vec<Read>,
    pub(super) calls: Vec<Call>,
}

/// One virtual media slot.
#[derive(Serialize)]
pub(super) struct Slot {
    uri: String,
    kind: String,
    insert: InsertVia,
    inserted: bool,
    image: Option<String>,
}

/// The slots as discovery found them.
pub(super) fn slots(found: &Discovered) -> Vec<Slot> {
    let slot = |slot: &shoal_redfish::MediaFacts| Slot {
        uri: slot.uri.clone(),
        kind: slot.kind.clone(),
        insert: slot.insert,
        inserted: slot.inserted,
        image: slot.image.as_ref().map(ToString::to_string),
    };
    found.media.iter().map(slot).collect()
}

impl Report {
    /// Replaces a password that the BMC echoed, and whatever a terminal would act on.
    pub(super) fn scrub(&mut self, password: &str) {
        let mut texts: Vec<&mut String> = Vec::new();
        texts.extend([&mut self.vendor, &mut self.model, &mut self.firmware].into_iter().flatten());
        for finding in &mut self.checks {
            texts.push(&mut finding.seen);
            texts.extend(&mut finding.advice);
        }
        for slot in &mut self.slots {
            texts.extend([&mut slot.uri, &mut slot.kind]);
            texts.extend(&mut slot.image);
        }
        for read in &mut self.trial {
            texts.extend([&mut read.range, &mut read.user_agent].into_iter().flatten());
        }
        texts.extend(self.calls.iter_mut().map(|call| &mut call.path));
        for text in texts {
            let shown = clean(text).replace('\n', " ");
            *text = if password.len() >= SHORTEST { shown.replace(password, "{hidden}") } else { shown };
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|finding| finding.verdict == verdict).count()
    }

    fn summary(&self) -> String {
        let mut text = self.result.sentence().to_owned();
        for verdict in [Verdict::Failed, Verdict::Warning, Verdict::NotKnown] {
            let count = self.count(verdict);
            if count > 0 {
                let _ = write!(text, ", {count} {}{}", verdict.word(), plural(verdict, count));
            }
        }
        text
    }

    /// For people at a terminal.
    pub(super) fn text(&self, colour: bool) -> String {
        let mut table = Table::new(&[]);
        for finding in &self.checks {
            table.row([finding.verdict.word(), finding.check.name(), &finding.seen]);
        }
        let mut out = String::new();
        for (line, finding) in table.render().lines().zip(&self.checks) {
            let word = finding.verdict.word();
            match (colour, line.strip_prefix(word)) {
                (true, Some(rest)) => {
                    let _ = writeln!(out, "{}{word}\u{1b}[0m{rest}", paint(finding.verdict));
                }
                _ => {
                    let _ = writeln!(out, "{line}");
                }
            }
        }
        let advised: Vec<&Finding> = self.checks.iter().filter(|finding| finding.advice.is_some()).collect();
        if !advised.is_empty() {
            out.push_str("\nwhat to do\n");
            for finding in advised {
                let advice = finding.advice.as_deref().unwrap_or_default();
                let _ = writeln!(out, "  {}: {advice}", finding.check.name());
            }
        }
        let _ = writeln!(out, "\n{}", self.summary());
        out
    }

    /// For a ticket.
    pub(super) fn markdown(&self) -> String {
        let or_unknown = |value: &Option<String>| cell(value.as_deref().unwrap_or("unknown"));
        let mut out = format!(
            "# Check of the BMC {}\n\n| | |\n|---|---|\n| result | {} |\n| checked | {} |\n| by | Shoal {} |\n\
             | vendor | {} |\n| model | {} |\n| firmware | {} |\n",
            cell(&self.bmc),
            self.summary(),
            self.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            self.shoal,
            or_unknown(&self.vendor),
            or_unknown(&self.model),
            or_unknown(&self.firmware),
        );
        out.push_str("\n## Checks\n\n| check | verdict | seen | what to do |\n|---|---|---|---|\n");
        for finding in &self.checks {
            let (name, word) = (finding.check.name(), finding.verdict.word());
            let advice = cell(finding.advice.as_deref().unwrap_or_default());
            let _ = writeln!(out, "| {name} | {word} | {} | {advice} |", cell(&finding.seen));
        }
        if !self.slots.is_empty() {
            out.push_str(
                "\n## Virtual media\n\n| slot | kind | insert | inserted | image |\n|---|---|---|---|---|\n",
            );
            for slot in &self.slots {
                let insert = match slot.insert {
                    InsertVia::Action => "action",
                    InsertVia::Patch => "patch",
                    InsertVia::Oem => "oem",
                    InsertVia::None => "none",
                };
                let image = cell(slot.image.as_deref().unwrap_or_default());
                let inserted = if slot.inserted { "yes" } else { "no" };
                let (uri, kind) = (cell(&slot.uri), cell(&slot.kind));
                let _ = writeln!(out, "| {uri} | {kind} | {insert} | {inserted} | {image} |");
            }
        }
        if !self.trial.is_empty() {
            out.push_str("\n## Requests for the medium of the trial\n\n| from | method | range | status | bytes | user agent |\n|---|---|---|---|---|---|\n");
            for read in &self.trial {
                let range = cell(read.range.as_deref().unwrap_or_default());
                let agent = cell(read.user_agent.as_deref().unwrap_or_default());
                let _ = writeln!(
                    out,
                    "| {} | {} | {range} | {} | {} | {agent} |",
                    read.peer,
                    cell(&read.method),
                    read.status,
                    read.bytes
                );
            }
        }
        out.push_str("\n## Calls\n\n| correlation id | ended | for | method | path | answer | ms | try |\n|---|---|---|---|---|---|---|---|\n");
        for call in &self.calls {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                call.correlation,
                call.at.strftime("%H:%M:%S%.3fZ"),
                call.operation,
                call.method,
                cell(&call.path),
                call.answer,
                call.milliseconds,
                call.attempt
            );
        }
        out.push_str("\nCredentials, tokens, capabilities and query strings were left out.\n");
        out
    }
}

fn plural(verdict: Verdict, count: usize) -> &'static str {
    if verdict == Verdict::Warning && count > 1 { "s" } else { "" }
}

fn paint(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "\u{1b}[32m",
        Verdict::NotKnown => "\u{1b}[2m",
        Verdict::Warning => "\u{1b}[1;33m",
        Verdict::Failed => "\u{1b}[1;31m",
    }
}

/// A text that stays within its cell, and is no markup of its own.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '|' | '<' | '[' | '*' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::finding::Check;
    use super::*;

    fn report() -> Report {
        let finding = |check, verdict, seen: &str| Finding {
            check,
            verdict,
            seen: seen.to_owned(),
            advice: (verdict != Verdict::Ok).then(|| "do | something".to_owned()),
        };
        Report {
            shoal: "0.0.0",
            at: jiff::Timestamp::UNIX_EPOCH,
            bmc: "10.0.0.12:443".to_owned(),
            vendor: Some("Acme".to_owned()),
            model: Some("echoes hunter22".to_owned()),
            firmware: None,
            result: Standing::Ready,
            checks: vec![
                finding(Check::Address, Verdict::Ok, "answers"),
                finding(Check::Slots, Verdict::Warning, "a|b <c> \u{1b}[2J hunter22"),
            ],
            slots: Vec::new(),
            trial: Vec::new(),
            calls: Vec::new(),
        }
    }

    #[test]
    fn a_password_that_the_bmc_echoes_and_escapes_are_in_no_form_of_the_report() {
        let mut report = report();
        report.scrub("hunter22");
        let json = serde_json::to_string(&report).unwrap();
        for text in [report.text(false), report.markdown(), json] {
            assert!(!text.contains("hunter22") && !text.contains('\u{1b}'), "{text}");
        }
    }

    #[test]
    fn what_a_bmc_says_stays_within_its_cell() {
        let markdown = report().markdown();
        assert!(markdown.contains("| slots | warning | a\\|b \\<c> "), "{markdown}");
    }

    #[test]
    fn colour_is_on_the_verdict_alone_and_changes_no_word() {
        let mut report = report();
        report.scrub("");
        let painted = report.text(true);
        let plain: String = ["\u{1b}[32m", "\u{1b}[1;33m", "\u{1b}[0m"]
            .iter()
            .fold(painted.clone(), |text, code| text.replace(code, ""));
        assert_ne!(plain, painted);
        assert_eq!(plain, report.text(false));
        assert!(plain.ends_with("stands in the way of an install, 1 warning\n"), "{plain}");
    }
}
