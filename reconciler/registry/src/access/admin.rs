// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who may maintain a registry that stands alone. Inside the controller its own roles decide instead.

use std::net::SocketAddr;

use http::HeaderMap;

use super::{Access, Caller, Refusal, site};
use crate::audit::{self, Who};
use crate::policy::Right;

impl Access {
    /// Whether this request may maintain the registry: with accounts, an account that a rule allows
    /// `admin`; without accounts, whoever is on the registry's own machine, rules or no rules.
    pub async fn administer(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<Caller, Refusal> {
        let caller = self.identify(headers, peer).await?;
        let may = match &caller {
            Caller::Anonymous => return Err(Refusal::Unauthorized),
            Caller::Open => site::is_local(headers, peer),
            Caller::Account(_) => self.rules().policy.administers(&caller),
            Caller::Job(_) => false,
        };
        if may {
            return Ok(caller);
        }
        audit::denied(&Who { caller: &caller, peer }, Right::Admin, None);
        Err(Refusal::Denied { who: caller, right: Right::Admin, repository: None })
    }
}
