// SPDX-License-Identifier: AGPL-3.0-or-later
//! InsertMedia and EjectMedia.
//!
//! An insertion looks at the image over HTTP as a BMC does before it reports success, and goes on when the client that
//! asked has hung up meanwhile.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::errors::Refusal;
use super::insert_body::{Wanted, kind, wanted};
use super::instance::{Bmc, Locked, Notice};
use super::log::Event;
use super::medium::{self, MediumError};
use super::profiles::Takes;
use super::state::{Medium, Power};
use super::tasks::Done;
use crate::faults::Effects;

impl Bmc {
    /// InsertMedia on a slot.
    pub(crate) async fn insert(
        self: &Arc<Self>,
        slot: usize,
        body: &Map<String, Value>,
        effects: &Effects,
    ) -> Result<Done, Refusal> {
        let profile = self.config.profile;
        let wanted = wanted(&profile.media, body)?;
        let reserved = self.reserve(slot);
        let bmc = self.clone();
        let fails = effects.insert_fails;
        let work = async move {
            reserved?;
            bmc.insert_reserved(slot, wanted, fails).await
        };
        if profile.media.tasks.is_some() {
            return Ok(self.as_task("Insert media", profile.timing.insert, work));
        }
        // In a task of its own: a client that hangs up does not undo an insertion.
        let work = self.shared.tasks.spawn(work);
        // The task can only end early when the runtime goes down, and then nobody reads the answer.
        work.await.unwrap_or(Err(Refusal::NoMoreConnections)).map(|()| Done::Now)
    }

    /// PATCH of a slot, on BMCs that insert and eject by it.
    pub(crate) async fn patch_media(
        self: &Arc<Self>,
        slot: usize,
        body: &Map<String, Value>,
        effects: &Effects,
    ) -> Result<Done, Refusal> {
        let profile = self.config.profile;
        if profile.slots[slot].takes == Takes::Nothing {
            return Err(Refusal::NoAddressHere { id: profile.slots[slot].id });
        }
        let image = body.get("Image");
        let inserted = body.get("Inserted").and_then(Value::as_bool);
        if image.is_some_and(Value::is_null) || inserted == Some(false) {
            return self.eject(slot);
        }
        if image.is_some() && inserted.is_none() {
            return Err(Refusal::PropertyMissing { name: "Inserted" });
        }
        self.insert(slot, body, effects).await
    }

    fn reserve(&self, slot: usize) -> Result<(), Refusal> {
        let profile = self.config.profile;
        let mut locked = self.lock();
        let slots = &mut locked.state.slots;
        if slots[slot].medium.is_some() || slots[slot].inserting {
            return Err(Refusal::SlotOccupied { id: profile.slots[slot].id });
        }
        if slots.iter().filter(|slot| slot.medium.is_some() || slot.inserting).count()
            >= profile.media.max_connected
        {
            return Err(Refusal::NoMoreConnections);
        }
        slots[slot].inserting = true;
        Ok(())
    }

    async fn insert_reserved(
        self: Arc<Self>,
        slot: usize,
        wanted: Wanted,
        fails: bool,
    ) -> Result<(), Refusal> {
        let profile = self.config.profile;
        let probed = if fails {
            Err(MediumError::Injected { url: wanted.url.clone() })
        } else {
            medium::probe(&self, &wanted.url, profile.media.probe).await
        };
        self.shared.clock.sleep(self.scaled(profile.timing.insert)).await;
        let result = {
            let mut locked = self.lock();
            locked.state.slots[slot].inserting = false;
            match probed {
                Ok(()) => {
                    self.put_in(&mut locked, slot, wanted);
                    Ok(())
                }
                Err(error) => {
                    locked.state.counters.inserts_failed += 1;
                    let reason = medium::chain(&error);
                    locked.event(Event::InsertFailed { slot, image: wanted.url.clone(), reason });
                    Err(refusal(&error, wanted.url))
                }
            }
        };
        self.deliver();
        result
    }

    fn put_in(&self, locked: &mut Locked<'_>, slot: usize, wanted: Wanted) {
        let model = &self.config.profile.slots[slot];
        locked.state.insertions += 1;
        locked.state.counters.inserts += 1;
        let insertion = locked.state.insertions;
        let state = &mut locked.state.slots[slot];
        state.stale = None;
        state.last_url = Some(wanted.url.clone());
        state.reads = 0;
        state.bytes = 0;
        state.medium = Some(Medium {
            kind: kind(model, &wanted.url),
            url: wanted.url.clone(),
            write_protected: wanted.write_protected,
            inserted_at: self.shared.clock.now(),
            insertion,
        });
        locked.event(Event::Inserted { slot, id: model.id.to_owned(), image: wanted.url });
        self.tell(Notice::MediaChanged(locked.state.attached(self.config.profile)));
    }

    /// EjectMedia on a slot.
    pub(crate) fn eject(self: &Arc<Self>, slot: usize) -> Result<Done, Refusal> {
        let profile = self.config.profile;
        if profile.media.tasks.is_some() {
            let bmc = self.clone();
            let work = async move {
                bmc.shared.clock.sleep(bmc.scaled(bmc.config.profile.timing.eject)).await;
                bmc.eject_now(slot)
            };
            return Ok(self.as_task("Eject media", profile.timing.eject, work));
        }
        self.eject_now(slot).map(|()| Done::Now)
    }

    pub(crate) fn eject_now(self: &Arc<Self>, slot: usize) -> Result<(), Refusal> {
        let profile = self.config.profile;
        let ejected = {
            let mut locked = self.lock();
            self.take_out(&mut locked, slot)
        };
        self.deliver();
        if ejected || !profile.media.refuses_empty_eject {
            Ok(())
        } else {
            Err(Refusal::NothingInserted { id: profile.slots[slot].id })
        }
    }

    /// Ejects what `BootOnNextServerReset` booted the last time.
    pub(crate) fn eject_what_was_for_one_boot(&self, locked: &mut Locked<'_>) {
        for slot in 0..locked.state.slots.len() {
            if locked.state.slots[slot].eject_at_boot {
                self.take_out(locked, slot);
            }
        }
    }

    /// Takes every image out, as a factory reset does.
    pub(crate) fn eject_all(&self, locked: &mut Locked<'_>) {
        for slot in 0..locked.state.slots.len() {
            self.take_out(locked, slot);
        }
    }

    fn take_out(&self, locked: &mut Locked<'_>, slot: usize) -> bool {
        let profile = self.config.profile;
        let state = &mut locked.state.slots[slot];
        state.boot_next = false;
        state.eject_at_boot = false;
        let Some(medium) = state.medium.take() else { return false };
        let stale = self.scaled(profile.timing.stale_after_eject);
        if !stale.is_zero() {
            state.stale = Some((self.shared.clock.elapsed() + stale, medium.clone()));
        }
        locked.state.counters.ejects += 1;
        let while_running = locked.state.power == Power::On;
        let id = profile.slots[slot].id.to_owned();
        locked.event(Event::Ejected { slot, id, image: medium.url, while_running });
        self.tell(Notice::MediaChanged(locked.state.attached(profile)));
        true
    }

    /// PATCH of `BootOnNextServerReset` in a slot.
    pub(crate) fn set_boot_next(&self, slot: usize, on: bool) {
        self.lock().state.slots[slot].boot_next = on;
    }
}

fn refusal(error: &MediumError, url: String) -> Refusal {
    match error {
        MediumError::Status { .. } => Refusal::MediumNotFound { url },
        MediumError::NoRange { .. } | MediumError::Short { .. } => Refusal::MediumFormat { url },
        _ => Refusal::MediumUnreachable { url },
    }
}
