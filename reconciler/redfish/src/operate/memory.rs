// SPDX-License-Identifier: AGPL-3.0-or-later
//! What earlier reads saw, so that a steady look need not fetch again what did not change.
//!
//! # Guarantees
//! A read is made conditional only where the resource's ETag proved itself: each part that a look
//! reports (power, override, progress, content of a slot) was seen to change together with the
//! ETag. One change without the other, and the resource is never asked conditionally again.
//! Every eighth look is whole all the same.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::contract::state::{BootOverride, PowerState, SlotState};
use crate::model::boot::Boot;
use crate::model::media::Media;
use crate::model::system;
use crate::rules::{Rule, Rules};

/// Looks between two whole ones.
const CONDITIONAL_LOOKS: u8 = 7;
/// Resources of one BMC that are remembered: the system, its settings, its slots.
const MOST_RESOURCES: usize = 16;

/// What a look reports of one resource, whichever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    etag: String,
    parts: Parts,
    /// Parts that were seen to change together with the ETag.
    proven: u8,
    /// Parts that the resource has.
    present: u8,
    is_false: bool,
    looks: u8,
}

/// What is remembered of one BMC.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<HashMap<String, Known>>);

impl Memory {
    /// Learns from a whole read.
    pub(crate) fn learn(&self, uri: &str, etag: Option<&str>, value: &Value, rules: Rules) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(etag) = etag else {
            known.remove(uri);
            return;
        };
        let parts = Parts::read(uri, value, rules);
        if let Some(before) = known.get_mut(uri) {
            let (changed, present) = before.parts.compared(&parts);
            if before.etag == etag {
                before.is_false |= changed != 0;
            } else {
                before.proven |= changed;
                etag.clone_into(&mut before.etag);
            }
            before.present |= present;
            before.parts = parts;
            before.looks = 0;
        } else if known.len() < MOST_RESOURCES {
            let (_, present) = parts.compared(&parts);
            let etag = etag.to_owned();
            known
                .insert(uri.to_owned(), Known { etag, parts, proven: 0, present, is_false: false, looks: 0 });
        }
    }

    /// The ETag under which a look may be conditional, if any.
    pub(crate) fn condition(&self, uri: &str, rules: Rules) -> Option<String> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_mut(uri)?;
        let is_proven = !known.is_false && known.present & !known.proven == 0;
        if (!is_proven && rules.has(Rule::EtagsMustProveThemselves)) || known.looks >= CONDITIONAL_LOOKS {
            return None;
        }
        known.looks += 1;
        Some(known.etag.clone())
    }

    /// What was seen under that ETag.
    pub(crate) fn unchanged(&self, uri: &str) -> Option<Parts> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(uri).map(|known| known.parts.clone())
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

    #[test]
    fn an_etag_proves_itself_by_changing_with_the_resource_and_not_by_staying() {
        let memory = Memory::default();
        memory.learn("/s", Some("a"), &slot(false), RULES());
        memory.learn("/s", Some("a"), &slot(false), RULES());
        memory.learn("/s", Some("b"), &slot(true), RULES());
        assert_eq!(memory.condition("/s", RULES()).as_deref(), Some("b"));
        assert!(memory.unchanged("/s").is_some_and(|parts| parts.slot.inserted));
        memory.learn("/s", Some("b"), &slot(false), RULES());
        memory.learn("/s", Some("c"), &slot(true), RULES());
        assert_eq!(memory.condition("/s", RULES()), None, "it lied once");
    }

    #[test]
    fn every_part_must_be_proven_and_every_eighth_look_is_whole() {
        let system = |power: &str, target: &str| json!({"PowerState": power, "Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": target}});
        let memory = Memory::default();
        memory.learn("/s", Some("1"), &system("On", "Cd"), RULES());
        memory.learn("/s", Some("2"), &system("Off", "Cd"), RULES());
        assert_eq!(memory.condition("/s", RULES()), None, "the override was not seen to change");
        memory.learn("/s", Some("3"), &system("Off", "None"), RULES());
        for _ in 0..CONDITIONAL_LOOKS {
            assert!(memory.condition("/s", RULES()).is_some());
        }
        assert_eq!(memory.condition("/s", RULES()), None);
        memory.learn("/s", Some("3"), &system("Off", "None"), RULES());
        assert!(memory.condition("/s", RULES()).is_some());
    }

    #[test]
    fn a_resource_without_an_etag_and_more_resources_than_a_bmc_has_are_not_remembered() {
        let memory = Memory::default();
        memory.learn("/s", Some("a"), &slot(false), RULES());
        memory.learn("/s", None, &slot(true), RULES());
        assert!(memory.unchanged("/s").is_none());
        for n in 0..100 {
            memory.learn(&format!("/{n}"), Some("a"), &slot(false), RULES());
        }
        assert_eq!(memory.0.lock().unwrap().len(), MOST_RESOURCES);
    }
}
