// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every call to the BMC, in order, as the report has them.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use shoal_redfish::{CallObserver, CallRecord, Op};

/// Calls that are kept: discovery and one trial stay far below, a BMC that makes us ask for ever does not.
const MOST: usize = 5000;

/// One call.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Call {
    /// Number of the call; log lines of the same name carry it too.
    pub(super) correlation: u64,
    /// When the answer was complete.
    pub(super) at: jiff::Timestamp,
    /// What it belongs to.
    pub(super) operation: &'static str,
    pub(super) method: &'static str,
    /// Without a query; session ids are replaced.
    pub(super) path: String,
    /// The status, or a word for what happened instead.
    pub(super) answer: String,
    pub(super) milliseconds: u64,
    /// 1 for the first try.
    pub(super) attempt: u32,
    #[serde(skip)]
    pub(super) op: Op,
    #[serde(skip)]
    pub(super) code: Option<u16>,
}

impl Call {
    pub(super) fn is_success(&self) -> bool {
        self.code.is_some_and(|code| (200..300).contains(&code))
    }
}

/// Keeps the calls of one check.
pub(super) struct Calls {
    now: fn() -> jiff::Timestamp,
    kept: Mutex<Vec<Call>>,
}

impl Calls {
    pub(super) fn new(now: fn() -> jiff::Timestamp) -> Self {
        Self { now, kept: Mutex::default() }
    }

    /// Those so far.
    pub(super) fn list(&self) -> Vec<Call> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl CallObserver for Calls {
    fn call(&self, record: &CallRecord) {
        let call = Call {
            correlation: record.correlation.number(),
            at: (self.now)(),
            operation: record.op.label(),
            method: record.method,
            path: record.resource.clone(),
            answer: record.code_label(),
            milliseconds: u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX),
            attempt: record.attempt,
            op: record.op,
            code: record.code,
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST {
            kept.push(call);
        }
    }
}
