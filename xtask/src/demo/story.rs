// SPDX-License-Identifier: AGPL-3.0-or-later
//! The story, act by act: installs, a crash in the middle of them, a version bump that waits for people.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, bail};
use shoal_schema::api::ServerView;
use shoal_schema::plan::Plan;
use shoal_schema::status::ConditionType;
use shoal_testbed::bmc::{BootProgress, Snapshot};
use tokio::time::Instant;

use super::Pace;
use super::cast::{self, BUMP_TO, BUMPED, FAILS, Player};
use super::evidence::{Bump, Crash, Evidence, InFlight, Planned};
use super::machines::Machines;
use super::screen::Screen;
use super::secrets::Planted;
use super::watch::{self, condition, is_active};
use super::{collect, collect_git, repository};
use shoal_testbed_site::Peer;
use shoal_testbed_site::Place;
use shoal_testbed_site::Programs;
use shoal_testbed_site::{Addresses, Controller};

/// All first installs, the one that fails included.
const INSTALLS: Duration = Duration::from_secs(150);
/// Installs come into their middle.
const MIDDLE: Duration = Duration::from_secs(60);
/// Whatever needs no machine.
const SHORT: Duration = Duration::from_secs(30);
/// For so long it is watched that nothing happens without an approval.
const HELD_FOR: Duration = Duration::from_millis(1500);
/// The controller's pauses and budgets are divided by this: a boot may take 36 seconds, not 15 minutes.
const TIME_DIVISOR: u32 = 25;
/// Every BMC is looked at so often.
const SWEEP: &str = "2s";
/// For readers.
const READ: Duration = Duration::from_millis(1500);

/// Who is in the story.
pub(super) struct Stage<'a> {
    pub(super) screen: &'a Screen,
    pub(super) place: &'a Place,
    pub(super) pace: Pace,
    pub(super) programs: Programs,
    pub(super) players: Vec<Player>,
    pub(super) machines: Machines,
    pub(super) control: Peer,
    pub(super) controller: Peer,
    /// Everything that commands printed, to be searched for secrets.
    pub(super) printed: String,
    /// Media of machines that were at work, for the same reason.
    pub(super) media: Vec<u8>,
}

/// Tells the story and brings the evidence home.
pub(crate) async fn tell(screen: &Screen, place: &Place, pace: Pace) -> anyhow::Result<Evidence> {
    screen.act("Eight servers, three kinds of BMC, one Git repository");
    let programs = Programs::find(place)?;
    let planted = Planted::draw()?;
    let players = cast::read(&shoal_testbed_site::example_inventory())?;
    place.write_maintenance_stand_in()?;
    let machines = Machines::start(place, &players, &planted).await?;
    repository::make(&programs, place, &players, &machines.reached(), &planted)?;
    for player in &players {
        screen.say(&format!("{:<10} {}", player.name(), player.profile.name));
    }
    let mut stage = Stage {
        control: Peer::Address(machines.control),
        controller: Peer::Socket(place.socket()),
        screen,
        place,
        pace,
        programs,
        players,
        machines,
        printed: String::new(),
        media: Vec::new(),
    };
    let (controller, crash) = stage.installs().await?;
    let bump = stage.bump().await?;
    stage.close(controller, crash, bump, &planted).await
}

impl Stage<'_> {
    /// The first push, and a crash in the middle of what follows from it.
    async fn installs(&mut self) -> anyhow::Result<(Controller, Crash)> {
        self.screen.act("A push: blank machines are installed, three of a rack at once");
        self.git(&["push", "--quiet", "origin", "main"])?;
        let (controller, addresses) =
            Controller::start(&self.programs, self.place, &Addresses::any(), &settings()).await?;
        let middle =
            watch::until(self.screen, &self.controller, "the middle of the installs", MIDDLE, is_middle);
        let in_flight: Vec<InFlight> = middle.await?.iter().filter_map(in_flight).collect();
        let signal = controller.kill()?;
        self.screen.settle();
        self.screen.act("kill -9 of the controller, in the middle; and a new one");
        let (controller, _) = Controller::start(&self.programs, self.place, &addresses, &settings()).await?;
        self.media = self.media_that_are_in().await?;
        let all = |servers: &[ServerView]| {
            servers.len() == self.players.len() && servers.iter().all(|server| self.is_settled(server, None))
        };
        watch::until(self.screen, &self.controller, "every first install", INSTALLS, all).await?;
        self.machines_run().await?;
        self.screen.settle();
        let said = self.shoal(&["explain", FAILS])?;
        self.screen.command(&format!("shoal explain {FAILS}"), &said);
        self.pause().await;
        Ok((controller, Crash { signal, in_flight, stopped: None }))
    }

    /// Another version for two servers: planned, held, approved, carried out.
    async fn bump(&mut self) -> anyhow::Result<Bump> {
        self.screen.act(&format!("A version bump: {} to debian {BUMP_TO}", BUMPED.join(" and ")));
        let before = self.last_records().await?;
        let began = Instant::now();
        repository::bump(&self.programs, self.place, &self.players)?;
        self.git(&["push", "--quiet", "origin", "main"])?;
        self.reconcile()?;
        let held = |servers: &[ServerView]| {
            let held = |server: &&ServerView| {
                is_bumped(server) && condition(server, ConditionType::Reconciling) == Some("ApprovalNeeded")
            };
            servers.iter().filter(held).count() == BUMPED.len()
        };
        watch::until(self.screen, &self.controller, "the hold", SHORT, held).await?;
        let held_as = self.published_as("ApprovalNeeded").await?;
        self.screen.settle();
        self.git(&["fetch", "--quiet", "origin"])?;
        let file = self.place.root().join("plan.json");
        let said =
            self.programs.shoal(&self.place.checkout(), &["plan", "--out", &file.display().to_string()])?;
        self.screen.command("shoal plan", &said.out);
        self.printed.push_str(&said.out);
        self.printed.push_str(&said.err);
        let planned = planned(&fs::read_to_string(&file).context("read the plan")?)?;
        tokio::time::sleep_until(began + HELD_FOR).await;
        self.pause().await;
        let happened_while_held = self.happened_since(&before).await?;
        let held_ms = began.elapsed().as_millis() as u64;
        self.approve()?;
        let all =
            |servers: &[ServerView]| servers.iter().all(|server| self.is_settled(server, Some(BUMP_TO)));
        watch::until(self.screen, &self.controller, "the version bump", INSTALLS, all).await?;
        self.machines_run().await?;
        self.screen.settle();
        Ok(Bump { plan_exit: said.code, planned, held_as, happened_while_held, held_ms })
    }

    fn approve(&mut self) -> anyhow::Result<()> {
        self.screen.act("Agreed, in Git");
        let mut args = vec!["approve"];
        args.extend(BUMPED);
        let reason = format!("move to debian {BUMP_TO}, CHG-4711");
        args.extend(["--reason", reason.as_str()]);
        let said = self.shoal(&args)?;
        self.screen.command(&format!("shoal {}", args.join(" ")), &said);
        self.git(&["push", "--quiet", "origin", "main"])?;
        self.reconcile()
    }

    /// The bytes of every medium that a BMC was given and that is still served. Nothing is read before
    /// its machine did: the controller takes the first read for proof of a boot.
    async fn media_that_are_in(&self) -> anyhow::Result<Vec<u8>> {
        let states: Vec<Snapshot> = self.control.json("/control/bmcs").await?;
        let read = states.iter().filter(|state| state.slots.iter().any(|slot| slot.reads > 0));
        let mut bytes = Vec::new();
        for image in read.flat_map(|state| &state.slots).filter_map(|slot| slot.image.as_deref()) {
            let Some((address, path)) = image.strip_prefix("http://").and_then(|rest| rest.split_once('/'))
            else {
                continue;
            };
            let address = address.parse().with_context(|| format!("understand the address of {image}"))?;
            let (status, body) = Peer::Address(address).get(&format!("/{path}")).await?;
            // One that was taken out in the meantime is gone.
            if status == 200 {
                bytes.extend_from_slice(&body);
            }
        }
        Ok(bytes)
    }

    /// Waits until each machine that should runs its own system; the controller learns it by looking.
    async fn machines_run(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + SHORT;
        loop {
            let states: Vec<Snapshot> = self.control.json("/control/bmcs").await?;
            let late =
                self.players.iter().zip(&states).find(|(player, state)| {
                    player.name() != FAILS && state.progress != BootProgress::OSRunning
                });
            let Some((player, state)) = late else { return Ok(()) };
            if Instant::now() >= deadline {
                bail!("{} does not start: {:?} {:?}", player.name(), state.power, state.progress);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the status branch says so of all bumped servers, and answers with what it says.
    async fn published_as(&self, reason: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let deadline = Instant::now() + SHORT;
        loop {
            let servers = collect_git::servers(&self.programs, self.place)?;
            let said: BTreeMap<String, String> = BUMPED
                .iter()
                .filter_map(|name| {
                    let reason = servers.get(*name)?.conditions.get("Reconciling")?;
                    Some(((*name).to_owned(), reason.clone()))
                })
                .collect();
            let all = BUMPED.iter().all(|name| said.get(*name).is_some_and(|said| said == reason));
            if all || Instant::now() >= deadline {
                return Ok(said);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The number of each machine's last record.
    async fn last_records(&self) -> anyhow::Result<Vec<u64>> {
        let mut last = Vec::new();
        for index in 0..self.players.len() {
            let log = collect::log(&self.control, index, 0).await?;
            last.push(log.last().map_or(0, |record| record.seq));
        }
        Ok(last)
    }

    /// What happened to any machine since.
    async fn happened_since(&self, before: &[u64]) -> anyhow::Result<Vec<String>> {
        let mut happened = Vec::new();
        for (index, (player, after)) in self.players.iter().zip(before).enumerate() {
            for record in collect::log(&self.control, index, *after).await? {
                happened.extend(collect::happened(&record).map(|what| format!("{}: {what}", player.name())));
            }
        }
        Ok(happened)
    }

    /// Installed, with this version where it was bumped, and seen to start where its BMC tells; or failed
    /// for good.
    fn is_settled(&self, server: &ServerView, bumped_to: Option<&str>) -> bool {
        let name = server.status.name.as_str();
        if is_active(server) {
            return false;
        }
        if name == FAILS {
            return condition(server, ConditionType::Stalled).is_some();
        }
        let Some(installed) = &server.status.record.installed else { return false };
        let silent = !self.players.iter().any(|player| player.name() == name && player.tells_progress);
        let wanted = bumped_to.filter(|_| is_bumped(server));
        (silent || installed.boot_observed)
            && condition(server, ConditionType::Ready).is_some()
            && wanted.is_none_or(|version| installed.version == version)
    }

    fn git(&self, args: &[&str]) -> anyhow::Result<()> {
        self.programs.git(&self.place.checkout(), args).map(drop)
    }

    /// Tells the controller to look at Git now, as a hook of the repository would.
    fn reconcile(&mut self) -> anyhow::Result<()> {
        self.shoal(&["reconcile"]).map(drop)
    }

    pub(super) fn shoal(&mut self, args: &[&str]) -> anyhow::Result<String> {
        let said = self.programs.shoal(&self.place.checkout(), args)?;
        self.printed.push_str(&said.err);
        let out = said.expect_success(&format!("shoal {}", args.join(" ")))?;
        self.printed.push_str(&out);
        Ok(out)
    }

    async fn pause(&self) {
        if self.pace == Pace::Readable {
            tokio::time::sleep(READ).await;
        }
    }
}

/// The controller in a hurry.
fn settings() -> [String; 2] {
    [format!("--time-divisor={TIME_DIVISOR}"), format!("--sweep-interval={SWEEP}")]
}

fn is_bumped(server: &ServerView) -> bool {
    BUMPED.contains(&server.status.name.as_str())
}

/// The middle: several machines write, and none reads a medium now, so that what follows is what the
/// controller makes of it and not what an unread medium makes of the machine.
fn is_middle(servers: &[ServerView]) -> bool {
    let phases: Vec<&str> = servers
        .iter()
        .filter(|server| is_active(server))
        .filter_map(|server| server.job.as_ref().map(|job| job.phase.as_str()))
        .collect();
    let reading = |phase: &&&str| matches!(**phase, "powering on" | "booting the maintenance OS");
    let installing = phases.iter().filter(|phase| **phase == "installing").count();
    installing >= 2 && !phases.iter().any(|phase| reading(&phase))
}

/// A job that is neither waiting nor over.
fn in_flight(server: &ServerView) -> Option<InFlight> {
    let job = server.job.as_ref().filter(|job| job.status == "provisioning")?;
    Some(InFlight {
        job: job.job_id.to_string(),
        server: server.status.name.clone(),
        attempt: job.attempt,
        phase: job.phase.clone(),
    })
}

/// The plan's entries of the bumped servers.
fn planned(text: &str) -> anyhow::Result<BTreeMap<String, Planned>> {
    let plan: Plan = serde_json::from_str(text).context("understand the plan")?;
    let entries = plan.entries.iter().filter(|entry| BUMPED.contains(&entry.server.as_str()));
    let planned = entries.map(|entry| {
        let approval = serde_json::to_value(&entry.approval).context("write an approval as JSON")?;
        let planned = Planned {
            digest: entry.digest.to_string(),
            approval: approval["state"].as_str().unwrap_or_default().to_owned(),
            action: collect_git::word(&entry.action),
        };
        Ok((entry.server.clone(), planned))
    });
    planned.collect()
}
