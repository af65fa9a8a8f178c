// SPDX-License-Identifier: AGPL-3.0-or-later
//! Stories of fleets as text, with what the plan says on the way; see `tests/scenarios/README.md`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use shoal_core::plan::{against_base, exit_code, lint, markdown, text};
use shoal_core::record;
use shoal_schema::kinds::{
    ApprovedAction, DesiredPower, DriftPolicy, FirstInstall, OsRef, PowerDrift, ServerSpec, Suspend,
    Suspension,
};
use shoal_schema::plan::{Plan, Problem};
use shoal_schema::status::{
    ANOTHER_CERTIFICATE, Obstacle, REFUSED_ACCOUNT, Record, RecordState, Unreachable,
};

use crate::support::world::{World, by_path, by_serial};
use crate::support::{at, disk};

/// Set to anything, the outputs are written anew.
const REWRITE: &str = "SHOAL_REWRITE_SCENARIOS";

struct Story {
    world: World,
    base: Option<Plan>,
    commits: u32,
    out: String,
}

impl Story {
    fn tell(input: &str) -> String {
        let world = World::new();
        let mut story = Self { world, base: None, commits: 2, out: String::new() };
        for (line, number) in input.lines().zip(1..) {
            let _ = writeln!(story.out, "{}{line}", if line.starts_with('#') { "" } else { "> " });
            let mut words = line.split_whitespace();
            match words.next() {
                None | Some("#") => {}
                Some(command) => {
                    let rest: Vec<&str> = words.collect();
                    assert!(story.command(command, &rest), "line {number}: no such command: {line}");
                }
            }
        }
        story.out
    }

    fn command(&mut self, command: &str, rest: &[&str]) -> bool {
        match (command, rest) {
            ("server", [name]) => self.world.add(name),
            ("set", [name, pairs @ ..]) => pairs.iter().for_each(|pair| self.set(name, split(pair))),
            ("remove", [name]) => drop(self.world.inventory.servers.remove(name)),
            ("rename", [old, new]) => self.world.rename(old, new),
            ("fleet", pairs) => pairs.iter().for_each(|pair| self.fleet(split(pair))),
            ("secret", [value]) => self.world.secret("hosts/root", value),
            ("problem", [name, message]) => self.problem(name, message),
            ("unreadable", []) => self.world.inventory.unreadable = true,
            ("installed", names) => names.iter().for_each(|name| self.world.install(name)),
            ("record", [name, state]) => self.record(name, state),
            ("bmc", [name, pairs @ ..]) => pairs.iter().for_each(|pair| self.bmc(name, split(pair))),
            ("start", [name]) => {
                let desired = self.world.desired(name);
                let record = self.world.record(name);
                *record = record::job_started(record, &desired);
                self.world.job_active(name, "provisioning");
            }
            ("end", [name, how]) => self.end(name, how),
            ("move", [old, new]) => {
                let mut status = self.world.status(old).clone();
                *self.world.record(old) = record::left_behind(&status.record);
                let there = self.world.observed.servers.get(new).map(|status| status.record.clone());
                status.record = record::renamed(&status.record, there.as_ref());
                (*new).clone_into(&mut status.name);
                *self.world.status(new) = status;
            }
            ("approve", [name]) => self.approve(name, None),
            ("approve", [name, seconds]) => self.approve(name, Some(number(seconds))),
            ("adopt", [name]) => self.world.approve_adoption(name),
            ("approve-removals", []) => {
                let guards = self.world.plan().guards;
                let digest = guards.into_iter().find_map(|guard| guard.digest).expect("a guard to let pass");
                self.world.approve_digest("removals", ApprovedAction::Release, digest, None);
            }
            ("pass", [seconds]) => {
                let later = jiff::SignedDuration::from_secs(number(seconds));
                self.world.now = self.world.now.checked_add(later).expect("a time that fits");
            }
            ("commit", []) => self.commit(),
            ("pause", []) => self.world.observed.paused = true,
            ("plan", []) => self.show(&self.world.plan(), false),
            ("plan", ["markdown"]) => self.show(&self.world.plan(), true),
            ("base", []) => self.base = Some(self.world.plan()),
            ("changes", []) => {
                let base = self.base.as_ref().expect("'base' comes first");
                let changes = against_base(&self.world.plan(), base).expect("a plan");
                self.show(&changes, false);
            }
            _ => return false,
        }
        true
    }

    fn set(&mut self, name: &str, (key, value): (&str, &str)) {
        if let Some(label) = key.strip_prefix("label.") {
            return self.world.label(name, label, value);
        }
        let text = || value.replace('_', " ");
        let change: Box<dyn FnOnce(&mut ServerSpec)> = match key {
            "version" => Box::new(|s| s.os = Some(OsRef { image: "debian".into(), version: value.into() })),
            "disk" => Box::new(|s| s.disk = Some(by_path(value))),
            "disk-serial" => Box::new(|s| s.disk = Some(by_serial(value))),
            "reinstall" => Box::new(|s| s.reinstall = number(value) as u32),
            "protect" => Box::new(|s| s.protect = value == "true"),
            "suspend" => {
                Box::new(|s| s.suspend = Some(Suspend::Because(Suspension { reason: text(), until: None })))
            }
            "serial" => Box::new(|s| s.serial = Some(value.into())),
            "power" => {
                let power = if value == "On" { DesiredPower::On } else { DesiredPower::Off };
                Box::new(move |s| s.power = Some(power))
            }
            "drift" => {
                let power = if value == "correct" { PowerDrift::Correct } else { PowerDrift::Report };
                Box::new(move |s| s.drift = Some(DriftPolicy { power }))
            }
            "motd" => Box::new(|s| {
                s.vars.insert("motd".into(), text());
            }),
            _ => panic!("nothing of a server is called {key}"),
        };
        self.world.edit(name, change);
    }

    fn fleet(&mut self, (key, value): (&str, &str)) {
        self.world.fleet(|fleet| match (key, value) {
            ("first-install", "blankOnly") => fleet.first_install = FirstInstall::BlankOnly,
            ("removed-share", share) => fleet.limits.removed_share_percent = number(share) as u8,
            _ => panic!("nothing of a fleet is called {key}"),
        });
    }

    fn problem(&mut self, name: &str, message: &str) {
        self.world.inventory.servers.remove(name);
        self.world.inventory.problems.push(Problem {
            place: format!("servers/{name}.yaml:7:3"),
            code: "unknown-field".into(),
            message: message.replace('_', " "),
            server: Some(name.to_owned()),
        });
        let kind = "Server";
        self.world.inventory.broken.insert((kind, name.to_owned()));
    }

    fn record(&mut self, name: &str, state: &str) {
        if state == "adopted" {
            let desired = self.world.desired(name);
            let target = desired.install.clone().expect("something to adopt as");
            let record = self.world.record(name);
            *record = record::adopted(record, &desired, &target);
            return;
        }
        let record = self.world.record(name);
        *record = match state {
            "dirty" => Record { state: RecordState::Dirty, ..record.clone() },
            "restored" => record::restored(record, false),
            "released" => record::released(record),
            "unknown" => shoal_core::observed::unknown_record(),
            _ => panic!("no state of a record is called {state}"),
        };
    }

    fn bmc(&mut self, name: &str, (key, value): (&str, &str)) {
        let bmc = self.world.bmc(name);
        match (key, value) {
            ("power", power) => bmc.power = Some(power.into()),
            ("rung", rung) => bmc.rung = Some(rung.into()),
            ("scheme", "none") => bmc.scheme = None,
            ("scheme", scheme) => bmc.scheme = Some(scheme.into()),
            ("boots", "none") => bmc.boots_by = None,
            ("boots", target) => bmc.boots_by = Some(target.into()),
            ("override", foreign) => bmc.foreign_override = Some(foreign.replace('_', " ")),
            ("warning", text) => bmc.warnings.push(text.replace('_', " ")),
            ("obstacle", text) => bmc.obstacles.push(Obstacle {
                code: "an-obstacle".into(),
                message: text.replace('_', " "),
                hint: "do something about it".into(),
            }),
            ("refused", "account") => bmc.unreachable = Some(unreachable(REFUSED_ACCOUNT, "cannot log in")),
            ("refused", "certificate") => {
                bmc.unreachable = Some(unreachable(ANOTHER_CERTIFICATE, "the certificate changed"));
            }
            ("serial", serial) => bmc.serial = Some(serial.into()),
            ("media", "own") => bmc.own_media = true,
            ("media", "foreign") => bmc.foreign_media = vec!["nas.example".into()],
            ("unreachable", why) => {
                bmc.reachable = false;
                bmc.unreachable = Some(unreachable("timeout", why));
            }
            _ => panic!("nothing of a BMC is called {key}"),
        }
    }

    fn end(&mut self, name: &str, how: &str) {
        self.world.job_active(name, "complete");
        let on = disk(&format!("D-{name}"), "/dev/sda");
        let dirty = record::permit_granted(self.world.record(name), &[on]);
        match how {
            "before" => {}
            "after" => *self.world.record(name) = dirty,
            "ok" => {
                let number = dirty.number;
                self.world.install(name);
                self.world.record(name).number = number;
            }
            _ => panic!("no job ends {how}"),
        }
    }

    fn approve(&mut self, name: &str, seconds: Option<i64>) {
        let digest = self.world.entry(name).expect("an entry to approve").digest;
        let expires = seconds.map(|s| {
            self.world.now.checked_add(jiff::SignedDuration::from_secs(s)).expect("a time that fits")
        });
        self.world.approve_digest(name, ApprovedAction::Install, digest, expires);
    }

    fn commit(&mut self) {
        self.world.observed.commit.clone_from(&self.world.commit);
        let names: Vec<String> = self.world.observed.servers.keys().cloned().collect();
        for name in names {
            let server = self.world.inventory.servers.get(&name);
            let protect = server.is_some_and(|server| server.value.spec.protect);
            let record = self.world.record(&name);
            record.protected_before = record.protected;
            record.protected = protect;
        }
        // The plan of the very commit that is in force, as the controller makes it.
        self.show_in_force();
        self.commits += 1;
        self.world.commit = Some(format!("c{}", self.commits));
    }

    fn show_in_force(&mut self) {
        let plan = self.world.plan();
        let held: Vec<&str> =
            plan.entries.iter().filter(|e| !e.holds.is_empty()).map(|e| e.server.as_str()).collect();
        let _ = writeln!(
            self.out,
            "in force: {}; held: {}\n",
            plan.source.commit.as_deref().unwrap_or(""),
            held.join(" ")
        );
    }

    fn show(&mut self, plan: &Plan, as_markdown: bool) {
        let shown =
            if as_markdown { markdown::render(plan, markdown::DEFAULT_LIMIT) } else { text::render(plan) };
        self.out.push_str(&shown);
        let lints: Vec<String> = lint::check(plan).iter().map(ToString::to_string).collect();
        let lints = if lints.is_empty() { String::new() } else { format!("; lint: {}", lints.join(", ")) };
        let _ = writeln!(self.out, "exit code {}{lints}\n", exit_code(plan));
    }
}

fn unreachable(code: &str, message: &str) -> Unreachable {
    Unreachable { since: at(-600), code: code.into(), message: message.into() }
}

fn split(pair: &str) -> (&str, &str) {
    pair.split_once('=').expect("KEY=VALUE")
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn every_story_is_told_as_it_is_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let rewrite = std::env::var_os(REWRITE).is_some();
    let mut drifted = Vec::new();
    let inputs = files(&root.join("input"));
    assert!(!inputs.is_empty());
    for input in &inputs {
        let name = input.file_name().expect("a name");
        let output = root.join("output").join(name);
        let told = Story::tell(&std::fs::read_to_string(input).expect("the story reads"));
        if rewrite {
            std::fs::write(&output, &told).expect("the output is written");
        } else if std::fs::read_to_string(&output).unwrap_or_default() != told {
            let written = std::fs::read_to_string(&output).unwrap_or_default();
            let line = written.lines().zip(told.lines()).take_while(|(a, b)| a == b).count();
            let now = told.lines().nth(line).unwrap_or("the end");
            drifted.push(format!("{}: line {}: {now}", name.display(), line + 1));
        }
    }
    assert!(drifted.is_empty(), "{REWRITE}=1 writes them anew:\n{}", drifted.join("\n"));
    assert_eq!(files(&root.join("output")).len(), inputs.len(), "an output without a story");
}
