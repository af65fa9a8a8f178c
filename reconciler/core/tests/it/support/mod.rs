// SPDX-License-Identifier: AGPL-3.0-or-later
//! Small fleets, records and jobs for tests.

pub(crate) mod jobs;
pub(crate) mod world;

use shoal_schema::disk::DiskFacts;

/// 2026-01-01T00:00:00Z and so many seconds.
pub(crate) fn at(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_767_225_600 + seconds).expect("a time that fits")
}

/// A disk of 480 GB by serial and kernel name.
pub(crate) fn disk(serial: &str, path: &str) -> DiskFacts {
    DiskFacts {
        path: path.to_owned(),
        serial: Some(serial.to_owned()),
        wwn: None,
        size_bytes: 480_000_000_000,
        rotational: Some(false),
    }
}
