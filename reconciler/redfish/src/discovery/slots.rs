// SPDX-License-Identifier: AGPL-3.0-or-later
//! Virtual media slots: where they are, which are the same, and how an image gets in.

use std::collections::HashMap;

use serde_json::Value;

use super::managers::Manager;
use super::report::schemes_of;
use super::walk::Walk;
use crate::contract::discovered::InsertVia;
use crate::contract::error::Error;
use crate::model::action::Parameters;
use crate::model::media::{Media, natural_order};
use crate::model::oem::{self, OemRoute};
use crate::model::system::System;
use crate::rules::{Rule, Rules};

/// Through which resource a slot was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum View {
    System,
    Manager,
}

/// A slot as it was read.
#[derive(Clone, Debug)]
pub(crate) struct RawSlot {
    pub(crate) view: View,
    pub(crate) media: Media,
    pub(crate) takes_patch: Option<bool>,
    pub(crate) parameters: Parameters,
    pub(crate) listing: Option<String>,
}

/// A slot whose insert route is decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) view: View,
    pub(crate) media: Media,
    pub(crate) via: InsertVia,
    /// What the insert action takes, as far as the BMC says.
    pub(crate) parameters: Parameters,
    /// The collection that tells whether something is in the slot, where it does not itself.
    pub(crate) listing: Option<String>,
}

impl RawSlot {
    fn has_action(&self) -> bool {
        self.media.insert.is_some() || self.media.oem.is_some()
    }

    /// No address that we serve an image under can be given to it.
    pub(crate) fn takes_file_shares_only(&self, rules: Rules) -> bool {
        let listed = schemes_of(&self.parameters);
        (!listed.http && !listed.https && rules.has(Rule::SlotsMayTakeFileSharesOnly))
            || (matches!(self.media.oem, Some(OemRoute::VmmControl(_)))
                && rules.has(Rule::H3cTakesFileSharesOnly))
    }

    fn may_be_patched(&self) -> bool {
        self.takes_patch.unwrap_or(self.media.has_patchable_properties)
    }
}

/// Reads the slots of the system and of its managers.
pub(crate) async fn read(
    walk: &mut Walk<'_>,
    system: &System,
    managers: &[Manager],
) -> Result<Vec<RawSlot>, Error> {
    let rules = walk.rules();
    let mut collections: Vec<(View, String)> = Vec::new();
    collections.extend(system.media.clone().map(|uri| (View::System, uri)));
    for manager in managers {
        collections.extend(manager.media.clone().map(|uri| (View::Manager, uri)));
    }
    let mut infos: HashMap<String, Parameters> = HashMap::new();
    let mut slots = Vec::new();
    for (view, uri) in collections {
        let (members, page) = walk.pages(&uri).await?;
        for found in members {
            let media = Media::read(&found.uri, &found.value, rules);
            let mut parameters = Parameters::default();
            if let Some(action) = &media.insert {
                parameters = action.inline.clone();
                let info = action.info.as_ref().filter(|_| rules.has(Rule::ActionInfoSaysWhatInsertTakes));
                if let Some(info) = info {
                    if !infos.contains_key(info) {
                        let value = walk.read_quietly(info).await?.unwrap_or(Value::Null);
                        infos.insert(info.clone(), Parameters::read(&value));
                    }
                    parameters = parameters.or(infos.get(info).cloned().unwrap_or_default());
                }
            }
            slots.push(RawSlot { view, media, takes_patch: found.takes_patch, parameters, listing: None });
        }
        if let Some(page) = page
            && let Some(config) = oem::iso_config(&page)
            && let Some(value) = walk.read(&config).await?
        {
            let media = Media::read(&config, &value, rules);
            if media.oem.is_some() {
                slots.push(RawSlot {
                    view,
                    media: media.listed_in(&page),
                    takes_patch: None,
                    parameters: Parameters::default(),
                    listing: Some(uri),
                });
            }
        }
    }
    // As long as slots are shown only while something is in them.
    let has_slots = slots.iter().any(|slot: &RawSlot| slot.media.id.starts_with("EXT"));
    for uri in managers.iter().filter_map(|manager| manager.mount_list.as_ref()).filter(|_| !has_slots) {
        if rules.has(Rule::OldXccMountsByAList)
            && let Some(value) = walk.read_quietly(uri).await?
            && let media = Media::read(uri, &value, rules)
            && let Some(OemRoute::MountList { images, .. }) = &media.oem
        {
            let images = images.clone();
            let members = walk.collection(&images).await?;
            let held = members.iter().map(|member| oem::listed_image(&member.value));
            slots.push(RawSlot {
                view: View::Manager,
                media: media.clone().holding(held),
                takes_patch: None,
                parameters: Parameters::http_alone(),
                listing: Some(images),
            });
        }
    }
    Ok(slots)
}

/// The system's own view where something can be inserted through it, as Ironic does; else the
/// managers'.
pub(crate) fn preferred_view(slots: &[RawSlot], rules: Rules) -> View {
    let usable = |raw: &RawSlot| raw.view == View::System && (raw.has_action() || raw.may_be_patched());
    let system_first = rules.has(Rule::SlotsOfTheSystemComeFirst);
    let has_manager = slots.iter().any(|raw| raw.view == View::Manager);
    if slots.iter().any(usable) && (system_first || !has_manager) { View::System } else { View::Manager }
}

/// Decides routes, drops what is the same device under a second address (Lenovo, xFusion: same
/// id and kinds in both views), and orders: the preferred view first, ids as people order them.
pub(crate) fn settle(raw: Vec<RawSlot>, rules: Rules) -> Vec<Slot> {
    let preferred = preferred_view(&raw, rules);
    let has_actions = |view: View| raw.iter().any(|slot| slot.view == view && slot.has_action());
    let system_has_actions = has_actions(View::System);
    let manager_has_actions = has_actions(View::Manager);
    let mut slots: Vec<Slot> = Vec::new();
    let (first, second): (Vec<_>, Vec<_>) = raw.into_iter().partition(|slot| slot.view == preferred);
    for slot in first.into_iter().chain(second) {
        let is_known = slots.iter().any(|known| {
            known.view != slot.view
                && known.media.id.eq_ignore_ascii_case(&slot.media.id)
                && known.media.kinds == slot.media.kinds
        });
        if is_known && rules.has(Rule::OneDeviceInTwoViewsCountsOnce) {
            continue;
        }
        let takes_patch = rules.has(Rule::XccTakesPatchUnsaid)
            || (slot.may_be_patched() && rules.has(Rule::SlotsMayTakePatchOnly));
        // Beside slots with an action, one without is for the console (OpenBMC's proxy slots).
        let siblings_have_actions = rules.has(Rule::ConsoleSlotsAreNotPatched)
            && match slot.view {
                View::System => system_has_actions,
                View::Manager => manager_has_actions,
            };
        let is_no_slot_of_xcc =
            rules.has(Rule::XccTakesAddressesInExtSlotsOnly) && !slot.media.id.starts_with("EXT");
        let via = if is_no_slot_of_xcc || slot.takes_file_shares_only(rules) {
            InsertVia::None
        } else if slot.media.insert.is_some() {
            InsertVia::Action
        } else if slot.media.oem.is_some() {
            InsertVia::Oem
        } else if !siblings_have_actions && takes_patch {
            InsertVia::Patch
        } else {
            InsertVia::None
        };
        slots.push(Slot {
            view: slot.view,
            media: slot.media,
            via,
            parameters: slot.parameters,
            listing: slot.listing,
        });
    }
    if !rules.has(Rule::SlotsAreTakenInTheOrderOfTheirIds) {
        return slots;
    }
    slots.sort_by(|a, b| {
        (a.view != preferred)
            .cmp(&(b.view != preferred))
            .then_with(|| natural_order(&a.media.id, &b.media.id))
            .then_with(|| a.media.uri.cmp(&b.media.uri))
    });
    slots
}
