// SPDX-License-Identifier: AGPL-3.0-or-later
//! Somebody who stands between a request and what it brings about: for tests that kill the client at exactly that
//! moment.
//!
//! Guarantees: every request that changes something is shown twice, before anything of it is done and after all of it
//! is, and waits as long as the witness does. A client that is gone meanwhile changes nothing about that: a BMC that
//! took a request carries it out.

use async_trait::async_trait;

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// All of it has arrived, and nothing of it is done.
    Before,
    /// It is done, and nobody was answered.
    After,
}

/// A request that changes something.
#[derive(Clone, Debug)]
pub struct Deed {
    /// Index of the BMC in its farm.
    pub bmc: usize,
    /// Method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Its body, secrets taken out.
    pub body: Option<serde_json::Value>,
}

/// Who stands there.
#[async_trait]
pub trait Witness: Send + Sync {
    /// A request is at this point; it goes on when this returns.
    async fn sees(&self, moment: Moment, deed: &Deed);
}
