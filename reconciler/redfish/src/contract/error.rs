// SPDX-License-Identifier: AGPL-3.0-or-later
//! How operations fail: which operation, which BMC, which resource, and why, with what an
//! operator can do about it (see `hints`).
//!
//! # Guarantees
//! No credential, token or capability is in any of these: texts that came from a BMC went
//! through `wire::redact` before they got here.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::image::MediaUrl;
use super::observe::{Correlation, Op};
use crate::wire::tls::Fingerprint;

/// A failed operation.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    op: Op,
    bmc: String,
    resource: Option<String>,
    kind: ErrorKind,
    call: Option<Correlation>,
}

impl Error {
    /// For implementations of `Bmc`. `bmc` is host and port, `resource` a URI on it.
    pub fn new(op: Op, bmc: impl Into<String>, resource: Option<String>, kind: ErrorKind) -> Self {
        Self(Box::new(Inner { op, bmc: bmc.into(), resource, kind, call: None }))
    }

    /// The same, with the last exchange before it.
    pub(crate) fn after(mut self, call: Option<Correlation>) -> Self {
        self.0.call = call;
        self
    }

    /// The last exchange before it, by which its log line is found.
    pub fn call(&self) -> Option<Correlation> {
        self.0.call
    }

    /// The operation that failed.
    pub fn op(&self) -> Op {
        self.0.op
    }

    /// Host and port of the BMC.
    pub fn bmc(&self) -> &str {
        &self.0.bmc
    }

    /// The resource it failed on, if it was one.
    pub fn resource(&self) -> Option<&str> {
        self.0.resource.as_deref()
    }

    /// Why.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What an operator can do.
    pub fn hint(&self) -> &'static str {
        self.0.kind.hint()
    }

    /// Whether the same operation may succeed later without a human.
    pub fn retryable(&self) -> bool {
        self.0.kind.retryable()
    }

    /// The step key that a job records.
    pub fn step_key(&self) -> &'static str {
        self.0.op.step_key()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} on {}", self.0.op, self.0.bmc)?;
        if let Some(resource) = &self.0.resource {
            write!(f, " ({resource})")?;
        }
        write!(f, ": {}", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.kind.source()
    }
}

/// The cause of a failure below HTTP.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    // --- Reaching it ---------------------------------------------------------------------
    /// No connection, or it broke.
    #[error("the bmc cannot be reached")]
    Unreachable {
        /// What happened below.
        #[source]
        source: Cause,
    },
    /// No whole answer in time.
    #[error("no answer within {} ms", .after.as_millis())]
    Timeout {
        /// The limit of one request.
        after: Duration,
    },
    /// The breaker of this BMC is open: it failed too often just now.
    #[error("not tried: the bmc failed again and again, with {last} the last time; next try in {} s", .retry_in.as_secs())]
    CircuitOpen {
        /// When the next try is let through.
        retry_in: Duration,
        /// How the last request failed, in one word.
        last: &'static str,
    },
    /// The certificate is not the one that is pinned or was seen first.
    #[error("the certificate changed: expected {expected}, seen {seen}")]
    CertificateChanged {
        /// SHA-256 of the certificate that was expected.
        expected: Fingerprint,
        /// SHA-256 of the certificate that was presented.
        seen: Fingerprint,
    },
    /// No CA that is trusted signed the certificate, or its name or dates do not fit.
    #[error("the certificate is not trusted (sha-256 {seen})")]
    CertificateUntrusted {
        /// SHA-256 of the certificate that was presented.
        seen: Fingerprint,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The endpoint's own settings cannot be used.
    #[error("the endpoint cannot be used: {why}")]
    BadEndpoint {
        /// What is wrong with them.
        why: String,
    },
    /// `close` was called before.
    #[error("the client is closed")]
    Closed,

    // --- What answers is not what it should be -------------------------------------------
    /// What answers does not speak Redfish.
    #[error("not a redfish service: {why}")]
    NotRedfish {
        /// What gave it away.
        why: String,
    },
    /// An answer above the limit was cut off.
    #[error("an answer of more than {limit} bytes")]
    AnswerTooLarge {
        /// Bytes that are read at most.
        limit: usize,
    },
    /// Redirects without end, or to another host.
    #[error("a redirect that is not followed: {why}")]
    BadRedirect {
        /// Why not.
        why: String,
    },
    /// A link that leaves the BMC or is no link.
    #[error("a link that is not followed")]
    BadLink,
    /// Discovery met more resources than any BMC has.
    #[error("more than {limit} resources were linked")]
    TooManyResources {
        /// Resources that are read at most.
        limit: usize,
    },

    // --- Who we are, and which machine it is ----------------------------------------------
    /// User or password are wrong, or the account is locked. Not tried again: BMCs lock accounts.
    #[error("the credentials were rejected")]
    CredentialsRejected,
    /// The account may not do this.
    #[error("the account may not do this: {message}")]
    Forbidden {
        /// The BMC's words.
        message: String,
    },
    /// Every session of the BMC is taken.
    #[error("the bmc has no free session: {message}")]
    SessionsExhausted {
        /// The BMC's words.
        message: String,
    },
    /// The selector names no system.
    #[error("no system is named `{selector}`; there are: {}", .candidates.join(", "))]
    NoSuchSystem {
        /// What was asked for.
        selector: String,
        /// URIs, with serial numbers where known.
        candidates: Vec<String>,
    },
    /// Several systems could be meant, or none that can be started.
    #[error("which system is meant is not clear; there are: {}", .candidates.join(", "))]
    AmbiguousSystem {
        /// URIs, with serial numbers where known.
        candidates: Vec<String>,
    },
    /// The machine is not the one that the inventory names.
    #[error("this is another machine: {property} is {seen}, expected {expected}")]
    WrongMachine {
        /// `serial number` or `uuid`.
        property: &'static str,
        /// As in the inventory.
        expected: String,
        /// As on the BMC.
        seen: String,
    },

    // --- What the BMC cannot or will not do -----------------------------------------------
    /// A licence is missing.
    #[error("a licence is missing: {message}")]
    LicenceMissing {
        /// The BMC's words.
        message: String,
    },
    /// Virtual media are switched off.
    #[error("virtual media are disabled: {message}")]
    VirtualMediaDisabled {
        /// The BMC's words.
        message: String,
    },
    /// Something else is in the slot, or somebody else is connected to it.
    #[error("the slot is occupied{}", shown(.image.as_ref()))]
    SlotOccupied {
        /// What is in it, if the BMC says so.
        image: Option<MediaUrl>,
    },
    /// As many media are connected as the BMC can hold, of whichever slot.
    #[error("every virtual media connection of the bmc is in use: {message}")]
    MediaConnectionsInUse {
        /// The BMC's words.
        message: String,
    },
    /// Changes of configuration wait for a restart, or a job makes some just now.
    #[error("changes of configuration are pending: {message}")]
    ConfigurationPending {
        /// The BMC's words.
        message: String,
    },
    /// No such slot.
    #[error("the bmc has no such slot")]
    UnknownSlot,
    /// The slot takes no image from a URL.
    #[error("the slot takes no image from a url")]
    NoInsertRoute,
    /// The machine would not see this kind of image in that slot.
    #[error("the slot is for {slot}, the image is {kind}")]
    WrongImageKind {
        /// Of the image.
        kind: &'static str,
        /// What the slot is for.
        slot: String,
    },
    /// The slot does not take this kind of address.
    #[error("the bmc takes no `{scheme}` image; it takes {offered}")]
    UnsupportedImageScheme {
        /// Of the image.
        scheme: String,
        /// What it takes instead.
        offered: String,
    },
    /// The BMC could not read the image at its address.
    #[error("the bmc could not read the image: {message}")]
    ImageUnreadable {
        /// The BMC's words.
        message: String,
    },
    /// The address has a form that this BMC refuses.
    #[error("the bmc does not take this image address: {why}")]
    UnsupportedImageUrl {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The firmware is in a boot mode in which our medium does not start.
    #[error("the boot mode is {mode}, and changing it is not safe here")]
    WrongBootMode {
        /// The current mode.
        mode: String,
    },
    /// No allowable boot target starts from our medium.
    #[error("no boot target starts from virtual media; allowed are: {}", .allowed.join(", "))]
    NoBootTarget {
        /// What the BMC lists.
        allowed: Vec<String>,
    },
    /// The system cannot be reset over Redfish.
    #[error("the system has no reset action")]
    NoResetAction,

    // --- What came of it --------------------------------------------------------------------
    /// The BMC said yes, and nothing happened.
    #[error("the bmc accepted it, but it did not take effect: wanted {wanted}, seen {seen}")]
    NoEffect {
        /// What was to be seen.
        wanted: String,
        /// What was seen last.
        seen: String,
    },
    /// The task that the BMC made for it failed.
    #[error("the bmc's task ended as {state}: {message}")]
    TaskFailed {
        /// `TaskState`.
        state: String,
        /// The BMC's words.
        message: String,
    },
    /// Not now: the machine is in POST, the BMC is starting, too many requests.
    #[error("the bmc is busy (http {status}): {message}")]
    Busy {
        /// HTTP status.
        status: u16,
        /// The BMC's words.
        message: String,
    },
    /// The resource is not there.
    #[error("the resource is not there")]
    NotFound,
    /// Refused for a reason that is not known to us.
    #[error("refused (http {status}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The BMC's words.
        message: String,
    },
    /// The BMC failed (5xx).
    #[error("the bmc failed (http {status}): {message}")]
    ServerFault {
        /// HTTP status.
        status: u16,
        /// The BMC's words.
        message: String,
    },
}

fn shown(image: Option<&MediaUrl>) -> String {
    image.map_or_else(String::new, |image| format!(" by {image}"))
}

impl ErrorKind {
    /// Whether the same operation may succeed later without a human.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::CircuitOpen { .. }
            | Self::SessionsExhausted { .. }
            | Self::MediaConnectionsInUse { .. }
            | Self::ConfigurationPending { .. }
            | Self::ImageUnreadable { .. }
            | Self::NoEffect { .. }
            | Self::TaskFailed { .. }
            | Self::Busy { .. }
            | Self::ServerFault { .. } => true,
            Self::CertificateChanged { .. }
            | Self::CertificateUntrusted { .. }
            | Self::BadEndpoint { .. }
            | Self::Closed
            | Self::NotRedfish { .. }
            | Self::AnswerTooLarge { .. }
            | Self::BadRedirect { .. }
            | Self::BadLink
            | Self::TooManyResources { .. }
            | Self::CredentialsRejected
            | Self::Forbidden { .. }
            | Self::NoSuchSystem { .. }
            | Self::AmbiguousSystem { .. }
            | Self::WrongMachine { .. }
            | Self::LicenceMissing { .. }
            | Self::VirtualMediaDisabled { .. }
            | Self::SlotOccupied { .. }
            | Self::UnknownSlot
            | Self::NoInsertRoute
            | Self::WrongImageKind { .. }
            | Self::UnsupportedImageScheme { .. }
            | Self::UnsupportedImageUrl { .. }
            | Self::WrongBootMode { .. }
            | Self::NoBootTarget { .. }
            | Self::NoResetAction
            | Self::NotFound
            | Self::Refused { .. } => false,
        }
    }

    /// Whether the BMC could not be talked to at all, as against having said no.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::CircuitOpen { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_operation_bmc_resource_and_reason() {
        let error = Error::new(
            Op::Eject,
            "10.0.0.7",
            Some("/redfish/v1/Managers/1/VirtualMedia/2".to_owned()),
            ErrorKind::NoEffect { wanted: "an empty slot".to_owned(), seen: "Inserted true".to_owned() },
        );
        assert_eq!(
            error.to_string(),
            "cannot eject on 10.0.0.7 (/redfish/v1/Managers/1/VirtualMedia/2): the bmc accepted it, \
             but it did not take effect: wanted an empty slot, seen Inserted true"
        );
        assert_eq!(error.step_key(), "redfish.cleanup.unmount");
        assert!(error.retryable());
    }

    #[test]
    fn an_occupied_slot_is_named_without_its_capability() {
        let secret = "c2VjcmV0LWNhcGFiaWxpdHktMTIz";
        let kind =
            ErrorKind::SlotOccupied { image: Some(MediaUrl::new(format!("http://h/media/{secret}/a.iso"))) };
        assert!(!kind.to_string().contains(secret));
        assert!(kind.to_string().contains("a.iso"));
    }
}
