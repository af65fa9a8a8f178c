// SPDX-License-Identifier: AGPL-3.0-or-later
//! Faults as data.
//!
//! A [`FaultPlan`] is a list of rules, read from YAML or JSON. A rule says which BMC, method and path it is for, how
//! often it fires, and what then goes wrong. [`Injector`] keeps one BMC's counters and decides per request.
//!
//! Guarantees: the same plan, seed and order of requests give the same faults; counters are kept per BMC.
//! It decides only; the request pipeline of the BMC carries the [`Effects`] out.
//!
//! ```yaml
//! rules:
//!   - name: busy data sources
//!     bmc: [0, 3]                      # default: all
//!     methods: [GET]                   # default: any
//!     path: /redfish/v1/Systems/**     # * is one segment or part of it, ** any number; default: any path
//!     after: 2                         # let the first two matches pass
//!     count: 3                         # then fire three times
//!     every: 10                        # and all that again after ten matches; default: once
//!     probability: 0.5                 # each with this chance; default 1
//!     fault: {kind: status, status: 503, retry_after: 1}
//! ```

mod glob;
mod injector;
mod rule;

pub(crate) use injector::SplitMix;
pub use injector::{Effects, Injector};
pub use rule::{FaultError, FaultKind, FaultPlan, FaultRule, Why};
