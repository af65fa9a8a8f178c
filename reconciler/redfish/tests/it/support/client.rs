// SPDX-License-Identifier: AGPL-3.0-or-later
//! A client for a test's server: the product's defaults, with short times.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shoal_redfish::{
    BmcEndpoint, Budgets, CallObserver, CallRecord, Credentials, Lane, RetryPolicy, Timeouts, TlsTrust,
    Unobserved, Wiring,
};
use tokio::sync::Semaphore;

use super::server::Server;

pub(crate) const USER: &str = "operator";
pub(crate) const PASSWORD: &str = "correct-horse-9";

pub(crate) fn endpoint(server: &Server) -> BmcEndpoint {
    let millis = Duration::from_millis;
    BmcEndpoint {
        timeouts: Timeouts { connect: Duration::from_secs(2), request: Duration::from_secs(5) },
        retry: RetryPolicy {
            tries: 5,
            first_pause: millis(1),
            longest_pause: millis(8),
            longest_retry_after: millis(20),
        },
        budgets: Budgets { poll: millis(10), rewrite: millis(20), ..Budgets::default() },
        ..BmcEndpoint::new(
            server.url.clone(),
            TlsTrust::Pinned(server.fingerprint),
            Credentials::new(USER.to_owned(), PASSWORD.to_owned()),
        )
    }
}

/// For tests in which a budget has to run out.
pub(crate) fn hurried(server: &Server) -> BmcEndpoint {
    let millis = Duration::from_millis;
    let endpoint = endpoint(server);
    BmcEndpoint {
        budgets: Budgets {
            insert: millis(300),
            eject: millis(300),
            boot: millis(300),
            force_off: millis(300),
            power_on: millis(300),
            ..endpoint.budgets
        },
        ..endpoint
    }
}

pub(crate) fn wiring() -> Wiring {
    Wiring {
        jitter: Arc::new(|| 0.5),
        correlation: Arc::new(AtomicU64::new(1)),
        observer: Arc::new(Unobserved),
        lane: Arc::new(Lane::default()),
        limit: Arc::new(Semaphore::new(256)),
    }
}

/// Keeps every record.
#[derive(Default)]
pub(crate) struct Recorder(pub(crate) Mutex<Vec<CallRecord>>);

impl CallObserver for Recorder {
    fn call(&self, record: &CallRecord) {
        self.0.lock().unwrap().push(record.clone());
    }
}
