// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where a BMC is, whom to trust there, and how patient to be.

use std::time::Duration;

use url::Url;

use super::credentials::Credentials;
use crate::wire::tls::Fingerprint;

/// Everything needed to reach one BMC.
#[derive(Clone, Debug)]
pub struct BmcEndpoint {
    /// Scheme, host and port, for example `https://10.0.0.7`. The path is ignored: Redfish
    /// always starts at `/redfish/v1/`.
    pub url: Url,
    /// Whose certificate is believed.
    pub tls: TlsTrust,
    /// Account on the BMC.
    pub credentials: Credentials,
    /// Limits for one request.
    pub timeouts: Timeouts,
    /// How often and how slowly one request is tried again.
    pub retry: RetryPolicy,
    /// How long an effect may take to show after it was asked for.
    pub budgets: Budgets,
    /// Which system, where a BMC has several: its URI, `Id`, `Name`, serial number or UUID.
    pub system: Option<String>,
    /// What the inventory says the machine is.
    pub identity: IdentityHint,
}

impl BmcEndpoint {
    /// An endpoint with the default limits, no system selector and no identity hint.
    pub fn new(url: Url, tls: TlsTrust, credentials: Credentials) -> Self {
        Self {
            url,
            tls,
            credentials,
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            budgets: Budgets::default(),
            system: None,
            identity: IdentityHint::default(),
        }
    }
}

/// Whose certificate is believed. Ignored for `http://` addresses.
#[derive(Clone, Debug)]
pub enum TlsTrust {
    /// The CA bundle of the operating system.
    SystemRoots,
    /// These CAs only: one or more certificates in PEM.
    CaPem(String),
    /// Exactly this leaf certificate, whatever it says about names and dates.
    Pinned(Fingerprint),
    /// The certificate seen earlier, or, with none known, the first one seen. The one in use
    /// is found with `RedfishBmc::certificate`; the caller keeps it and hands it in next time.
    FirstUse {
        /// What an earlier connection saw.
        known: Option<Fingerprint>,
    },
    /// Any certificate. A loud opt-in of the operator.
    Insecure,
}

/// Limits for one request.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// TCP and TLS set-up.
    pub connect: Duration,
    /// One whole request, body of the answer included.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), request: Duration::from_secs(30) }
    }
}

/// How often and how slowly one request is tried again.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Requests in all, the first one included. At least one is made.
    pub tries: u32,
    /// Pause before the second try; doubles from there.
    pub first_pause: Duration,
    /// The longest pause that doubling leads to.
    pub longest_pause: Duration,
    /// The longest `Retry-After` that is honoured; a BMC that asks for more is tried then.
    pub longest_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(8),
            longest_retry_after: Duration::from_secs(60),
        }
    }
}

/// How long an effect may take to show after it was asked for. An answer of 2xx proves
/// nothing: the resource is read until it shows the effect or this time is over.
#[derive(Clone, Copy, Debug)]
pub struct Budgets {
    /// The whole discovery.
    pub discover: Duration,
    /// A medium to appear. Slow BMCs need 15 s; some mount only after reading the image's head.
    pub insert: Duration,
    /// A medium to vanish.
    pub eject: Duration,
    /// A boot override to be visible.
    pub boot: Duration,
    /// A forced power off to be visible.
    pub force_off: Duration,
    /// A power on to be visible.
    pub power_on: Duration,
    /// Pause between two reads while waiting; grows fivefold at most.
    pub poll: Duration,
    /// Pause before a refused or failed write is sent once more.
    pub rewrite: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            discover: Duration::from_secs(300),
            insert: Duration::from_secs(120),
            eject: Duration::from_secs(60),
            boot: Duration::from_secs(60),
            force_off: Duration::from_secs(120),
            power_on: Duration::from_secs(180),
            poll: Duration::from_secs(1),
            rewrite: Duration::from_secs(3),
        }
    }
}

/// What the inventory says the machine is. A contradiction stops every operation.
#[derive(Clone, Debug, Default)]
pub struct IdentityHint {
    /// Serial number; on Dell also the service tag.
    pub serial: Option<String>,
    /// SMBIOS UUID, in either byte order.
    pub uuid: Option<String>,
}
