// SPDX-License-Identifier: AGPL-3.0-or-later
//! One log event and one record for each exchange.

use tracing::{debug, info, warn};

use crate::contract::observe::CallRecord;

/// Logs an exchange: what failed as a warning, what changes a BMC or is refused as information
/// (many BMCs refuse the first form of a request), the rest for debugging only, since a fleet is
/// read all the time.
pub(crate) fn log(record: &CallRecord) {
    let failed = record.failure.is_some() || record.code.is_some_and(|code| code >= 500);
    let quiet = record.method == "GET" && record.code.is_some_and(|code| code < 400);
    let code = record.code_label();
    let duration_ms = u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX);
    macro_rules! event {
        ($level:ident) => {
            $level!(
                bmc = record.bmc,
                vendor = record.vendor,
                op = record.op.label(),
                method = record.method,
                resource = record.resource,
                code,
                duration_ms,
                attempt = record.attempt,
                correlation_id = %record.correlation,
                "redfish call"
            )
        };
    }
    if failed {
        event!(warn);
    } else if quiet {
        event!(debug);
    } else {
        event!(info);
    }
}
