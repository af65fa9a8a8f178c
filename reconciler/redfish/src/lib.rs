// SPDX-License-Identifier: AGPL-3.0-or-later
//! A Redfish client that believes nothing until it has read it back.
//!
//! # Expected flow
//! [`RedfishBmc::connect`] logs in and discovers; the operations of [`Bmc`] bring the machine
//! where the caller wants it; [`Bmc::close`] ends the session. What was discovered can be kept
//! and taken up again with [`RedfishBmc::resume`], so that a sweep costs a few small reads.
//!
//! # Guarantees
//! * Every write is read back; a 2xx alone is no success.
//! * One request at a time per BMC, retries within bounds, a breaker for dead ones.
//! * Sessions are closed on every exit path that ends in `close`, and as well as possible
//!   otherwise. A rejected password is never tried twice.
//! * A hostile BMC costs a bounded amount of memory, time and requests.
//! * No credential, token or capability is in an error, a log or a record of a call.
//!
//! # What it does not do
//! It decides no order and no permission, reads no environment and no clock but tokio's, and
//! makes no randomness: see [`Wiring`].

mod contract;
mod discovery;
mod model;
mod operate;
mod rules;
#[doc(hidden)]
pub mod testing;
mod wire;

pub use contract::bmc::{Bmc, Effect, PowerOff};
pub use contract::credentials::{Credentials, CredentialsInUse};
pub use contract::discovered::{BootFacts, Discovered, Facts, ImageSchemes, InsertVia, MediaFacts, Rung};
pub use contract::endpoint::{BmcEndpoint, Budgets, IdentityHint, RetryPolicy, Timeouts, TlsTrust};
pub use contract::error::{Cause, Error, ErrorKind};
pub use contract::image::{ImageKind, ImageRef, MediaUrl};
pub use contract::observe::{CallObserver, CallRecord, Correlation, Op, Unobserved};
pub use contract::preflight::Obstacle;
pub use contract::state::{BmcState, BootOverride, PowerState, SlotState};
pub use contract::warning::{About, Warning};
pub use discovery::Discovery;
pub use operate::RedfishBmc;
pub use rules::{Carrier, HABITS, Habit, MAKERS, MakerRow, Proof, Rule, RuleFacts, Rules};
pub use wire::breaker::{CircuitBreaker, Open};
pub use wire::lane::Lane;
pub use wire::tls::{BadFingerprint, Fingerprint};
pub use wire::wiring::Wiring;
