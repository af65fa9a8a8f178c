// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where things are on a BMC: what operations need beyond the report.

use super::boot::BootPlace;
use super::managers::{Import, RemoteMedia};
use super::slots::Slot;
use super::walk::Walk;
use crate::contract::error::Error;
use crate::model::action::Parameters;
use crate::model::json;
use crate::model::system::System;
use crate::rules::Rule;
use crate::wire::login::SessionsAt;

/// Where things are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    pub(crate) system: String,
    pub(crate) reset: Option<Reset>,
    pub(crate) boot: BootPlace,
    pub(crate) slots: Vec<Slot>,
    pub(crate) sessions: Option<SessionsAt>,
    /// Where remote media are switched on, if they were off.
    pub(crate) remote_media: Option<RemoteMedia>,
    /// Where configuration is imported.
    pub(crate) import: Option<Import>,
    /// A resource of its own for the boot override.
    pub(crate) boot_config: Option<String>,
}

impl Layout {
    /// The resources that steady looks read: the system, what takes the override, the slots.
    fn looked_at(&self) -> impl Iterator<Item = &str> {
        let slots = self.slots.iter().filter(|slot| slot.listing.is_none());
        std::iter::once(&*self.system)
            .chain(self.boot.resource.as_deref())
            .chain(slots.map(|slot| &*slot.media.uri))
    }

    /// Which of them this is; none where steady looks do not read it.
    pub(crate) fn place_of(&self, path: &str) -> Option<usize> {
        self.looked_at().position(|known| json::same_path(known, path))
    }

    /// Whether each of them is where it is in another layout.
    pub(crate) fn has_the_places_of(&self, other: &Self) -> bool {
        self.looked_at().eq(other.looked_at())
    }

    /// Where things are is the same whatever was in the slots.
    pub(super) fn forget_contents(&mut self) {
        for slot in &mut self.slots {
            slot.media.forget_content();
        }
    }

    pub(crate) fn slot(&self, uri: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| json::same_path(&slot.media.uri, uri))
    }
}

/// How the system is reset.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reset {
    pub(crate) target: String,
    /// Empty when not listed, which does not mean that there are none.
    pub(crate) types: Vec<String>,
    /// A missing list is no refusal.
    pub(crate) unlisted_may_be_tried: bool,
}

impl Reset {
    pub(crate) fn may(&self, reset_type: &str) -> bool {
        (self.types.is_empty() && self.unlisted_may_be_tried)
            || self.types.iter().any(|listed| listed == reset_type)
    }
}

/// How this system is reset, if it can be.
pub(super) async fn reset(walk: &mut Walk<'_>, system: &System) -> Result<Option<Reset>, Error> {
    let Some(action) = &system.reset else {
        return Ok(None);
    };
    let mut parameters = action.inline.clone();
    let rules = walk.rules();
    if parameters.allowed("ResetType").is_empty()
        && rules.has(Rule::ResetTypesMayStandInTheActionInfo)
        && let Some(info) = &action.info
        && let Some(info) = walk.read(info).await?
    {
        parameters = parameters.or(Parameters::read(&info));
    }
    Ok(Some(Reset {
        target: action.target.clone(),
        types: parameters.allowed("ResetType").to_vec(),
        unlisted_may_be_tried: rules.has(Rule::MissingResetTypesAreNoRefusal),
    }))
}
