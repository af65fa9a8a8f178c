// SPDX-License-Identifier: AGPL-3.0-or-later
//! A plan for a pull request: verdict first, the destructive table never folded or cut, then
//! identical changes grouped, then what is folded; a hidden marker so that one comment is edited
//! in place; within a byte limit, with a last line that says what was left out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use shoal_schema::plan::{Action, ApprovalState, Class, Entry, Plan};

use super::text::verb;

/// Finds the comment again.
pub const MARKER: &str = "<!-- shoal-plan -->";

/// The default limit: below GitHub's 65,536 characters.
pub const DEFAULT_LIMIT: usize = 60_000;

/// The plan as Markdown in at most `limit` bytes. Only the destructive table may exceed it, for it
/// is never cut.
pub fn render(plan: &Plan, limit: usize) -> String {
    let mut out = head(plan);
    out.push_str(&destructive_table(plan));
    let mut left_out = Vec::new();
    for (name, section) in
        [("grouped changes", grouped(plan)), ("holds", holds(plan)), ("detail", detail(plan))]
    {
        if section.is_empty() {
            continue;
        }
        // Room for the last line.
        if out.len() + section.len() + 300 <= limit {
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
        "{} servers: {} as wanted, {} safe, {} disruptive, {} destructive ({} unapproved, {} held)\n",
        s.servers, s.unchanged, s.safe, s.disruptive, s.destructive, s.unapproved, s.held
    );
    for problem in plan.problems.iter().take(50) {
        let _ = writeln!(out, "- error: {}: {}", code(&problem.place), escape(&problem.message));
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
    let rows: Vec<&Entry> = plan.entries.iter().filter(|e| e.class == Class::Destructive).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "\n### Destructive\n\n| server | machine | action | change | loses | approval | entry |\n|---|---|---|---|---|---|---|\n",
    );
    for entry in rows {
        let approval = match &entry.approval {
            ApprovalState::Approved { by } => format!("approved by {}", code(by)),
            ApprovalState::Needed => "**needed**".to_owned(),
            ApprovalState::Expired { by } => format!("**expired** ({})", code(by)),
            ApprovalState::BlankOnly => "only if blank".to_owned(),
            ApprovalState::NotNeeded => "not needed".to_owned(),
        };
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

fn summary_of(entry: &Entry) -> String {
    entry
        .changes
        .iter()
        .filter(|change| change.field != "image digest")
        .map(|change| {
            format!(
                "{}: {} → {}",
                change.field,
                change.before.as_deref().unwrap_or("unknown"),
                change.after.as_deref().unwrap_or("none")
            )
        })
        .collect::<Vec<_>>()
        .join("; ")
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
        let names = servers.iter().take(5).map(|name| code(name)).collect::<Vec<_>>().join(", ");
        let more = if servers.len() > 5 { ", …" } else { "" };
        let count = servers.len();
        let noun = if count == 1 { "server" } else { "servers" };
        let _ = writeln!(out, "- {count} {noun}: {verb}: {} ({names}{more})", escape(&what));
    }
    out
}

fn holds(plan: &Plan) -> String {
    let held: Vec<&Entry> = plan.entries.iter().filter(|e| !e.holds.is_empty()).collect();
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
            let _ = writeln!(
                out,
                "  - {}: {} → {}{from}",
                escape(&change.field),
                escape(change.before.as_deref().unwrap_or("unknown")),
                escape(change.after.as_deref().unwrap_or("none"))
            );
        }
        for note in &entry.notes {
            let _ = writeln!(out, "  - note: {}", escape(note));
        }
    }
    out.push_str("\n</details>\n");
    out
}

/// Text from a pull request as text: nothing in it becomes a mention, a link, HTML or a marker.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A zero-width space keeps a mention from reaching anybody.
            '@' => out.push_str("@\u{200b}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '\n' | '\r' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Text in a code span that it cannot leave, also within a table.
fn code(text: &str) -> String {
    let inner: String = text
        .chars()
        .map(|c| match c {
            '`' => '\'',
            '|' => '/',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    format!("`{inner}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_a_pull_request_cannot_leave_their_place() {
        assert_eq!(code("a`b|c"), "`a'b/c`");
        let hostile = "<!-- shoal-plan --> @everyone [x](http://y) `rm`\n# big";
        let safe = escape(hostile);
        assert!(
            !safe.contains("<!--")
                && !safe.contains("@everyone")
                && !safe.contains("](")
                && !safe.contains('\n')
        );
    }
}
