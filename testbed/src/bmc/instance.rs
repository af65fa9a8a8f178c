// SPDX-License-Identifier: AGPL-3.0-or-later
//! One BMC: what it is made of, and the few operations that everything else builds on.
//!
//! The state lies behind one mutex that is never held across an await. Whatever the machine must be told is collected
//! as [`Notice`]s under the lock and delivered after it, in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::Clock;
use super::config::BmcConfig;
use super::log::{Event, LogFile, Record, What};
use super::machine::{AfterShutdown, AttachedMedium, BootPlan, Host, StopCause};
use super::routes::Resource;
use super::state::{OverrideSnapshot, SlotSnapshot, Snapshot, State};
use super::witness::Witness;
use crate::tls::hex;

/// What all BMCs of a farm share.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) time_scale: f64,
    pub(crate) seed: u64,
    pub(crate) client: reqwest::Client,
    pub(crate) log_file: Option<LogFile>,
    pub(crate) cancel: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Who is shown every request that changes something.
    pub(crate) witness: OnceLock<Arc<dyn Witness>>,
}

/// One BMC.
pub(crate) struct Bmc {
    pub(crate) index: usize,
    pub(crate) config: BmcConfig,
    pub(crate) shared: Arc<Shared>,
    pub(crate) url: OnceLock<String>,
    state: Mutex<State>,
    outbox: Mutex<Outbox>,
}

/// Something that the machine must be told.
#[derive(Debug)]
pub(crate) enum Notice {
    Boot(BootPlan),
    Stop(StopCause),
    ShutdownRequested { boot: u64, then: AfterShutdown },
    MediaChanged(Vec<AttachedMedium>),
}

/// Notices on their way. Whoever finds nobody delivering delivers until the queue is empty: order without a lock held
/// over the machine's code.
#[derive(Default)]
struct Outbox {
    queue: VecDeque<Notice>,
    delivering: bool,
}

/// The locked state, with what it causes.
pub(crate) struct Locked<'a> {
    pub(crate) state: MutexGuard<'a, State>,
    bmc: &'a Bmc,
}

impl Bmc {
    pub(crate) fn new(index: usize, config: BmcConfig, shared: Arc<Shared>, state: State) -> Self {
        Self {
            index,
            config,
            shared,
            url: OnceLock::new(),
            state: Mutex::new(state),
            outbox: Mutex::default(),
        }
    }

    /// The state. Never hold the result across an await.
    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked { state: self.state.lock().unwrap_or_else(PoisonError::into_inner), bmc: self }
    }

    /// A time of the profile, as long as it takes here.
    pub(crate) fn scaled(&self, duration: Duration) -> Duration {
        duration.mul_f64(self.shared.time_scale)
    }

    /// Bytes that nobody can guess without the seed, different for every `counter`.
    pub(crate) fn random_hex(&self, purpose: &str, counter: u64, length: usize) -> String {
        let mut hash = Sha256::new();
        hash.update(self.shared.seed.to_be_bytes());
        hash.update((self.index as u64).to_be_bytes());
        hash.update(counter.to_be_bytes());
        hash.update(purpose.as_bytes());
        let mut digits = hex(&hash.finalize());
        digits.truncate(length);
        digits
    }

    /// Runs `work` on this BMC's behalf until it is done or the farm is shut down.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.shared.cancel.clone();
        self.shared.tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Queues what the machine must be told. Call with the lock still held, so that the order is that of the events.
    pub(crate) fn tell(&self, notice: Notice) {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner).queue.push_back(notice);
    }

    /// Tells the machine what is queued. Call without the lock.
    pub(crate) fn deliver(self: &Arc<Self>) {
        let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        if outbox.delivering {
            return;
        }
        outbox.delivering = true;
        while let Some(notice) = outbox.queue.pop_front() {
            drop(outbox);
            self.hand_over(notice);
            outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        }
        outbox.delivering = false;
    }

    fn hand_over(self: &Arc<Self>, notice: Notice) {
        let machine = &self.config.machine;
        match notice {
            Notice::Boot(plan) => machine.boot(Host { bmc: self.clone(), boot: plan.boot }, plan),
            Notice::Stop(cause) => machine.stop(cause),
            Notice::ShutdownRequested { boot, then } => {
                machine.shutdown_requested(Host { bmc: self.clone(), boot }, then);
            }
            Notice::MediaChanged(media) => machine.media_changed(&media),
        }
    }

    /// The BMC as seen from outside Redfish.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let profile = self.config.profile;
        let locked = self.lock();
        let state = &*locked.state;
        let slot = |(index, slot): (usize, &super::state::SlotState)| SlotSnapshot {
            path: Resource::Slot(profile.place(index)).path(profile),
            image: slot.medium.as_ref().map(|medium| medium.url.clone()),
            kind: slot.medium.as_ref().map(|medium| medium.kind),
            reads: slot.reads,
            bytes: slot.bytes,
        };
        Snapshot {
            index: self.index,
            profile: profile.name.to_owned(),
            serial: self.config.identity.serial.clone(),
            url: self.url.get().cloned().unwrap_or_default(),
            power: state.power,
            in_post: state.in_post,
            progress: state.progress,
            boot_override: OverrideSnapshot {
                enabled: state.boot_override.enabled,
                target: state.boot_override.target.to_owned(),
                mode: state.boot_override.mode,
                http_boot_uri: state.boot_override.http_uri.clone(),
            },
            slots: state.slots.iter().enumerate().map(slot).collect(),
            open_sessions: state.sessions.len(),
            last_boot: state.last_boot.clone(),
            counters: state.counters,
        }
    }

    /// Log records with a higher number than `after`.
    pub(crate) fn log_since(&self, after: u64) -> Vec<Record> {
        self.lock().state.log.since(after)
    }
}

impl Locked<'_> {
    /// Writes an event down.
    pub(crate) fn event(&mut self, event: Event) {
        self.record(What::Event(event));
    }

    /// Writes a record down, in the ring and in the farm's file.
    pub(crate) fn record(&mut self, what: What) {
        let record = self.state.log.push(self.bmc.shared.clock.now(), what);
        if let Some(file) = &self.bmc.shared.log_file {
            file.append(self.bmc.index, &record);
        }
    }
}
