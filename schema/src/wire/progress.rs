// SPDX-License-Identifier: AGPL-3.0-or-later
//! How far a machine is with its installation; a courtesy that nothing depends on.
//!
//! `POST /api/v1/jobs/{id}/progress` with the job's token as `Authorization: Bearer`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest `boot_id` and `step`, in bytes.
pub const WORD_LIMIT: usize = 64;

/// The largest number: what every reader of JSON can tell from its neighbours.
pub const NUMBER_LIMIT: u64 = (1 << 53) - 1;

/// Where the work on a machine stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgressBody {
    /// The attempt that the task medium names.
    pub attempt: u32,
    /// The kernel's random id of the boot that has the permit.
    #[schemars(length(min = 1, max = 64))]
    pub boot_id: String,
    /// The step that runs, such as `image-linux`.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    pub step: String,
    /// Compressed bytes that came so far.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub bytes: u64,
    /// Compressed bytes in all; 0 where nobody said.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub total: u64,
    /// Bytes that were written so far.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub written: u64,
    /// Compressed bytes a second, of late.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub rate: u64,
    /// The step is done.
    pub done: bool,
}

impl ProgressBody {
    /// What is wrong with it, if anything.
    pub fn problem(&self) -> Option<&'static str> {
        let in_step = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let numbers = [self.bytes, self.total, self.written, self.rate];
        if self.boot_id.is_empty() || self.boot_id.len() > WORD_LIMIT {
            Some("boot_id must have 1 to 64 bytes")
        } else if self.step.is_empty() || self.step.len() > WORD_LIMIT || !self.step.bytes().all(in_step) {
            Some("step must have 1 to 64 lower-case letters, digits and hyphens")
        } else if numbers.iter().any(|number| *number > NUMBER_LIMIT) {
            Some("bytes, total, written and rate must be below 2^53")
        } else {
            None
        }
    }
}

/// The controller's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgressAnswer {
    /// Always true.
    pub ok: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> ProgressBody {
        ProgressBody {
            attempt: 1,
            boot_id: "b".repeat(64),
            step: "image-linux".to_owned(),
            bytes: NUMBER_LIMIT,
            total: 0,
            written: 0,
            rate: 0,
            done: false,
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(body().problem(), None);
        for bad in [
            ProgressBody { boot_id: String::new(), ..body() },
            ProgressBody { boot_id: "b".repeat(65), ..body() },
            ProgressBody { step: String::new(), ..body() },
            ProgressBody { step: "s".repeat(65), ..body() },
            ProgressBody { step: "Image\u{1b}[31m".to_owned(), ..body() },
            ProgressBody { rate: NUMBER_LIMIT + 1, ..body() },
        ] {
            assert!(bad.problem().is_some(), "{bad:?}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let mut value = serde_json::to_value(body()).unwrap();
        value["more"] = true.into();
        assert!(serde_json::from_value::<ProgressBody>(value).is_err());
    }
}
