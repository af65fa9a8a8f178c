// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal explain`: everything about one server, from the controller or from a clone.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;
use shoal_core::desired::{Desired, fleet_spec, resolve};
use shoal_core::plan::text::verb;
use shoal_core::plan::way_of_media;
use shoal_schema::api::ServerView;
use shoal_schema::kinds::DesiredPower;
use shoal_schema::plan::{ApprovalState, Class, Effect, Entry};
use shoal_schema::status::ServerStatus;

use super::status::{installed, state};
use crate::client::{ConnectArgs, segment};
use crate::error::{CliError, Outcome};
use crate::host::Context;
use crate::output::{Table, ago, clean};
use crate::repo::{Fleet, Repository, StatusArgs, StatusFrom};

/// Say what Git wants of a server, what is known, what comes next, and why not yet
///
/// Asks the controller. With --repo it is put together from a clone, which knows where every value
/// stands in Git, but not what a job is doing this moment.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal explain web-01
  shoal explain web-01 --repo .")]
pub(crate) struct Args {
    /// The server
    #[arg(value_name = "SERVER")]
    server: String,
    /// Read a clone of the inventory's repository instead of asking the controller
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "socket"])]
    repo: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    status: StatusArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// What a clone says, for `--json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FromClone<'a> {
    server: &'a str,
    wanted: Vec<Wanted>,
    status: Option<&'a ServerStatus>,
    entry: Option<&'a Entry>,
}

/// One wanted value and where it stands.
#[derive(Serialize)]
struct Wanted {
    field: &'static str,
    value: String,
    from: String,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        match &self.repo {
            Some(dir) => self.read_clone(context, dir),
            None if matches!(self.status.choice(), StatusFrom::Branch) => self.ask_controller(context),
            None => Err(CliError::user("explain.status", "the controller knows its own status")
                .hint("--status-dir and --without-status go with --repo")),
        }
    }

    fn ask_controller(&self, context: &Context) -> Outcome {
        let client = self.connect.client(context)?;
        let path = format!("/api/v1/servers/{}", segment(&self.server));
        let view: ServerView = client.get(context, &path)?;
        if self.json {
            context.json(&view)?;
            return Ok(0);
        }
        let (word, what) = state(&view);
        let what = if what.is_empty() { String::new() } else { format!(": {what}") };
        let mut out = format!("{} is {word}{what}\n", view.status.name);
        let place = if view.in_git { view.file.as_str() } else { "no longer in Git" };
        let _ = writeln!(out, "\nin Git\n  {place}");
        out.push_str(&known(&view.status, context.now()));
        out.push_str(&planned(view.entry.as_deref()));
        if let Some(waits) = &view.waits {
            let _ = writeln!(out, "  waits: {waits}");
        }
        if let Some(job) = &view.job {
            let _ = write!(out, "\njob\n{}", indented(&super::jobs::text(job, context.now())));
        } else if let Some(error) = &view.status.last_error {
            let _ = writeln!(
                out,
                "\nlast error\n  {}: {}\n\nhint: {}",
                error.step.key(),
                error.message,
                error.hint
            );
        }
        context.data(&clean(&out))?;
        Ok(0)
    }

    fn read_clone(&self, context: &Context, dir: &std::path::Path) -> Outcome {
        let repository = Repository::local(dir)?;
        let commit = repository.commit(None)?;
        let fleet = Fleet::read(context, &repository, commit, &self.status.choice())?;
        let plan = fleet.plan(context)?;
        let name = &self.server;
        let entry = plan.entries.iter().map(AsRef::as_ref).find(|entry: &&Entry| entry.server == *name);
        let status = fleet.observed.servers.get(name).map(AsRef::as_ref);
        let there = fleet.inventory.servers.contains_key(name);
        if !there && status.is_none() {
            let failed = CliError::user(
                "server.unknown",
                format!("there is no server {name}, neither in Git nor in the status"),
            );
            return Err(match plan.problems.iter().find(|p| p.server.as_deref() == Some(name.as_str())) {
                Some(problem) => failed.detail(format!("{}: {}", problem.place, problem.message)),
                None => failed,
            });
        }
        let desired = if there {
            Some(resolve(&fleet.inventory, &fleet_spec(&fleet.inventory), name).map_err(|error| {
                CliError::user("server.unresolved", error.to_string()).exit(crate::error::exit::INVALID)
            })?)
        } else {
            None
        };
        let wanted = desired.as_ref().map(|desired| wanted(&fleet, desired)).unwrap_or_default();
        if self.json {
            context.json(&FromClone { server: name, wanted, status, entry })?;
            return Ok(0);
        }
        let mut out = format!("{name}\n\nin Git\n");
        if wanted.is_empty() {
            out.push_str("  no longer there\n");
        } else {
            let mut table = Table::new(&[]);
            for value in &wanted {
                table.row([value.field, &value.value, &value.from]);
            }
            out.push_str(&indented(&table.render()));
        }
        match status {
            Some(status) => out.push_str(&known(status, context.now())),
            None => out.push_str("\nknown\n  nothing: no controller has met this machine\n"),
        }
        out.push_str(&planned(entry));
        context.data(&clean(&out))?;
        Ok(0)
    }
}

/// What Git wants, and where each value stands: in the server's file, or among the fleet's defaults.
fn wanted(fleet: &Fleet, desired: &Desired) -> Vec<Wanted> {
    let Some(server) = fleet.inventory.servers.get(&desired.name) else { return Vec::new() };
    let spec = &server.value.spec;
    let from = |own: bool, pointer: &str, default: &str| match (own, &fleet.inventory.fleet) {
        (true, _) => server.place(pointer),
        (false, Some(fleet)) if !default.is_empty() => fleet.place(default),
        (false, _) => "not set".to_owned(),
    };
    let mut all = Vec::new();
    let mut add = |field, value: String, from: String| all.push(Wanted { field, value, from });
    let identity = if spec.serial.is_some() { "/spec/serial" } else { "/spec/uuid" };
    add("machine", desired.machine.clone(), server.place(identity));
    add("bmc", desired.bmc.address.clone(), server.place("/spec/bmc/address"));
    if let Some(secret) = &desired.bmc.credentials {
        let own = spec.bmc.credentials.is_some();
        let from = from(own, "/spec/bmc/credentials", "/spec/defaults/bmc/credentials");
        add("credentials", secret.clone(), from);
    }
    let power = match desired.power {
        DesiredPower::On => "On",
        DesiredPower::Off => "Off",
        DesiredPower::Unmanaged => "Unmanaged",
    };
    let default = fleet.inventory.fleet.as_ref().and_then(|fleet| fleet.value.spec.defaults.power);
    let default = if default.is_some() { "/spec/defaults/power" } else { "" };
    add("power", power.to_owned(), from(spec.power.is_some(), "/spec/power", default));
    match &desired.install {
        None => add("os", "watched only, nothing is installed".to_owned(), "not set".to_owned()),
        Some(install) => {
            let os = format!("{} {}", install.image, install.version);
            add("os", os, install.places.version.clone());
            let digest = install.image_digest.get(..19).unwrap_or(&install.image_digest);
            add("image digest", digest.to_owned(), install.places.image.clone());
            let recipe = from(spec.recipe.is_some(), "/spec/recipe", "/spec/defaults/recipe");
            add("recipe", install.recipe.clone(), recipe);
            add("disk", install.disk.to_string(), install.places.disk.clone());
            add("layout", install.layout_digest.short(), install.places.layout.clone());
            let reinstall = from(spec.reinstall > 0, "/spec/reinstall", "");
            add("reinstall", install.reinstall.to_string(), reinstall);
        }
    }
    if desired.protect {
        add("protect", "true".to_owned(), server.place("/spec/protect"));
    }
    if let Some(suspended) = &desired.suspended {
        add("suspend", suspended.reason.clone(), server.place("/spec/suspend"));
    }
    all
}

fn known(status: &ServerStatus, now: jiff::Timestamp) -> String {
    let mut out = format!("\nknown\n  installed: {}, record {}\n", installed(status), status.record.number);
    if let Some(on) = status.record.installed.as_ref().and_then(|installed| installed.on.as_ref()) {
        let _ = writeln!(out, "  disk: {}", on.describe());
    }
    match &status.bmc {
        None => out.push_str("  bmc: never seen\n"),
        Some(bmc) => {
            let model =
                [&bmc.vendor, &bmc.model].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
            let power = bmc.power.as_deref().unwrap_or("unknown");
            let rung = bmc.rung.as_deref().unwrap_or("unknown");
            let _ = writeln!(out, "  bmc: {model}, power {power}, media {rung}");
            if let Some(unreachable) = &bmc.unreachable {
                let since = ago(unreachable.since, now);
                let _ = writeln!(out, "  bmc does not answer, since {since}: {}", unreachable.message);
            }
        }
    }
    for condition in status.conditions.iter().filter(|condition| condition.status) {
        let since = ago(condition.since, now);
        let _ = writeln!(
            out,
            "  {:?} ({}), since {since}: {}",
            condition.kind, condition.reason, condition.message
        );
    }
    for drift in &status.drift {
        let _ = writeln!(out, "  drift: {drift}");
    }
    if let Some(next) = status.next_try {
        let _ = writeln!(out, "  next try: {next} ({})", ago(next, now));
    }
    out
}

fn planned(entry: Option<&Entry>) -> String {
    let Some(entry) = entry else { return "\nplan\n  nothing to do: as wanted\n".to_owned() };
    let mut out =
        format!("\nplan\n  {} ({:?}), entry {}\n", verb(entry.action), entry.reason, entry.digest.short());
    for change in &entry.changes {
        let when = match change.effect {
            Effect::Reinstalls => " [reinstalls]",
            Effect::NextInstall => " [applies at the next install]",
            Effect::Now => "",
        };
        let before = change.before.as_deref().unwrap_or("unknown");
        let after = change.after.as_deref().unwrap_or("none");
        let from = change.from.as_ref().map(|from| format!("  from {from}")).unwrap_or_default();
        let _ = writeln!(out, "  {}: {before} -> {after}{when}{from}", change.field);
    }
    for loss in &entry.loses {
        let _ = writeln!(out, "  loses: {loss}");
    }
    if entry.class == Class::Destructive {
        let _ = writeln!(out, "  media: {}", way_of_media(entry.preflight.as_ref()));
    }
    for warning in entry.preflight.iter().flat_map(|preflight| &preflight.warnings) {
        let _ = writeln!(out, "  warning: {warning}");
    }
    for note in &entry.notes {
        let _ = writeln!(out, "  note: {note}");
    }
    if let ApprovalState::Approved { by } = &entry.approval {
        let _ = writeln!(out, "  approved by {by}");
    }
    for hold in &entry.holds {
        let hint = hold.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let _ = writeln!(out, "  held: {}{hint}", hold.message);
    }
    out
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}
