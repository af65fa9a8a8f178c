// SPDX-License-Identifier: AGPL-3.0-or-later
//! The system clock.

use std::io;

use jiff::Timestamp;
use rustix::time::{ClockId, Timespec, clock_settime};

/// Sets the system clock. Needs root.
pub(super) fn set(time: Timestamp) -> io::Result<()> {
    let nanoseconds = i64::from(time.subsec_nanosecond());
    // Before 1970 the fraction counts backwards; no controller lives there.
    if time.as_second() < 0 || nanoseconds < 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the time is before 1970"));
    }
    let time = Timespec { tv_sec: time.as_second(), tv_nsec: nanoseconds };
    clock_settime(ClockId::Realtime, time).map_err(io::Error::from)
}
