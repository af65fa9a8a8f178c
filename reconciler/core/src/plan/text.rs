// SPDX-License-Identifier: AGPL-3.0-or-later
//! A plan for people at a terminal. What others wrote is shown as text on its line, whatever it holds.

use std::fmt::Write as _;

use shoal_schema::plan::{Action, ApprovalState, Class, Effect, Entry, Plan};

use super::plain::{brief, plain};
use super::preflight::line;

/// One word for an action.
pub fn verb(action: Action) -> &'static str {
    match action {
        Action::None => "keep",
        Action::Install => "install",
        Action::Reinstall => "reinstall",
        Action::Adopt => "adopt",
        Action::Rename => "rename",
        Action::Release => "release",
        Action::Tidy => "tidy up",
        Action::PowerOn => "power on",
        Action::PowerOff => "power off",
    }
}

fn sign(class: Class) -> char {
    match class {
        Class::None => ' ',
        Class::Safe => '+',
        Class::Disruptive => '~',
        Class::Destructive => '!',
    }
}

/// The plan as text, without colour.
pub fn render(plan: &Plan) -> String {
    let mut out = String::new();
    render_to(plan, &mut out).expect("writing to a string cannot fail");
    out
}

fn render_to(plan: &Plan, out: &mut String) -> std::fmt::Result {
    for problem in &plan.problems {
        writeln!(out, "error: {}: {}", plain(&problem.place), plain(&problem.message))?;
    }
    for guard in &plan.guards {
        writeln!(out, "held: {}\n  hint: {}", guard.message, guard.hint)?;
    }
    if !plan.problems.is_empty() || !plan.guards.is_empty() {
        writeln!(out)?;
    }
    for entry in &plan.entries {
        render_entry(entry, out)?;
    }
    let s = &plan.summary;
    if !plan.entries.is_empty() {
        writeln!(out)?;
    }
    writeln!(
        out,
        "plan {}: {} servers, {} {}, {} safe, {} disruptive, {} destructive ({} unapproved, {} held)",
        plan.id.short(),
        s.servers,
        s.unchanged,
        unchanged(plan),
        s.safe,
        s.disruptive,
        s.destructive,
        s.unapproved,
        s.held
    )?;
    if s.broken > 0 {
        let servers = if s.broken == 1 { "server" } else { "servers" };
        writeln!(out, "{} {servers} could not be planned; see the errors above", s.broken)?;
    }
    Ok(())
}

/// What the count of unchanged servers means.
pub(super) fn unchanged(plan: &Plan) -> &'static str {
    if plan.source.base.is_some() { "not changed by the branch" } else { "as wanted" }
}

fn render_entry(entry: &Entry, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "{} {}  {} ({})  {}",
        sign(entry.class),
        plain(&entry.server),
        verb(entry.action),
        plain(&entry.machine),
        entry.digest.short()
    )?;
    for change in &entry.changes {
        let when = match change.effect {
            Effect::Reinstalls => " [reinstalls]",
            Effect::NextInstall => " [applies at the next install]",
            Effect::Now => "",
        };
        let place = change.from.as_ref().map(|from| format!("  from {}", plain(from))).unwrap_or_default();
        let what = if change.sensitive {
            "changed".to_owned()
        } else {
            let before = change.before.as_deref().unwrap_or("unknown");
            let after = change.after.as_deref().unwrap_or("none");
            format!("{} -> {}", plain(brief(before)), plain(brief(after)))
        };
        writeln!(out, "    {}: {what}{when}{place}", plain(&change.field))?;
    }
    for loss in &entry.loses {
        writeln!(out, "    loses: {}", plain(loss))?;
    }
    if entry.class == Class::Destructive {
        writeln!(out, "    media: {}", plain(&line(entry.preflight.as_ref())))?;
    }
    for warning in entry.preflight.iter().flat_map(|preflight| &preflight.warnings) {
        writeln!(out, "    warning: {}", plain(warning))?;
    }
    for note in &entry.notes {
        writeln!(out, "    note: {}", plain(note))?;
    }
    if let ApprovalState::Approved { by } = &entry.approval {
        writeln!(out, "    approved by {}", plain(by))?;
    }
    if entry.approval == ApprovalState::BlankOnly {
        writeln!(out, "    goes on only if the machine itself finds the disk blank")?;
    }
    for hold in &entry.holds {
        let hint = hold.hint.as_ref().map(|hint| format!(" ({})", plain(hint))).unwrap_or_default();
        writeln!(out, "    held: {}{hint}", plain(&hold.message))?;
    }
    Ok(())
}
