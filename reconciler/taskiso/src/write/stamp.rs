// SPDX-License-Identifier: AGPL-3.0-or-later
//! The one time of a volume in the two forms of ECMA-119, always UTC.

use jiff::Timestamp;
use jiff::tz::Offset;

/// A moment as directory records (9.1.5) and volume descriptors (8.4.26.1) hold it.
pub(crate) struct Stamp {
    /// Years since 1900, month, day, hour, minute, second, offset from UTC.
    pub(super) short: [u8; 7],
    /// `YYYYMMDDhhmmsscc` in digits, then the offset from UTC.
    pub(super) long: [u8; 17],
}

impl Stamp {
    /// The moment `epoch` seconds after 1970, or nothing behind the year 2155, where the year of a
    /// directory record ends.
    pub(crate) fn from_epoch(epoch: u64) -> Option<Self> {
        let timestamp = Timestamp::from_second(i64::try_from(epoch).ok()?).ok()?;
        let t = Offset::UTC.to_datetime(timestamp);
        let year = u8::try_from(t.year() - 1900).ok()?;
        // Seconds counted from 1970 are never negative, nor is any field of a civil time.
        let parts = [t.month(), t.day(), t.hour(), t.minute(), t.second()].map(i8::unsigned_abs);
        let [month, day, hour, minute, second] = parts;
        let digits = format!("{:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00\0", t.year());
        Some(Self {
            short: [year, month, day, hour, minute, second, 0],
            long: digits.as_bytes().try_into().ok()?,
        })
    }
}

/// The long form of "not specified" (8.4.26.1).
pub(super) const UNSPECIFIED: &[u8; 17] = b"0000000000000000\0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_come_out_as_the_standard_writes_them() {
        for (epoch, short, long) in [
            (0, [70, 1, 1, 0, 0, 0, 0], "1970010100000000\0"),
            (1_700_000_000, [123, 11, 14, 22, 13, 20, 0], "2023111422132000\0"),
            (1_709_208_000, [124, 2, 29, 12, 0, 0, 0], "2024022912000000\0"),
            (5_869_583_999, [255, 12, 31, 23, 59, 59, 0], "2155123123595900\0"),
        ] {
            let stamp = Stamp::from_epoch(epoch).expect("in range");
            assert_eq!(stamp.short, short);
            assert_eq!(stamp.long, long.as_bytes());
        }
    }

    #[test]
    fn moments_behind_2155_have_no_form() {
        for epoch in [5_869_584_000, 253_402_300_800, i64::MAX as u64, u64::MAX] {
            assert!(Stamp::from_epoch(epoch).is_none(), "{epoch}");
        }
    }
}
