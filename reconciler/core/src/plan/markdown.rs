// SPDX-License-Identifier: AGPL-3.0-or-later
//! A plan for a pull request: verdict first, the destructive table never folded or cut, then how media
//! get to those machines and what will not work, then identical changes grouped, then what is folded; a hidden marker so that one comment is edited
//! in place; within a byte limit, with a last line that says what was left out.
//!
//! Where the destructive table does not fit, machines with the same change share a row that names each
//! of them. No server that may lose data is ever left out, even where that breaks the limit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use shoal_schema::plan::{Action, ApprovalState, Change, Class, Entry, HoldCode, Plan};

use super::plain::{acts, brief, cut};
use super::preflight::line;
use super::text::{unchanged, verb};

/// Finds the comment again.
pub const MARKER: &str = "<!-- shoal-plan -->";

/// The default limit: below GitHub's 65,536 characters.
pub const DEFAULT_LIMIT: usize = 60_000;

/// Room for the last line.
const LAST_LINE: usize = 300;
/// The longest message and place of an error that are shown, in characters.
const LONGEST: usize = 300;

/// The plan as Markdown in at most `limit` bytes. Only the destructive table may exceed it, for it
/// is never cut.
pub fn render(plan: &Plan, limit: usize) -> String {
    let mut out = head(plan);
    let mut left_out = Vec::new();
    let table = destructive_table(plan);
    if out.len() + table.len() + LAST_LINE <= limit {
        out.push_str(&table);
    } else {
        out.push_str(&destructive_groups(plan));
        left_out.push("what each machine loses");
    }
    for (name, section) in [
        ("media", media(plan)),
        ("grouped changes", grouped(plan)),
        ("holds", holds(plan)),
        ("detail", detail(plan)),
    ] {
        if section.is_empty() {
            continue;
        }
        if out.len() + section.len() + LAST_LINE <= limit {
            out.push_str(&section);
        } else {
            left_out.push(name);
        }
    }
    let omitted = if left_out.is_empty() {
        String::new()
    } else {
        format!(" · left out for length: {}", left_out.join(", "))
    };
    let _ = writeln!(out, "\n<sub>plan `{}`{omitted}</sub>", plan.id);
    out
}

fn head(plan: &Plan) -> String {
    let s = &plan.summary;
    let verdict = if plan.errored {
        "**The inventory has errors.**"
    } else if !plan.guards.is_empty() {
        "**Held as a whole.**"
    } else if s.unapproved > 0 {
        "**Destructive changes wait for approval.**"
    } else if plan.entries.iter().any(|e| e.action != Action::None) {
        "**Changes will be made after the merge.**"
    } else {
        "**Nothing to do.**"
    };
    let mut out = format!("{MARKER}\n## Shoal plan\n\n{verdict}\n\n");
    let _ = writeln!(
        out,
        "{} servers: {} {}, {} safe, {} disruptive, {} destructive ({} unapproved, {} held)\n",
        s.servers,
        s.unchanged,
        unchanged(plan),
        s.safe,
        s.disruptive,
        s.destructive,
        s.unapproved,
        s.held
    );
    for problem in plan.problems.iter().take(50) {
        let (place, message) = (cut(&problem.place, LONGEST), cut(&problem.message, LONGEST));
        let _ = writeln!(out, "- error: {}: {}", code(&place), escape(&message));
    }
    if plan.problems.len() > 50 {
        let _ = writeln!(out, "- … and {} more errors", plan.problems.len() - 50);
    }
    for guard in &plan.guards {
        let _ = writeln!(out, "- held: {} — {}", escape(&guard.message), escape(&guard.hint));
    }
    out
}

fn destructive_table(plan: &Plan) -> String {
    let rows: Vec<&Entry> =
        plan.entries.iter().map(AsRef::as_ref).filter(|e: &&Entry| e.class == Class::Destructive).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "\n### Destructive\n\n| server | machine | action | change | loses | approval | entry |\n|---|---|---|---|---|---|---|\n",
    );
    for entry in rows {
        let approval = approval(entry);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {approval} | `{}` |",
            code(&entry.server),
            code(&entry.machine),
            verb(entry.action),
            escape(&summary_of(entry)),
            escape(&entry.loses.join("; ")),
            entry.digest.short()
        );
    }
    out
}

/// Machines with the same change in one row, each by name.
fn destructive_groups(plan: &Plan) -> String {
    let mut groups: BTreeMap<(String, &'static str, String), Vec<&str>> = BTreeMap::new();
    for entry in plan.entries.iter().filter(|e| e.class == Class::Destructive) {
        let key = (approval(entry), verb(entry.action), summary_of(entry));
        groups.entry(key).or_default().push(&entry.server);
    }
    let mut out = String::from(
        "\n### Destructive\n\nEach of these may lose what is on its disk; `shoal plan` names every disk.\n\n| servers | action | change | approval | names |\n|---|---|---|---|---|\n",
    );
    for ((approval, verb, what), servers) in groups {
        let names: Vec<String> = servers.iter().map(|name| code(name)).collect();
        let _ = writeln!(
            out,
            "| {} | {verb} | {} | {approval} | {} |",
            servers.len(),
            escape(&what),
            names.join(" ")
        );
    }
    out
}

fn approval(entry: &Entry) -> String {
    match &entry.approval {
        ApprovalState::Approved { by } => format!("approved by {}", code(by)),
        ApprovalState::Needed => "**needed**".to_owned(),
        ApprovalState::Expired { by } => format!("**expired** ({})", code(by)),
        ApprovalState::BlankOnly => "only if blank".to_owned(),
        ApprovalState::NotNeeded => "not needed".to_owned(),
    }
}

fn summary_of(entry: &Entry) -> String {
    entry
        .changes
        .iter()
        .filter(|change| change.field != "image digest")
        .map(|change| format!("{}: {}", change.field, values(change)))
        .collect::<Vec<_>>()
        .join("; ")
}

/// Digests of what is nobody's business tell nobody anything, and would keep like changes apart.
fn values(change: &Change) -> String {
    if change.sensitive {
        return "changed".to_owned();
    }
    let before = change.before.as_deref().unwrap_or("unknown");
    format!("{} → {}", brief(before), brief(change.after.as_deref().unwrap_or("none")))
}

/// How media get to the machines that are to be installed, what will not work there, and what is not
/// known: before anybody agrees. Never folded.
fn media(plan: &Plan) -> String {
    let mut ways: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut stops: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut warnings: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for entry in plan.entries.iter().filter(|entry| entry.class == Class::Destructive) {
        let way = escape(&line(entry.preflight.as_ref()));
        ways.entry(way).or_default().push(&entry.server);
        for hold in entry.holds.iter().filter(|hold| is_about_the_bmc(hold.code)) {
            let hint = hold.hint.as_ref().map(|hint| format!(" — {}", escape(hint))).unwrap_or_default();
            stops.entry(format!("{}{hint}", escape(&hold.message))).or_default().push(&entry.server);
        }
        for warning in entry.preflight.iter().flat_map(|preflight| &preflight.warnings) {
            warnings.entry(escape(warning)).or_default().push(&entry.server);
        }
    }
    if ways.is_empty() {
        return String::new();
    }
    let mut out = String::from("\n### Media\n\n");
    for (mark, groups) in [("", ways), ("**will not work**: ", stops), ("**warning**: ", warnings)] {
        for (what, servers) in groups {
            let _ = writeln!(out, "- {mark}{}", group(&what, &servers));
        }
    }
    out
}

/// Holds that say that media cannot get there.
fn is_about_the_bmc(code: HoldCode) -> bool {
    matches!(code, HoldCode::NoRoute | HoldCode::BmcUnreachable | HoldCode::CredentialsHeld)
}

/// One line for servers of which the same is to be said.
fn group(what: &str, servers: &[&str]) -> String {
    let names = servers.iter().take(5).map(|name| code(name)).collect::<Vec<_>>().join(", ");
    let more = if servers.len() > 5 { ", …" } else { "" };
    let noun = if servers.len() == 1 { "server" } else { "servers" };
    format!("{} {noun}: {what} ({names}{more})", servers.len())
}

fn grouped(plan: &Plan) -> String {
    let mut groups: BTreeMap<(&'static str, String), Vec<&str>> = BTreeMap::new();
    for entry in plan.entries.iter().filter(|e| e.class != Class::Destructive) {
        let what = summary_of(entry);
        let what = if what.is_empty() { entry.notes.join("; ") } else { what };
        groups.entry((verb(entry.action), what)).or_default().push(&entry.server);
    }
    if groups.is_empty() {
        return String::new();
    }
    let mut out = String::from("\n### Other changes\n\n");
    for ((verb, what), servers) in groups {
        let _ = writeln!(out, "- {}", group(&format!("{verb}: {}", escape(&what)), &servers));
    }
    out
}

fn holds(plan: &Plan) -> String {
    let held: Vec<&Entry> =
        plan.entries.iter().map(AsRef::as_ref).filter(|e: &&Entry| !e.holds.is_empty()).collect();
    if held.is_empty() {
        return String::new();
    }
    let mut out = format!("\n<details><summary>{} held</summary>\n\n", held.len());
    for entry in held {
        for hold in &entry.holds {
            let hint = hold.hint.as_ref().map(|hint| format!(" — {}", escape(hint))).unwrap_or_default();
            let _ = writeln!(out, "- {}: {}{hint}", code(&entry.server), escape(&hold.message));
        }
    }
    out.push_str("\n</details>\n");
    out
}

fn detail(plan: &Plan) -> String {
    if plan.entries.is_empty() {
        return String::new();
    }
    let mut out = String::from("\n<details><summary>detail</summary>\n\n");
    for entry in &plan.entries {
        let _ = writeln!(out, "- {} {} `{}`", code(&entry.server), verb(entry.action), entry.digest);
        for change in &entry.changes {
            let from = change.from.as_ref().map(|from| format!(" from {}", code(from))).unwrap_or_default();
            let _ = writeln!(out, "  - {}: {}{from}", escape(&change.field), escape(&values(change)));
        }
        for note in &entry.notes {
            let _ = writeln!(out, "  - note: {}", escape(note));
        }
    }
    out.push_str("\n</details>\n");
    out
}

/// Text from a pull request as text: nothing in it becomes a mention, a reference, a link, HTML or a
/// marker.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Forges look for mentions, issue references and bare links in the rendered text, where a
            // backslash is gone. A zero-width space keeps them from being found.
            '@' => out.push_str("@\u{200b}"),
            '#' => out.push_str("\\#\u{200b}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '!' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            '\n' | '\r' | '\t' => out.push(' '),
            c if acts(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out.replace("://", ":\u{200b}//").replace("www.", "www\u{200b}.")
}

/// Text in a code span that it cannot leave, also within a table.
fn code(text: &str) -> String {
    if text.is_empty() {
        return "–".to_owned();
    }
    let inner: String = text
        .chars()
        .map(|c| match c {
            '`' => '\'',
            '|' => '/',
            c if acts(c) => '\u{fffd}',
            c => c,
        })
        .collect();
    // Not even here, where it would only be read: the comment is found again by its marker.
    format!("`{}`", inner.replace("<!--", "<!-\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_a_pull_request_cannot_leave_their_place() {
        assert_eq!(code("a`b|c"), "`a'b/c`");
        assert_eq!(code("a\n\u{202e}b"), "`a\u{fffd}\u{fffd}b`");
        let hostile = "<!-- shoal-plan --> @everyone [x](http://y) `rm` a|b #12 www.evil.example\n# big";
        let safe = escape(hostile);
        for active in ["<!--", "@everyone", "](", "\n", "http://", "#1", "www.", "`rm`"] {
            assert!(!safe.replace("\\`", "").contains(active), "{active} in {safe}");
        }
    }

    #[test]
    fn an_empty_name_opens_no_code_span() {
        assert_eq!(code(""), "–");
    }
}
