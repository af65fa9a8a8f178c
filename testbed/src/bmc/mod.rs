// SPDX-License-Identifier: AGPL-3.0-or-later
//! Emulated BMCs: stateful Redfish over real HTTP and HTTPS.
//!
//! # Expected flow
//!
//! A [`Farm`] is started from a list of [`BmcConfig`]s: a [`profiles::Profile`] (which model), an [`Identity`] (which
//! machine), [`Credentials`], and a [`Machine`] that boots. Clients talk Redfish to the farm's addresses; tests look at
//! [`BmcHandle::state`] and [`BmcHandle::log`], or at the control endpoint, for what really happened.
//!
//! # Guarantees
//!
//! * Nothing but state is kept per BMC; resources are rendered when asked for.
//! * An image that is inserted is really fetched from its URL, and so is everything that the machine reads of it.
//! * Time comes from a [`Clock`]; tokens and faults from the seed.
//!
//! # Caveats
//!
//! One account per BMC, read-only account service, tasks for insertions and ejections alone, no events, no update
//! service.

mod auth;
mod boot;
mod clock;
mod config;
mod control;
mod errors;
mod etag;
mod farm;
mod handlers;
mod insert_body;
mod instance;
mod log;
mod machine;
mod media;
mod medium;
mod oem;
mod patch;
mod power;
pub mod profiles;
mod reply;
mod resources;
mod routes;
mod service;
mod state;
mod tasks;
mod witness;

pub use clock::{Clock, ManualClock, Sleep, TokioClock};
pub use config::{BmcConfig, Credentials, Disk, Identity, Password};
pub use farm::{BmcHandle, Farm, FarmConfig, FarmError};
pub use log::{AuthKind, Event, LogFileError, Record, RequestRecord, What};
pub use machine::{
    AfterShutdown, AttachedMedium, BootDevice, BootMode, BootPlan, BootProgress, Host, Machine, MediumKind,
    NullMachine, StopCause, Told,
};
pub use medium::{MediumError, MediumReader};
pub use state::{Counters, Enabled, OverrideSnapshot, Power, SlotSnapshot, Snapshot};
pub use witness::{Deed, Moment, Witness};
