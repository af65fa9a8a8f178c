// SPDX-License-Identifier: AGPL-3.0-or-later
//! Everything that changes in a BMC, and nothing else: resources are rendered from it on demand.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::errors::Refusal;
use super::log::RequestLog;
use super::machine::{AttachedMedium, BootMode, BootPlan, BootProgress, MediumKind};
use super::profiles::Profile;
use crate::faults::Injector;

/// The power of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Power {
    /// Off.
    Off,
    /// On its way.
    PoweringOn,
    /// On.
    On,
    /// Going down.
    PoweringOff,
}

impl Power {
    /// `PowerState`; BMCs that show no transitions show the old state until the new one is reached.
    pub(crate) fn shown(self, transitions: bool) -> &'static str {
        match (self, transitions) {
            (Self::Off, _) | (Self::PoweringOn, false) => "Off",
            (Self::PoweringOn, true) => "PoweringOn",
            (Self::On, _) | (Self::PoweringOff, false) => "On",
            (Self::PoweringOff, true) => "PoweringOff",
        }
    }
}

/// `BootSourceOverrideEnabled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Enabled {
    /// No override.
    Disabled,
    /// For one boot.
    Once,
    /// Until changed.
    Continuous,
}

impl Enabled {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::Once => "Once",
            Self::Continuous => "Continuous",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        [Self::Disabled, Self::Once, Self::Continuous].into_iter().find(|enabled| enabled.name() == name)
    }
}

/// The boot override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Override {
    pub(crate) enabled: Enabled,
    pub(crate) target: &'static str,
    pub(crate) mode: BootMode,
    pub(crate) http_uri: Option<String>,
    pub(crate) uefi_target: Option<String>,
}

/// An image in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Medium {
    pub(crate) url: String,
    pub(crate) kind: MediumKind,
    pub(crate) write_protected: bool,
    pub(crate) inserted_at: Timestamp,
    pub(crate) insertion: u64,
}

/// A slot.
#[derive(Debug, Default)]
pub(crate) struct SlotState {
    pub(crate) medium: Option<Medium>,
    /// An ejected image that is still reported, and until when on the BMC's clock.
    pub(crate) stale: Option<(Duration, Medium)>,
    /// The address of the image that was inserted last.
    pub(crate) last_url: Option<String>,
    /// An insertion is under way.
    pub(crate) inserting: bool,
    /// Boot this at the next reset (`BootOnNextServerReset`).
    pub(crate) boot_next: bool,
    /// Eject at the next boot: it was booted by `boot_next`.
    pub(crate) eject_at_boot: bool,
    /// Range requests made for the machine since the insertion.
    pub(crate) reads: u64,
    /// Bytes read for the machine since the insertion.
    pub(crate) bytes: u64,
}

impl SlotState {
    /// What the BMC claims to be in the slot.
    pub(crate) fn shown(&self, elapsed: Duration) -> Option<&Medium> {
        let stale = || self.stale.as_ref().filter(|(until, _)| elapsed < *until).map(|(_, medium)| medium);
        self.medium.as_ref().or_else(stale)
    }
}

/// An insertion or ejection under way, or over.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) started: Timestamp,
    /// When it ended, the same on the BMC's clock, and how.
    pub(crate) outcome: Option<(Timestamp, Duration, Result<(), Refusal>)>,
}

/// The address of an image in two parts, host and path, that is taken over a moment after it was written.
#[derive(Debug, Default)]
pub(crate) struct Configured {
    in_force: (String, String),
    next: Option<(Duration, (String, String))>,
}

impl Configured {
    /// What is in force now, on the BMC's clock.
    pub(crate) fn at(&self, elapsed: Duration) -> &(String, String) {
        self.next.as_ref().filter(|(from, _)| *from <= elapsed).map_or(&self.in_force, |(_, next)| next)
    }

    /// Changes it, from then on.
    pub(crate) fn change(&mut self, elapsed: Duration, from: Duration, host: String, path: String) {
        self.in_force = self.at(elapsed).clone();
        self.next = Some((from, (host, path)));
    }
}

/// Images on a list that is mounted as a whole.
#[derive(Debug, Default)]
pub(crate) struct ImageList {
    pub(crate) images: Vec<ListedImage>,
    pub(crate) made: u64,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct ListedImage {
    pub(crate) id: u64,
    pub(crate) path: String,
    pub(crate) protocol: String,
    pub(crate) is_mounted: bool,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) last_used: Duration,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Requests answered or dropped.
    pub requests: u64,
    /// Of these, looks at resources: `GET` and `HEAD`.
    pub reads: u64,
    /// Of these, those that were told that nothing changed.
    pub unchanged: u64,
    /// Times the machine got power.
    pub power_ons: u64,
    /// Times the machine lost power.
    pub power_offs: u64,
    /// Resets without loss of power.
    pub resets: u64,
    /// Times firmware handed over to a boot device.
    pub boots: u64,
    /// Images inserted.
    pub inserts: u64,
    /// Insertions that failed.
    pub inserts_failed: u64,
    /// Images ejected.
    pub ejects: u64,
    /// Sessions opened.
    pub sessions: u64,
    /// Sessions that their client closed.
    pub sessions_closed: u64,
    /// Credentials refused.
    pub logins_refused: u64,
    /// Requests of this BMC to image servers, those at insertion included.
    pub media_requests: u64,
}

impl Counters {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            reads: self.reads + other.reads,
            unchanged: self.unchanged + other.unchanged,
            power_ons: self.power_ons + other.power_ons,
            power_offs: self.power_offs + other.power_offs,
            resets: self.resets + other.resets,
            boots: self.boots + other.boots,
            inserts: self.inserts + other.inserts,
            inserts_failed: self.inserts_failed + other.inserts_failed,
            ejects: self.ejects + other.ejects,
            sessions: self.sessions + other.sessions,
            sessions_closed: self.sessions_closed + other.sessions_closed,
            logins_refused: self.logins_refused + other.logins_refused,
            media_requests: self.media_requests + other.media_requests,
        }
    }
}

pub(crate) struct State {
    pub(crate) power: Power,
    /// Grows with every change of power or reset: a timer set before is then void.
    pub(crate) generation: u64,
    pub(crate) in_post: bool,
    pub(crate) progress: BootProgress,
    /// The boot that runs; 0 when nothing does.
    pub(crate) running_boot: u64,
    pub(crate) boot_override: Override,
    /// The virtual CD at the next boot, as an import of configuration said.
    pub(crate) virtual_cd_once: bool,
    /// The address that is mounted next, where images are mounted by configuration.
    pub(crate) configured: Configured,
    /// What is mounted next, where images are mounted by a list.
    pub(crate) listed: ImageList,
    pub(crate) slots: Vec<SlotState>,
    pub(crate) insertions: u64,
    pub(crate) sessions: Vec<Session>,
    pub(crate) sessions_made: u64,
    pub(crate) failed_logins: u32,
    pub(crate) locked_until: Option<Duration>,
    pub(crate) away_until: Option<Duration>,
    /// When the machine went off, on the BMC's clock.
    pub(crate) off_since: Option<Duration>,
    /// The next boot finds no medium.
    pub(crate) next_boot_fails: bool,
    pub(crate) tasks: VecDeque<Task>,
    pub(crate) tasks_made: u64,
    pub(crate) counters: Counters,
    pub(crate) last_boot: Option<BootPlan>,
    pub(crate) log: RequestLog,
    pub(crate) injector: Injector,
}

impl State {
    pub(crate) fn new(profile: &Profile, powered_on: bool, log_capacity: usize, injector: Injector) -> Self {
        Self {
            power: if powered_on { Power::On } else { Power::Off },
            generation: 0,
            in_post: false,
            progress: if powered_on { BootProgress::OSRunning } else { BootProgress::None },
            running_boot: 0,
            boot_override: Override {
                enabled: Enabled::Disabled,
                target: profile.boot.idle_target,
                mode: BootMode::Uefi,
                http_uri: None,
                uefi_target: None,
            },
            virtual_cd_once: false,
            configured: Configured::default(),
            listed: ImageList::default(),
            slots: profile.slots.iter().map(|_| SlotState::default()).collect(),
            insertions: 0,
            sessions: Vec::new(),
            sessions_made: 0,
            failed_logins: 0,
            locked_until: None,
            away_until: None,
            off_since: None,
            next_boot_fails: false,
            tasks: VecDeque::new(),
            tasks_made: 0,
            counters: Counters::default(),
            last_boot: None,
            log: RequestLog::new(log_capacity),
            injector,
        }
    }

    /// What the machine sees attached.
    pub(crate) fn attached(&self, profile: &Profile) -> Vec<AttachedMedium> {
        let attached = |(slot, state): (usize, &SlotState)| {
            state.medium.as_ref().map(|medium| AttachedMedium {
                slot,
                id: profile.slots[slot].id.to_owned(),
                kind: medium.kind,
                url: medium.url.clone(),
                inserted_at: medium.inserted_at,
                insertion: medium.insertion,
            })
        };
        self.slots.iter().enumerate().filter_map(attached).collect()
    }
}

/// A BMC as seen from outside Redfish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Index in the farm.
    pub index: usize,
    /// Profile name.
    pub profile: String,
    /// The machine's serial.
    pub serial: String,
    /// Base URL.
    pub url: String,
    /// Power.
    pub power: Power,
    /// Whether the machine is in POST.
    pub in_post: bool,
    /// Boot progress.
    pub progress: BootProgress,
    /// Boot override.
    pub boot_override: OverrideSnapshot,
    /// Slots, in the profile's order.
    pub slots: Vec<SlotSnapshot>,
    /// Sessions that are open.
    pub open_sessions: usize,
    /// The last boot.
    pub last_boot: Option<BootPlan>,
    /// Counters.
    pub counters: Counters,
}

/// A boot override as seen from outside Redfish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideSnapshot {
    /// Enabled.
    pub enabled: Enabled,
    /// Target.
    pub target: String,
    /// Mode.
    pub mode: BootMode,
    /// `HttpBootUri`.
    pub http_boot_uri: Option<String>,
}

/// A slot as seen from outside Redfish: what is really in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotSnapshot {
    /// Redfish path.
    pub path: String,
    /// Image URL, when there is one.
    pub image: Option<String>,
    /// How the machine sees it.
    pub kind: Option<MediumKind>,
    /// Range requests made for the machine since the insertion.
    pub reads: u64,
    /// Bytes read for the machine since the insertion.
    pub bytes: u64,
}
