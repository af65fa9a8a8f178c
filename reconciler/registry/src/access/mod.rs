// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who asks, and what they may do.
//!
//! Expected flow: [`Access::identify()`] turns a request's headers into a [`Caller`], once a request;
//! [`Access::check()`] asks the policy's rules before the storage is looked at.
//!
//! Guarantees:
//! * Answers depend on names and rules alone, never on what is there. So a repository that the caller
//!   may not pull looks the same whether it exists or not: 401 for a caller without an account who could
//!   log in, 403 for everyone else.
//! * Wrong passwords and wrong job tokens are counted by address; who guesses is told to wait.
//! * A job's token opens its one repository for pulling and nothing else, whatever the rules say.
//! * A page in somebody's browser cannot use the registry behind their back.
//! * Accounts and policy are exchanged as one ([`Access::replace()`]): no request sees half of each.
//!   Logins that were remembered end with that, and so does the waiting of addresses that guessed.

mod admin;
mod caller;
mod refusal;
mod site;
mod users;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use shoal_http::login::{self, Credentials, Logins, Refused};
use shoal_oci::RepositoryName;
use zeroize::Zeroizing;

pub use caller::{Caller, JobAccess, JobTokens};
use refusal::CHALLENGE;
pub use refusal::Refusal;
pub use users::{LineFault, Users, UsersError};

use crate::audit::{self, Who};
use crate::metrics::RegistryMetrics;
use crate::policy::{JOB_USER, Policy, Right};

/// Whom the registry lets in.
#[derive(Clone, Debug, Default)]
pub enum RegistryAuth {
    /// Everyone who reaches it.
    #[default]
    None,
    /// Accounts with passwords.
    Basic(Users),
}

/// Who may do what. Shared by all requests.
pub struct Access {
    rules: RwLock<Arc<Rules>>,
    tokens: Option<Arc<dyn JobTokens>>,
    metrics: RegistryMetrics,
}

/// What is exchanged as one.
struct Rules {
    policy: Arc<Policy>,
    /// Names of the accounts; nothing where everyone is let in.
    accounts: Option<BTreeSet<String>>,
    logins: Logins<String>,
}

/// What a request says of who asks.
enum Given {
    Nothing,
    Login(Credentials),
    Token(Zeroizing<String>),
    Other,
}

// === impl Access ===

impl Access {
    /// With these accounts and this policy. `tokens` knows the tokens of jobs, where there are jobs.
    pub fn new(
        auth: RegistryAuth,
        policy: Policy,
        tokens: Option<Arc<dyn JobTokens>>,
        metrics: RegistryMetrics,
    ) -> Self {
        Self { rules: RwLock::new(Arc::new(Rules::new(auth, policy))), tokens, metrics }
    }

    /// Exchanges accounts and policy: what SIGHUP does.
    pub fn replace(&self, auth: RegistryAuth, policy: Policy) {
        let rules = Arc::new(Rules::new(auth, policy));
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.rules().policy)
    }

    /// Who asks. An error where somebody claims to be who they are not; nobody is claimed without
    /// `Authorization`, or with an empty name and password, as some clients send them.
    pub async fn identify(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<Caller, Refusal> {
        if site::is_foreign_page(headers) {
            return Err(Refusal::ForeignPage);
        }
        let rules = self.rules();
        match given(headers) {
            Given::Nothing => Ok(rules.nobody()),
            Given::Token(token) => match &self.tokens {
                Some(tokens) => self.job(&rules, tokens, token, peer).await,
                None if rules.accounts.is_some() => Err(self.wrong("", peer)),
                None => Ok(Caller::Open),
            },
            Given::Login(given) => {
                if given.user.as_str() == JOB_USER
                    && let Some(tokens) = &self.tokens
                {
                    return self.job(&rules, tokens, given.password, peer).await;
                }
                if rules.accounts.is_none() {
                    return Ok(Caller::Open);
                }
                match rules.logins.check(peer.map(|peer| peer.ip()), &given).await {
                    Ok(user) => Ok(Caller::Account(user)),
                    Err(refused) => Err(self.refused(&rules, refused, &given.user, peer)),
                }
            }
            Given::Other if rules.accounts.is_some() => Err(self.wrong("", peer)),
            Given::Other => Ok(Caller::Open),
        }
    }

    /// Whether the caller may do this in that repository.
    pub fn check(
        &self,
        caller: &Caller,
        peer: Option<SocketAddr>,
        right: Right,
        repository: &RepositoryName,
    ) -> Result<(), Refusal> {
        if self.rules().policy.allows(caller, right, repository) {
            return Ok(());
        }
        if *caller == Caller::Anonymous {
            return Err(Refusal::Unauthorized);
        }
        audit::denied(&Who { caller, peer }, right, Some(repository));
        Err(Refusal::Denied { who: caller.clone(), right, repository: Some(repository.clone()) })
    }

    /// Whether the caller may do this, asked for another purpose than to refuse a request: which
    /// repositories a list shows, which one a mount may take from.
    pub fn may(&self, caller: &Caller, right: Right, repository: &RepositoryName) -> bool {
        self.rules().policy.allows(caller, right, repository)
    }

    /// What `GET /v2/` says to the caller. Without an account it is refused, so that clients log in;
    /// where the rules give something to callers without one it is answered. Clients that have an
    /// account then learn from the answer's `WWW-Authenticate` ([`Access::challenge()`]) how to use it.
    pub fn ping(&self, caller: &Caller) -> Result<(), Refusal> {
        if *caller == Caller::Anonymous && !self.rules().policy.allows_something(caller) {
            return Err(Refusal::Unauthorized);
        }
        Ok(())
    }

    /// The `WWW-Authenticate` that belongs on the answer to a caller's ping: skopeo, podman and
    /// buildah send their account to a registry that asked for one there, also with status 200, and
    /// to no other.
    pub fn challenge(&self, caller: &Caller) -> Option<http::HeaderValue> {
        (*caller == Caller::Anonymous).then(|| http::HeaderValue::from_static(CHALLENGE))
    }

    async fn job(
        &self,
        rules: &Rules,
        tokens: &Arc<dyn JobTokens>,
        token: Zeroizing<String>,
        peer: Option<SocketAddr>,
    ) -> Result<Caller, Refusal> {
        if let Some(job) = tokens.access(&token) {
            return Ok(Caller::Job(job));
        }
        // Counted like a wrong password: no account has this name, so it cannot turn out right.
        let wrong = Credentials { user: Zeroizing::new(JOB_USER.to_owned()), password: token };
        match rules.logins.check(peer.map(|peer| peer.ip()), &wrong).await {
            Err(refused) => Err(self.refused(rules, refused, JOB_USER, peer)),
            Ok(_) => Err(self.wrong(JOB_USER, peer)),
        }
    }

    fn refused(&self, rules: &Rules, refused: Refused, user: &str, peer: Option<SocketAddr>) -> Refusal {
        // Somebody may have typed the password where the name belongs: only names that exist are kept.
        let known = user == JOB_USER || rules.accounts.as_ref().is_some_and(|names| names.contains(user));
        let user = if known { user } else { "" };
        match refused {
            Refused::Wrong => self.wrong(user, peer),
            Refused::Wait { seconds } => {
                self.metrics.auth_failed();
                audit::login_refused(user, peer, "wait");
                Refusal::Wait { seconds }
            }
        }
    }

    fn wrong(&self, user: &str, peer: Option<SocketAddr>) -> Refusal {
        self.metrics.auth_failed();
        audit::login_refused(user, peer, "wrong");
        Refusal::WrongLogin
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Rules ===

impl Rules {
    fn new(auth: RegistryAuth, policy: Policy) -> Self {
        let (accounts, logins) = match auth {
            RegistryAuth::None => (None, Logins::new(Vec::new())),
            RegistryAuth::Basic(users) => {
                let names: BTreeSet<String> = users.names().map(str::to_owned).collect();
                if names.is_empty() {
                    tracing::warn!("the registry's users file has no account in it: nobody can log in");
                }
                for user in policy.named_users().filter(|user| !names.contains(*user)) {
                    tracing::warn!(
                        user,
                        "a rule of the registry's policy names an account that is not in the users file"
                    );
                }
                (Some(names), Logins::new(users.accounts()))
            }
        };
        Self { policy: Arc::new(policy), accounts, logins }
    }

    /// Whoever says nothing of themselves.
    fn nobody(&self) -> Caller {
        if self.accounts.is_some() { Caller::Anonymous } else { Caller::Open }
    }
}

fn given(headers: &HeaderMap) -> Given {
    let Some(value) = headers.get(AUTHORIZATION) else { return Given::Nothing };
    if let Some(credentials) = login::basic(headers) {
        let empty = credentials.user.is_empty() && credentials.password.is_empty();
        return if empty { Given::Nothing } else { Given::Login(credentials) };
    }
    match value.to_str().ok().and_then(|text| text.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Given::Token(Zeroizing::new(token.trim().to_owned()))
        }
        _ => Given::Other,
    }
}

#[cfg(test)]
mod tests;
