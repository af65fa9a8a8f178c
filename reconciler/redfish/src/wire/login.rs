// SPDX-License-Identifier: AGPL-3.0-or-later
//! Getting in and out: a session or Basic, once more after being thrown out, never again after
//! a refusal.
//!
//! # Caveats
//! A login that is given up between request and answer may leave a session behind; nobody
//! learned its name.

use http::Method;
use serde_json::Value;

use super::client::Failure;
use super::exchange::{Broken, Request};
use super::link::Link;
use super::redact::Scrubber;
use super::refusal::Refusal;
use super::retry::Replay;
use super::session::{self, Login, Pass};
use crate::contract::error::ErrorKind;
use crate::contract::observe::Op;
use crate::discovery::ROOT;
use crate::rules::Rule;

/// Where sessions are opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SessionsAt {
    Collection {
        uri: String,
        /// Logins name the domain of the account.
        names_domain: bool,
    },
    /// The BMC has none.
    Nowhere,
}

impl Link {
    /// What to authenticate with, logging in if that has not happened yet.
    pub(super) async fn pass(&self) -> Result<(u64, Pass), Failure> {
        let mut login = self.login.lock().await;
        if matches!(login.1, Login::None) {
            match self.log_in().await {
                Ok(fresh) => {
                    login.0 += 1;
                    login.1 = fresh;
                }
                Err(failure) => {
                    if rejects(&failure) && self.rules.has(Rule::RejectedCredentialsAreNotTriedAgain) {
                        login.1 = Login::Rejected;
                    }
                    return Err(failure);
                }
            }
        }
        let kind = match &login.1 {
            Login::Session { pass, .. } | Login::Basic(pass) => return Ok((login.0, pass.clone())),
            Login::Rejected | Login::None => ErrorKind::CredentialsRejected,
            Login::Closed => ErrorKind::Closed,
        };
        Err(Failure::Broken(Broken { kind, unsent: true, passing: false }))
    }

    /// Opens a session, or settles for Basic where there are none.
    async fn log_in(&self) -> Result<Login, Failure> {
        let basic = session::basic(&self.credentials).ok_or_else(|| {
            Failure::Broken(Broken {
                kind: ErrorKind::BadEndpoint {
                    why: "the credentials hold characters that http cannot carry".to_owned(),
                },
                unsent: true,
                passing: false,
            })
        })?;
        let (sessions, names_domain) = match self.sessions.get().cloned() {
            Some(SessionsAt::Nowhere) => return Ok(Login::Basic(basic)),
            Some(SessionsAt::Collection { uri, names_domain }) => (uri, names_domain),
            None => {
                // A root behind a login does not say.
                let root = self.read_root().await?;
                match root.as_ref().map_or_else(
                    || Some(session::SESSIONS.to_owned()),
                    |root| session::sessions_of(root, self.rules),
                ) {
                    Some(named) => {
                        let huawei = root.as_ref().is_some_and(session::is_huaweis);
                        (named, huawei && self.rules.has(Rule::HuaweiLoginsNameADomain))
                    }
                    None => {
                        let _ = self.sessions.set(SessionsAt::Nowhere);
                        return Ok(Login::Basic(basic));
                    }
                }
            }
        };
        let request = Request {
            method: Method::POST,
            path: sessions.clone(),
            body: Some(session::login_body(&self.credentials, names_domain)),
            condition: None,
        };
        let answer =
            self.tried(Op::Login, &request, None, Replay::Answered).await.map_err(Failure::Broken)?;
        if answer.is_success() {
            let granted = session::granted(&answer, self.rules, |location| self.exchange.path_of(location));
            if let Some(Login::Session { pass: Pass::Token(token), .. }) = &granted
                && let Ok(token) = token.to_str()
            {
                self.scrub(|scrubber| scrubber.add(token));
            }
            let _ = self.sessions.set(match granted {
                Some(_) => SessionsAt::Collection { uri: sessions, names_domain },
                None => SessionsAt::Nowhere,
            });
            return Ok(granted.unwrap_or(Login::Basic(basic)));
        }
        let refusal = Refusal::of(&answer, self.rules);
        // No sessions here: sushy-tools, some older firmware.
        if matches!(answer.status, 404 | 405 | 501) && self.rules.has(Rule::BasicWhereThereAreNoSessions) {
            let _ = self.sessions.set(SessionsAt::Nowhere);
            return Ok(Login::Basic(basic));
        }
        // Whatever the words: bmcweb says `ResourceAtUriUnauthorized` to a wrong password, as it does
        // to an image that it may not read (`redfish-core/lib/redfish_sessions.hpp`).
        if answer.status == 401 {
            return Err(rejected());
        }
        Err(Failure::Refused(refusal))
    }

    /// The service root, which the specification lets everybody read. None where it does not.
    async fn read_root(&self) -> Result<Option<Value>, Failure> {
        let request = Request { method: Method::GET, path: ROOT.to_owned(), body: None, condition: None };
        let answer =
            self.tried(Op::Login, &request, None, Replay::Anything).await.map_err(Failure::Broken)?;
        match answer.status {
            401 | 403 => Ok(None),
            _ if answer.is_success() => match answer.body {
                Some(root @ Value::Object(_)) => Ok(Some(root)),
                _ => Err(not_redfish("the service root is not json")),
            },
            404 => Err(not_redfish("there is no service root at /redfish/v1/")),
            _ => Err(Failure::Refused(Refusal::of(&answer, self.rules))),
        }
    }

    /// Forgets the session of this generation. False when there is nothing to renew.
    pub(super) async fn thrown_out(&self, generation: u64, pass: &Pass) -> bool {
        if matches!(pass, Pass::Basic(_)) {
            return false;
        }
        let mut login = self.login.lock().await;
        if login.0 == generation && matches!(login.1, Login::Session { .. }) {
            login.1 = Login::None;
        }
        true
    }

    pub(super) async fn reject(&self) {
        let mut login = self.login.lock().await;
        if matches!(login.1, Login::Closed) {
            return;
        }
        let is_final = self.rules.has(Rule::RejectedCredentialsAreNotTriedAgain);
        login.1 = if is_final { Login::Rejected } else { Login::None };
    }

    /// Deletes a session. A session that is gone is success.
    pub(super) async fn end(&self, login: Login) -> Result<(), (String, ErrorKind)> {
        let Login::Session { pass, resource: Some(resource) } = login else {
            return Ok(());
        };
        if !self.rules.has(Rule::SessionsAreAlwaysEnded) {
            return Ok(());
        }
        let request = Request { method: Method::DELETE, path: resource.clone(), body: None, condition: None };
        match self.tried(Op::Logout, &request, Some(&pass), Replay::Anything).await {
            Ok(answer) if answer.is_success() || matches!(answer.status, 401 | 404 | 410) => Ok(()),
            Ok(answer) => {
                Err((resource, self.scrub(|scrubber| Refusal::of(&answer, self.rules).kind(scrubber))))
            }
            Err(broken) => Err((resource, broken.kind)),
        }
    }
}

fn rejects(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(refusal) => {
            matches!(refusal.kind(&Scrubber::default()), ErrorKind::CredentialsRejected)
        }
        Failure::Broken(broken) => matches!(broken.kind, ErrorKind::CredentialsRejected),
    }
}

/// The account was refused.
pub(super) fn rejected() -> Failure {
    Failure::Broken(Broken { kind: ErrorKind::CredentialsRejected, unsent: false, passing: false })
}

fn not_redfish(why: &str) -> Failure {
    Failure::Broken(Broken {
        kind: ErrorKind::NotRedfish { why: why.to_owned() },
        unsent: false,
        passing: false,
    })
}
