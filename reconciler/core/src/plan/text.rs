// SPDX-License-Identifier: AGPL-3.0-or-later
//! A plan for people at a terminal.

use std::fmt::Write as _;

use shoal_schema::plan::{Action, ApprovalState, Class, Effect, Entry, Plan};

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
        writeln!(out, "error: {}: {}", problem.place, problem.message)?;
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
        "plan {}: {} servers, {} as wanted, {} safe, {} disruptive, {} destructive ({} unapproved, {} held)",
        plan.id.short(),
        s.servers,
        s.unchanged,
        s.safe,
        s.disruptive,
        s.destructive,
        s.unapproved,
        s.held
    )?;
    if s.broken > 0 {
        writeln!(out, "{} servers could not be planned; see the errors above", s.broken)?;
    }
    Ok(())
}

fn render_entry(entry: &Entry, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "{} {}  {} ({})  {}",
        sign(entry.class),
        entry.server,
        verb(entry.action),
        entry.machine,
        entry.digest.short()
    )?;
    for change in &entry.changes {
        let when = match change.effect {
            Effect::Reinstalls => " [reinstalls]",
            Effect::NextInstall => " [applies at the next install]",
            Effect::Now => "",
        };
        let place = change.from.as_ref().map(|from| format!("  from {from}")).unwrap_or_default();
        let before = change.before.as_deref().unwrap_or("unknown");
        let after = change.after.as_deref().unwrap_or("none");
        writeln!(out, "    {}: {before} -> {after}{when}{place}", change.field)?;
    }
    for loss in &entry.loses {
        writeln!(out, "    loses: {loss}")?;
    }
    for note in &entry.notes {
        writeln!(out, "    note: {note}")?;
    }
    if let ApprovalState::Approved { by } = &entry.approval {
        writeln!(out, "    approved by {by}")?;
    }
    if entry.approval == ApprovalState::BlankOnly {
        writeln!(out, "    goes on only if the machine itself finds the disk blank")?;
    }
    for hold in &entry.holds {
        let hint = hold.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        writeln!(out, "    held: {}{hint}", hold.message)?;
    }
    Ok(())
}
