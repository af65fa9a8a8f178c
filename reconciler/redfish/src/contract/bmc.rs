// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an executor needs of a BMC.
//!
//! # Guarantees
//! Every operation is an "ensure": it reads first, writes only when the world is not yet as
//! wanted, and then reads back until the effect shows or its budget is over. Repeating one
//! after a crash is harmless. No operation resets a running machine as a side effect.
//!
//! # Assumptions
//! The caller decides order and permission. `close` is called on every exit path.

use std::time::Duration;

use async_trait::async_trait;

use super::discovered::Discovered;
use super::error::Error;
use super::image::{ImageRef, MediaUrl};
use super::state::BmcState;
use crate::wire::tls::Fingerprint;

/// Whether an operation had to change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The world was as wanted. Nothing was written, except that an empty slot may have been
    /// ejected to make sure.
    AlreadySo,
    /// It was written, and read back.
    Changed,
}

/// How a machine came to be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerOff {
    /// It was off; nothing was written.
    AlreadyOff,
    /// Its operating system shut it down.
    Graceful,
    /// It was cut off.
    Forced,
}

/// One BMC, discovered and reachable.
#[async_trait]
pub trait Bmc: Send + Sync {
    /// What discovery found.
    fn discovered(&self) -> &Discovered;

    /// One small look: the system and the chosen slots, nothing else.
    async fn read_state(&self) -> Result<BmcState, Error>;

    /// Graceful shutdown for at most `graceful` (zero skips it), then force off. Returns when
    /// the BMC says `Off`.
    async fn ensure_power_off(&self, graceful: Duration) -> Result<PowerOff, Error>;

    /// `On`, the one power action that is harmless when repeated. Returns when the BMC says
    /// that the machine is on or powering on.
    async fn ensure_power_on(&self) -> Result<Effect, Error>;

    /// Ejects whatever is in `slot` (a URI out of [`Discovered::media`]), stale claims of the
    /// BMC included. An empty slot is success.
    async fn eject(&self, slot: &str) -> Result<Effect, Error>;

    /// Ejects task slot and boot slot. Both are tried, the first error is returned.
    async fn eject_ours(&self) -> Result<Effect, Error> {
        let found = self.discovered();
        let mut effect = Effect::AlreadySo;
        let mut failed = None;
        for slot in [found.task_slot.clone(), found.boot_slot.clone()].into_iter().flatten() {
            match self.eject(&slot).await {
                Ok(Effect::AlreadySo) => {}
                Ok(Effect::Changed) => effect = Effect::Changed,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(effect), Err)
    }

    /// Puts `image` into `slot` and reads it back. The same image already there is success
    /// (`AlreadySo`): a caller that must not trust it ejects first. Another image there is
    /// `SlotOccupied`.
    async fn insert(&self, slot: &str, image: &ImageRef) -> Result<Effect, Error>;

    /// Boot from our medium at the next start, once. Sets target, enabled and, where the BMC
    /// has it, mode.
    async fn set_boot_once_cd(&self) -> Result<Effect, Error> {
        self.set_boot_once_cd_by(0).await
    }

    /// As [`Bmc::set_boot_once_cd`], by another of the targets that may start our medium: for one
    /// more than there are, by the first again. A BMC may list a target that starts nothing.
    async fn set_boot_once_cd_by(&self, way: usize) -> Result<Effect, Error>;

    /// Boot `image` over HTTP at the next start, once: for machines without a slot, whose
    /// firmware fetches an image by itself. The image is one composed out of maintenance OS and
    /// task data, as for a single slot.
    async fn set_boot_once_http(&self, image: &MediaUrl) -> Result<Effect, Error>;

    /// No boot override any more, and no address of ours in it.
    async fn clear_boot_override(&self) -> Result<Effect, Error>;

    /// The certificate that it showed, where it showed one.
    fn certificate(&self) -> Option<Fingerprint> {
        None
    }

    /// `BootProgress.LastState`, where the BMC has it.
    async fn boot_progress(&self) -> Result<Option<String>, Error>;

    /// Ends the session on the BMC. May be called more than once; later calls of other
    /// operations fail with `Closed`.
    async fn close(&self) -> Result<(), Error>;
}
