// SPDX-License-Identifier: AGPL-3.0-or-later
//! An entry as it stands in the plan: with what holds the fleet as a whole, and what holds it beside its own judgement.

use std::sync::Arc;

use shoal_schema::plan::{Class, Entry, EntrySeal, Guard, Hold, HoldCode};

use super::super::PlanError;
use crate::inventory::Inventory;

/// An entry with what holds the fleet as a whole, as it stands in the plan.
pub(super) struct Shown {
    whole: Vec<Hold>,
    entry: Arc<Entry>,
    seal: EntrySeal,
}

/// What holds every entry alike.
pub(super) fn holds_of_all(guards: &[Guard], paused: bool) -> Vec<Hold> {
    let mut whole = Vec::new();
    if !guards.is_empty() {
        let message = guards.iter().map(|guard| guard.message.as_str()).collect::<Vec<_>>().join("; ");
        let hint = guards.first().map(|guard| guard.hint.clone());
        whole.push(Hold { code: HoldCode::Guard, message, hint });
    }
    if paused {
        whole.push(Hold {
            code: HoldCode::Paused,
            message: "everything is paused".to_owned(),
            hint: Some("'shoal pause --off' lets it go on".to_owned()),
        });
    }
    whole
}

/// A typing error beside `suspend: true` must not start what it was meant to stop.
pub(super) fn unreadable(inventory: &Inventory, entry: &Entry) -> Option<Hold> {
    let held = matches!(entry.class, Class::Disruptive | Class::Destructive)
        && inventory.last_good.contains(&entry.server);
    held.then(|| Hold {
        code: HoldCode::Unreadable,
        message: "its file cannot be read at this commit; this is what it said last".to_owned(),
        hint: Some("correct the file: 'shoal validate' names the place".to_owned()),
    })
}

/// The entry with what holds the fleet as a whole, and its seal: both as before, where they were made before.
pub(super) fn show(
    entry: &Arc<Entry>,
    whole: &[Hold],
    shown: &mut Option<Shown>,
) -> Result<(Arc<Entry>, EntrySeal), PlanError> {
    let whole = if entry.class == Class::None { &[] } else { whole };
    if let Some(shown) = shown
        && shown.whole == whole
    {
        return Ok((Arc::clone(&shown.entry), shown.seal));
    }
    let entry = if whole.is_empty() {
        Arc::clone(entry)
    } else {
        let mut held = (**entry).clone();
        held.holds.extend(whole.iter().cloned());
        held.holds.sort_by_key(|hold| hold.code);
        Arc::new(held)
    };
    let seal = EntrySeal::of(&entry)
        .map_err(|source| PlanError::Digest { subject: format!("the entry of {}", entry.server), source })?;
    *shown = Some(Shown { whole: whole.to_vec(), entry: Arc::clone(&entry), seal });
    Ok((entry, seal))
}
