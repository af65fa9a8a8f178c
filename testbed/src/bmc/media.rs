// SPDX-License-Identifier: AGPL-3.0-or-later
//! InsertMedia and EjectMedia.
//!
//! An insertion looks at the image over HTTP as a BMC does before it reports success, and goes on when the client that
//! asked has hung up meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::errors::Refusal;
use super::instance::{Bmc, Locked, Notice};
use super::log::Event;
use super::machine::MediumKind;
use super::medium::{self, MediumError};
use super::profiles::{MediaModel, SlotModel, Takes};
use super::state::{Medium, Power, Task};
use crate::faults::Effects;

const INSERT: &str = "VirtualMedia.InsertMedia";
/// Tasks that a BMC remembers.
const MOST_TASKS: usize = 20;

/// How an insertion or ejection was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It is done.
    Now,
    /// It goes on, and this task tells how it ends.
    Later {
        /// Its number.
        task: u64,
    },
}

/// What a valid InsertMedia asks for.
struct Wanted {
    url: String,
    write_protected: bool,
}

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

    fn eject_now(self: &Arc<Self>, slot: usize) -> Result<(), Refusal> {
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

    /// Does `work` in a task that clients can read. One that fails at once is still seen to run for `at_least`.
    fn as_task(
        self: &Arc<Self>,
        name: &'static str,
        at_least: Duration,
        work: impl Future<Output = Result<(), Refusal>> + Send + 'static,
    ) -> Done {
        let started = self.shared.clock.elapsed();
        let task = {
            let mut locked = self.lock();
            let state = &mut locked.state;
            state.tasks_made += 1;
            if state.tasks.len() >= MOST_TASKS {
                state.tasks.pop_front();
            }
            let id = state.tasks_made;
            state.tasks.push_back(Task { id, name, started: self.shared.clock.now(), outcome: None });
            id
        };
        let bmc = self.clone();
        self.spawn(async move {
            let result = work.await;
            let left =
                bmc.scaled(at_least).saturating_sub(bmc.shared.clock.elapsed().saturating_sub(started));
            if result.is_err() && !left.is_zero() {
                bmc.shared.clock.sleep(left).await;
            }
            let ended = (bmc.shared.clock.now(), bmc.shared.clock.elapsed(), result);
            let mut locked = bmc.lock();
            if let Some(known) = locked.state.tasks.iter_mut().find(|known| known.id == task) {
                known.outcome = Some(ended);
            }
        });
        Done::Later { task }
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

/// Reads the parameters of InsertMedia.
fn wanted(model: &MediaModel, body: &Map<String, Value>) -> Result<Wanted, Refusal> {
    let mut write_protected = true;
    for (name, value) in body {
        let unknown = || Refusal::ParameterUnknown { action: INSERT, name: name.clone() };
        let wrong =
            || Refusal::ParameterType { action: INSERT, name: name.clone(), value: value.to_string() };
        if !model.insert_parameters.contains(&name.as_str()) {
            return Err(unknown());
        }
        match name.as_str() {
            "WriteProtected" => write_protected = value.as_bool().ok_or_else(wrong)?,
            "Inserted" => {
                if !value.as_bool().ok_or_else(wrong)? && model.inserted_must_be_true {
                    let (name, value) = ("Inserted", "false".to_owned());
                    return Err(Refusal::ParameterNotInList { action: INSERT, name, value });
                }
            }
            "VerifyCertificate" => {
                value.as_bool().ok_or_else(wrong)?;
            }
            "TransferProtocolType" => one_of(name, value, "TransferProtocolType", model.protocols)?,
            "TransferMethod" => one_of(name, value, "TransferMethod", &["Stream"])?,
            _ if value.is_string() || value.is_null() => {}
            _ => return Err(wrong()),
        }
    }
    let given = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(name) = model.required_parameters.iter().find(|name| given(name).is_none()) {
        return Err(Refusal::ParameterMissing { action: INSERT, name });
    }
    let url = given("Image").unwrap_or_default();
    let format = || Refusal::MediumFormat { url: url.to_owned() };
    let parsed = url::Url::parse(url).map_err(|_| format())?;
    let scheme_known = model.schemes.contains(&parsed.scheme());
    let plain = !model.plain_urls_only || !url.contains(['?', '=']);
    let ending = model.extensions.is_none_or(|endings| {
        let path = parsed.path().to_ascii_lowercase();
        endings.iter().any(|ending| path.ends_with(ending))
    });
    if !scheme_known || !plain || !ending {
        return Err(format());
    }
    let protocol = body.get("TransferProtocolType").and_then(Value::as_str);
    let agrees = |protocol: &str| match parsed.scheme() {
        "smb" => protocol.eq_ignore_ascii_case("CIFS"),
        scheme => protocol.eq_ignore_ascii_case(scheme),
    };
    if protocol.is_some_and(|protocol| !agrees(protocol)) {
        return Err(format());
    }
    Ok(Wanted { url: url.to_owned(), write_protected })
}

fn one_of(name: &str, value: &Value, known: &'static str, allowed: &[&str]) -> Result<(), Refusal> {
    match value.as_str() {
        Some(text) if allowed.contains(&text) => Ok(()),
        Some(text) => {
            Err(Refusal::ParameterNotInList { action: INSERT, name: known, value: text.to_owned() })
        }
        None if value.is_null() => Ok(()),
        None => {
            Err(Refusal::ParameterType { action: INSERT, name: name.to_owned(), value: value.to_string() })
        }
    }
}

/// How the machine sees an image: by what the slot can be, and by its ending where the slot can be both.
fn kind(model: &SlotModel, url: &str) -> MediumKind {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let raw = Path::new(path).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("img"));
    match (model.optical(), model.removable()) {
        (false, _) => MediumKind::Usb,
        (true, true) if raw => MediumKind::Usb,
        (true, _) => MediumKind::Cd,
    }
}

fn refusal(error: &MediumError, url: String) -> Refusal {
    match error {
        MediumError::Status { .. } => Refusal::MediumNotFound { url },
        MediumError::NoRange { .. } | MediumError::Short { .. } => Refusal::MediumFormat { url },
        _ => Refusal::MediumUnreachable { url },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bmc::profiles::{IDRAC9_6, ILO5, SMC_X13_SINGLE};

    fn check(model: &MediaModel, body: Value) -> Result<String, Refusal> {
        let Value::Object(map) = body else { panic!("the test's own body") };
        wanted(model, &map).map(|wanted| wanted.url)
    }

    #[test]
    fn dell_takes_images_by_their_ending_only() {
        assert!(check(&IDRAC9_6.media, json!({"Image": "http://10.0.0.1/m/x/a.ISO"})).is_ok());
        let bad = check(&IDRAC9_6.media, json!({"Image": "http://10.0.0.1/m/x/a.bin"}));
        assert!(matches!(bad, Err(Refusal::MediumFormat { .. })));
    }

    #[test]
    fn supermicro_refuses_query_strings() {
        let bad = check(&SMC_X13_SINGLE.media, json!({"Image": "http://10.0.0.1/a.iso?sig=x"}));
        assert!(matches!(bad, Err(Refusal::MediumFormat { .. })));
        assert!(check(&ILO5.media, json!({"Image": "http://10.0.0.1/a.iso?sig=x"})).is_ok());
    }

    #[test]
    fn wrong_parameters_are_named() {
        let model = &ILO5.media;
        assert!(matches!(check(model, json!({})), Err(Refusal::ParameterMissing { name: "Image", .. })));
        assert!(matches!(check(model, json!({"Image": 5})), Err(Refusal::ParameterType { .. })));
        let unknown = check(model, json!({"Image": "http://h/a.iso", "Bogus": 1}));
        assert!(matches!(unknown, Err(Refusal::ParameterUnknown { .. })));
        let scheme = check(model, json!({"Image": "ftp://h/a.iso"}));
        assert!(matches!(scheme, Err(Refusal::MediumFormat { .. })));
        let protocol = check(model, json!({"Image": "http://h/a.iso", "TransferProtocolType": "HTTPS"}));
        assert!(matches!(protocol, Err(Refusal::MediumFormat { .. })));
    }

    #[test]
    fn a_slot_that_can_be_both_goes_by_the_ending() {
        let both = &IDRAC9_6.slots[0];
        assert_eq!(kind(both, "http://h/a.iso"), MediumKind::Cd);
        assert_eq!(kind(both, "http://h/a.img"), MediumKind::Usb);
        assert_eq!(kind(&ILO5.slots[0], "http://h/a.iso"), MediumKind::Usb);
        assert_eq!(kind(&ILO5.slots[1], "http://h/a.img"), MediumKind::Cd);
    }
}
