// SPDX-License-Identifier: AGPL-3.0-or-later
//! The ladder: what the slots are good for, and which ones are used.
//!
//! 1. two optical slots: maintenance ISO and task ISO;
//! 2. an optical and a USB or floppy slot: maintenance ISO and raw task image;
//! 3. one optical slot: one ISO composed per job;
//! 4. none: boot over HTTP where the firmware can, else nothing.
//!
//! The boot medium goes into the first optical slot: on iDRAC10 it must be slot 1, on iLO it
//! is slot 2, the only optical one.

use super::slots::{Slot, View};
use crate::contract::discovered::{InsertVia, Rung};
use crate::rules::{Rule, Rules};

/// What was picked, as positions in the list of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picked {
    pub(crate) rung: Rung,
    pub(crate) boot: Option<usize>,
    pub(crate) task: Option<usize>,
    /// Further optical slots.
    pub(crate) spares: Vec<usize>,
}

/// Picks. `can_boot` says whether some boot target starts from virtual media.
pub(crate) fn pick(
    slots: &[Slot],
    preferred: View,
    can_boot: bool,
    targets: &[String],
    rules: Rules,
) -> Picked {
    let any_route = !rules.has(Rule::SlotsWithoutARouteAreSkipped);
    let usable: Vec<usize> = slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.view == preferred && (slot.via != InsertVia::None || any_route))
        .map(|(at, _)| at)
        .collect();
    let optical: Vec<usize> = usable.iter().copied().filter(|at| slots[*at].media.kinds.cd).collect();
    let removable = |want: fn(&Slot) -> bool| {
        usable.iter().copied().find(|at| !slots[*at].media.kinds.cd && want(&slots[*at]))
    };
    if let (Some(boot), true) = (optical.first().copied(), can_boot) {
        let second = optical.get(1).copied();
        let other =
            removable(|slot| slot.media.kinds.usb).or_else(|| removable(|slot| slot.media.kinds.floppy));
        let (rung, task) = match (rules.one_image_at_a_time(), second, other) {
            (false, Some(second), _) => (Rung::TwoCd, Some(second)),
            (false, None, Some(other)) => (Rung::CdUsb, Some(other)),
            _ => (Rung::Single, None),
        };
        return Picked {
            rung,
            boot: Some(boot),
            task,
            spares: optical
                .into_iter()
                .filter(|at| Some(*at) != task && *at != boot)
                .filter(|_| rules.has(Rule::RefusingSlotsAreFollowedByTheNext))
                .collect(),
        };
    }
    let listed = targets.iter().any(|target| target == "UefiHttp");
    let over_http = (listed && rules.has(Rule::HttpBootIsTheLastRung))
        || rules.has(Rule::GraceHopperBootsOverHttpUnlisted);
    Picked {
        rung: if over_http { Rung::UefiHttp } else { Rung::None },
        boot: None,
        task: None,
        spares: Vec::new(),
    }
}
