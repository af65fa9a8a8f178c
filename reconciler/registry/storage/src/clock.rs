// SPDX-License-Identifier: AGPL-3.0-or-later
//! Noticing a clock that jumps forward, as one without a battery does: everything would be old at once.
//!
//! Each kind of maintenance that removes what is old remembers when it ran last, as the time of an empty file. A run
//! that finds that long ago removes nothing, and the next one is as usual: by then the time has been set right, or
//! somebody has read the log, or the registry was just off for some days.

use std::error::Error;

use jiff::SignedDuration;

use crate::Storage;
use crate::layout::Place;

/// Runs are hours apart. A clock that is further ahead than this has jumped.
const JUMP: SignedDuration = SignedDuration::from_hours(48);

impl Storage {
    /// Whether the clock went so far since the last run of this kind of maintenance that the run should treat
    /// nothing as old. Unless it is `dry`, remembers this run; failing to is no reason to fail it.
    pub(crate) fn clock_jumped(&self, maintenance: &'static str, dry: bool) -> bool {
        let place = Place::clock(maintenance);
        let now = self.now();
        let last = self.files().stat(&place).ok().flatten().map(|stat| stat.modified);
        let jumped = last.is_some_and(|last| now.duration_since(last) > JUMP);
        if jumped {
            tracing::warn!(
                maintenance, %now, last = last.map(|last| last.to_string()),
                "the clock is more than two days ahead of the last run, so nothing counts as old in this one: \
                 see that the time is right before the next"
            );
        }
        if !dry {
            // Also a time that went back: what it is set to later is what is to be compared with it.
            let noted = self.files().mark(&place).and_then(|_| self.files().touch(&place, now));
            if let Err(error) = noted {
                tracing::warn!(
                    maintenance,
                    error = &error as &dyn Error,
                    "the time of this run could not be written"
                );
            }
        }
        jumped
    }
}
