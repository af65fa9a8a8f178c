// SPDX-License-Identifier: AGPL-3.0-or-later
//! The trial of virtual media: put a tiny medium in, see who reads it, take it out.
//!
//! # Guarantees
//! * Nothing is put in while anything is in a slot or a boot override stands: a job could be running.
//! * Whatever is put in is taken out on every path, Ctrl-C included; what somebody else put in
//!   meanwhile is left alone.
//! * Power and boot override are never written.
//!
//! # Caveats
//! After `kill -9`, or a second Ctrl-C, the medium stays in; its address answers nobody then.

use std::future::Future;
use std::time::Duration;

use shoal_redfish::{Bmc, BmcState, Discovered, Error, ErrorKind, ImageKind, ImageRef};
use tokio::time::Instant;

use super::certificate::spoken;
use super::finding::{Check, Findings, Verdict};
use super::medium::{Medium, Read};
use crate::host::Signals;

/// How long a BMC may take until it reads what it shows as inserted.
const READ: Duration = Duration::from_secs(30);

/// Why there is no trial, and what to do.
pub(super) type NoTrial = (String, &'static str);

/// The slot for the trial, or why there is none.
pub(super) fn slot(found: &Discovered, state: Option<&BmcState>) -> Result<String, NoTrial> {
    let Some(slot) = found.boot_slot.clone() else {
        return Err(("there is no slot for a boot medium".to_owned(), "the check of virtual media says why"));
    };
    let Some(state) = state else {
        return Err(("what is in the slots could not be read a second time".to_owned(), "check again"));
    };
    let listed = found.media.iter().filter(|slot| slot.inserted).map(|slot| (&slot.uri, &slot.image));
    let seen = state.slots.iter().filter(|slot| slot.inserted).map(|slot| (&slot.uri, &slot.image));
    if let Some((uri, image)) = listed.chain(seen).next() {
        let image = image.as_ref().map(ToString::to_string).unwrap_or_default();
        let ours = image.contains("/media/") && (image.ends_with("boot.iso") || image.contains("/task.i"));
        let whose = if ours { ", as a job of Shoal's puts it in: one could be running" } else { "" };
        return Err((format!("{uri} is occupied{whose}"), "empty the slots, then check again"));
    }
    if state.boot.is_active() {
        let why = "a boot override stands: a job could be running";
        return Err((why.to_owned(), "clear the override, or wait until the job is over, then check again"));
    }
    Ok(slot)
}

/// What a trial came to.
pub(super) struct Tried {
    inserted: Option<Result<Duration, Error>>,
    ejected: Option<Result<(), Error>>,
    somebody_elses: bool,
    pub(super) reads: Vec<Read>,
    /// The exit code of the signal that ended it early.
    pub(super) stopped: Option<u8>,
}

/// Tries.
pub(super) async fn perform(
    bmc: &dyn Bmc,
    slot: &str,
    medium: &Medium,
    signals: &mut Signals,
    say: &(dyn Fn(&str) + Sync),
) -> Tried {
    let mut tried =
        Tried { inserted: None, ejected: None, somebody_elses: false, reads: Vec::new(), stopped: None };
    let image = ImageRef { url: medium.url.clone(), kind: ImageKind::Iso };
    let started = Instant::now();
    // Not given up half-way: the BMC would go on with it after we ejected.
    let inserted = patiently(bmc.insert(slot, &image), signals, &mut tried.stopped, say).await;
    let Some(inserted) = inserted else { return tried };
    let inserted = inserted.map(|_| started.elapsed());
    if inserted.is_ok() && tried.stopped.is_none() {
        tokio::select! {
            _ = tokio::time::timeout(READ, medium.read()) => {}
            code = signals.stop() => {
                tried.stopped = Some(code);
                say("interrupted: the medium is taken out; once more leaves at once");
            }
        }
    }
    let occupied = matches!(&inserted, Err(error) if matches!(error.kind(), ErrorKind::SlotOccupied { .. }));
    tried.inserted = Some(inserted);
    tried.somebody_elses = occupied || is_somebody_elses(bmc, slot, medium).await;
    if !tried.somebody_elses {
        let ejected = patiently(bmc.eject(slot), signals, &mut tried.stopped, say).await;
        tried.ejected = ejected.map(|ejected| ejected.map(|_| ()));
    }
    tried.reads = medium.reads();
    tried
}

/// Whether something else than our medium is in the slot. Where nobody knows, it is taken for ours.
async fn is_somebody_elses(bmc: &dyn Bmc, slot: &str, medium: &Medium) -> bool {
    let Ok(state) = bmc.read_state().await else { return false };
    state.slots.iter().filter(|seen| seen.uri == slot && seen.inserted).any(|seen| {
        let shown = seen.image.as_ref();
        shown.is_some_and(|shown| !medium.url.same_image(shown))
    })
}

/// Waits for something through one signal; the second gives it up.
async fn patiently<T>(
    work: impl Future<Output = T>,
    signals: &mut Signals,
    stopped: &mut Option<u8>,
    say: &(dyn Fn(&str) + Sync),
) -> Option<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Some(done),
            code = signals.stop() => {
                if stopped.replace(code).is_some() {
                    return None;
                }
                say("interrupted: the medium is taken out once the BMC has answered; once more leaves at once");
            }
        }
    }
}

impl Tried {
    /// Judges it.
    pub(super) fn judge(&self, findings: &mut Findings, slot: &str) {
        let mut say =
            |verdict, seen: String, advice: &str| findings.add(Check::MediaTrial, verdict, seen, advice);
        let reads = who_read(&self.reads);
        match &self.inserted {
            None => {}
            Some(Ok(took)) => {
                let shown = format!("{slot} showed it as inserted after {}", spoken(*took));
                let whole = self.reads.iter().any(|read| matches!(read.status, 200 | 206));
                if whole {
                    say(Verdict::Ok, format!("{shown}; {reads}"), "");
                } else if self.stopped.is_some() {
                    say(Verdict::NotKnown, format!("{shown}; interrupted before it was read"), "");
                } else {
                    let advice = "some BMCs read only when the machine starts; otherwise check route, firewall and \
                                  proxy settings from the BMC to this address";
                    say(Verdict::Warning, format!("{shown}, but {reads} within {}", spoken(READ)), advice);
                }
            }
            Some(Err(error)) => {
                say(Verdict::Failed, format!("{slot}: {error}; {reads}"), error.hint());
            }
        }
        let by_hand = "eject it in the BMC's own interface before anything else";
        match &self.ejected {
            Some(Ok(())) => say(Verdict::Ok, "taken out, and read back".to_owned(), ""),
            Some(Err(error)) => say(Verdict::Failed, format!("the medium may still be in: {error}"), by_hand),
            None if self.somebody_elses => {
                let advice = "somebody else is at work on this BMC: check again later";
                say(
                    Verdict::Failed,
                    format!("somebody else's image came into {slot}; it was left there"),
                    advice,
                );
            }
            None => say(Verdict::Failed, format!("given up: the medium may still be in {slot}"), by_hand),
        }
    }
}

fn who_read(reads: &[Read]) -> String {
    let Some(first) = reads.first() else { return "no request came from the BMC".to_owned() };
    let bytes: u64 = reads.iter().map(|read| read.bytes).sum();
    let mut methods: Vec<&str> = reads.iter().map(|read| &*read.method).collect();
    methods.sort_unstable();
    methods.dedup();
    let ranges = if reads.iter().any(|read| read.status == 206) { "with" } else { "without" };
    let agent = first.user_agent.as_ref().map_or_else(|| "no name".to_owned(), |agent| format!("`{agent}`"));
    format!(
        "{} requests from {} ({}, {ranges} ranges, {bytes} bytes, as {agent})",
        reads.len(),
        first.peer,
        methods.join(" and ")
    )
}
