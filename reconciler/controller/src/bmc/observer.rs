// SPDX-License-Identifier: AGPL-3.0-or-later
//! Counts BMC calls.

use shoal_redfish::{CallObserver, CallRecord};

use crate::metrics::Metrics;

/// Puts every exchange with a BMC into the metrics.
pub(super) struct MetricsObserver {
    metrics: Metrics,
}

impl MetricsObserver {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics }
    }
}

impl CallObserver for MetricsObserver {
    fn call(&self, record: &CallRecord) {
        self.metrics.redfish_call(
            record.op.label(),
            record.vendor,
            &record.code_label(),
            record.duration,
            record.attempt > 1,
        );
    }
}
