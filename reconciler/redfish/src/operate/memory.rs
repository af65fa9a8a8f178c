// SPDX-License-Identifier: AGPL-3.0-or-later
//! What earlier reads saw, so that a steady look need not fetch again what did not change.
//!
//! # Guarantees
//! A read is made conditional only where the resource's ETag proved itself: each part that a look
//! reports (power, override, progress, content of a slot) was seen to change together with the
//! ETag. One change without the other, and the resource is never asked conditionally again.
//! Every eighth look is whole all the same.
//!
//! What was seen is kept once for all BMCs that show the same, but for addresses of images.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::contract::state::{BootOverride, PowerState, SlotState};
use crate::discovery::shelf::{Common, Shelf};
use crate::model::boot::Boot;
use crate::model::media::Media;
use crate::model::system;
use crate::rules::{Rule, Rules};

/// Looks between two whole ones.
const CONDITIONAL_LOOKS: u8 = 7;
/// Resources of one BMC that are remembered: the system, its settings, its slots.
const MOST_RESOURCES: usize = 16;

static PARTS: Common<Parts> = Common::new(Shelf::new);

/// What a look reports of one resource, whichever it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Parts {
    pub(crate) power: PowerState,
    pub(crate) boot: BootOverride,
    pub(crate) progress: Option<String>,
    pub(crate) slot: SlotState,
}

impl Parts {
    pub(crate) fn read(uri: &str, value: &Value, rules: Rules) -> Self {
        Self {
            power: system::power(value),
            boot: Boot::read(value).current,
            progress: system::boot_progress(value),
            slot: Media::read(uri, value, rules).state(),
        }
    }

    /// Kept once for all that show the same. What names an image is one BMC's own.
    fn shared(self) -> Arc<Self> {
        let names_an_image = self.boot.http_image.is_some() || self.slot.image.is_some();
        if names_an_image { Arc::new(self) } else { PARTS.share(self) }
    }

    /// Which parts differ, and which the resource has at all, one bit each.
    fn compared(&self, other: &Self) -> (u8, u8) {
        let bits =
            |bits: [bool; 4]| bits.iter().enumerate().fold(0, |all, (at, bit)| all | u8::from(*bit) << at);
        let empty = |parts: &Self| {
            let slot = &parts.slot;
            [
                parts.power == PowerState::Unknown,
                parts.boot == BootOverride::default(),
                parts.progress.is_none(),
                !slot.inserted && slot.image.is_none() && slot.connected_via.is_none(),
            ]
        };
        let differ = [
            self.power != other.power,
            self.boot != other.boot,
            self.progress != other.progress,
            self.slot != other.slot,
        ];
        let (a, b) = (empty(self), empty(other));
        (bits(differ), bits([0, 1, 2, 3].map(|at| !a[at] || !b[at])))
    }
}

#[derive(Debug)]
struct Known {
    /// Which resource of the layout.
    place: usize,
    etag: Box<str>,
    parts: Arc<Parts>,
    /// Parts that were seen to change together with the ETag.
    proven: u8,
    /// Parts that the resource has.
    present: u8,
    is_false: bool,
    looks: u8,
}

/// What is remembered of one BMC.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Vec<Known>>);

fn at(known: &mut [Known], place: usize) -> Option<&mut Known> {
    known.iter_mut().find(|known| known.place == place)
}

impl Memory {
    /// Learns from a whole read of a resource.
    pub(crate) fn learn(&self, place: usize, etag: Option<&str>, parts: impl FnOnce() -> Parts) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(etag) = etag else {
            known.retain(|known| known.place != place);
            return;
        };
        let parts = parts().shared();
        if let Some(before) = at(&mut known, place) {
            let (changed, present) = before.parts.compared(&parts);
            if *before.etag == *etag {
                before.is_false |= changed != 0;
            } else {
                before.proven |= changed;
                before.etag = etag.into();
            }
            before.present |= present;
            before.parts = parts;
            before.looks = 0;
        } else if known.len() < MOST_RESOURCES {
            let (_, present) = parts.compared(&parts);
            known.reserve_exact(1);
            known.push(Known {
                place,
                etag: etag.into(),
                parts,
                proven: 0,
                present,
                is_false: false,
                looks: 0,
            });
        }
    }

    /// The ETag under which a look may be conditional, if any.
    pub(crate) fn condition(&self, place: usize, rules: Rules) -> Option<String> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = at(&mut known, place)?;
        let is_proven = !known.is_false && known.present & !known.proven == 0;
        if (!is_proven && rules.has(Rule::EtagsMustProveThemselves)) || known.looks >= CONDITIONAL_LOOKS {
            return None;
        }
        known.looks += 1;
        Some(known.etag.to_string())
    }

    /// What was seen under that ETag.
    pub(crate) fn unchanged(&self, place: usize) -> Option<Parts> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        at(&mut known, place).map(|known| Parts::clone(&known.parts))
    }

    /// Bytes that are this BMC's alone, and whether what it saw is kept once for both.
    pub(crate) fn weighed_beside(&self, other: &Self) -> (usize, bool) {
        let lock = |memory: &Self| {
            let known = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
            let seen: Vec<_> = known.iter().map(|known| Arc::clone(&known.parts)).collect();
            let etags: usize = known.iter().map(|known| known.etag.len()).sum();
            (known.capacity() * size_of::<Known>() + etags, seen)
        };
        let ((bytes, ours), (_, theirs)) = (lock(self), lock(other));
        let shared = ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| Arc::ptr_eq(a, b));
        (size_of::<Self>() + bytes, shared)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RULES: fn() -> Rules = Rules::general;

    fn slot(inserted: bool) -> Value {
        json!({"Id": "1", "Inserted": inserted, "Image": null})
    }

    fn learn(memory: &Memory, etag: Option<&str>, value: &Value) {
        memory.learn(0, etag, || Parts::read("/s", value, RULES()));
    }

    #[test]
    fn an_etag_proves_itself_by_changing_with_the_resource_and_not_by_staying() {
        let memory = Memory::default();
        learn(&memory, Some("a"), &slot(false));
        learn(&memory, Some("a"), &slot(false));
        learn(&memory, Some("b"), &slot(true));
        assert_eq!(memory.condition(0, RULES()).as_deref(), Some("b"));
        assert!(memory.unchanged(0).is_some_and(|parts| parts.slot.inserted));
        learn(&memory, Some("b"), &slot(false));
        learn(&memory, Some("c"), &slot(true));
        assert_eq!(memory.condition(0, RULES()), None, "it lied once");
    }

    #[test]
    fn every_part_must_be_proven_and_every_eighth_look_is_whole() {
        let system = |power: &str, target: &str| json!({"PowerState": power, "Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": target}});
        let memory = Memory::default();
        learn(&memory, Some("1"), &system("On", "Cd"));
        learn(&memory, Some("2"), &system("Off", "Cd"));
        assert_eq!(memory.condition(0, RULES()), None, "the override was not seen to change");
        learn(&memory, Some("3"), &system("Off", "None"));
        for _ in 0..CONDITIONAL_LOOKS {
            assert!(memory.condition(0, RULES()).is_some());
        }
        assert_eq!(memory.condition(0, RULES()), None);
        learn(&memory, Some("3"), &system("Off", "None"));
        assert!(memory.condition(0, RULES()).is_some());
    }

    #[test]
    fn a_resource_without_an_etag_and_more_resources_than_a_bmc_has_are_not_remembered() {
        let memory = Memory::default();
        learn(&memory, Some("a"), &slot(false));
        learn(&memory, None, &slot(true));
        assert!(memory.unchanged(0).is_none());
        for n in 0..100 {
            memory.learn(n, Some("a"), || Parts::read("/s", &slot(false), RULES()));
        }
        assert_eq!(memory.0.lock().unwrap().len(), MOST_RESOURCES);
    }

    #[test]
    fn what_two_bmcs_show_alike_is_kept_once_and_what_names_an_image_is_not() {
        let full = json!({"Id": "1", "Inserted": true, "Image": "http://h/a.iso"});
        for (shown, once) in [(slot(true), true), (full, false)] {
            let (one, other) = (Memory::default(), Memory::default());
            learn(&one, Some("a"), &shown);
            learn(&other, Some("b"), &shown);
            assert_eq!(one.weighed_beside(&other).1, once, "{shown}");
        }
    }
}
