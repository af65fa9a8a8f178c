// SPDX-License-Identifier: AGPL-3.0-or-later
//! Logging in: what a registry asks for, what it gets, and what it never gets.
//!
//! Nothing is sent before the registry asks. Over plain HTTP nothing is sent except to this machine.

pub(crate) mod challenge;
pub(crate) mod files;
mod token;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{RequestBuilder, Response};
use shoal_schema::SecretString;
use tokio::time::Instant;
use url::Url;

use crate::auth::challenge::Challenge;
use crate::call::Call;
use crate::client::{Client, is_loopback};
use crate::error::{ClientError, Operation, Place};
use crate::options::Credentials;

/// Credentials, and what was learned about how to use them.
pub(crate) struct Auth {
    credentials: Option<Credentials>,
    token_hosts: Vec<String>,
    learned: Mutex<Learned>,
}

#[derive(Default)]
struct Learned {
    /// The registry asked for the credentials themselves.
    direct: bool,
    /// Tokens by what they allow.
    tokens: HashMap<String, Token>,
}

struct Token {
    value: SecretString,
    until: Instant,
}

// === impl Auth ===

impl Auth {
    pub(crate) fn new(credentials: Option<Credentials>, token_hosts: Vec<String>) -> Self {
        Self { credentials, token_hosts, learned: Mutex::default() }
    }

    /// Puts on what the registry asked for earlier. The caller has made sure that it is the registry.
    pub(crate) fn attach(&self, request: RequestBuilder, scopes: &[String]) -> RequestBuilder {
        let learned = self.learned();
        if learned.direct {
            return match &self.credentials {
                Some(Credentials::Password { user, password }) => {
                    request.basic_auth(user, Some(password.expose()))
                }
                Some(Credentials::Bearer(token)) => request.bearer_auth(token.expose()),
                None => request,
            };
        }
        match learned.tokens.get(&scopes.join(" ")) {
            Some(token) if Instant::now() < token.until => request.bearer_auth(token.value.expose()),
            _ => request,
        }
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        // Nothing that holds the lock leaves half of a change behind.
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Answers a 401. False: there is nothing (more) to answer it with.
    pub(crate) async fn log_in(&self, call: &Call<'_>, answer: &Response) -> Result<bool, ClientError> {
        let auth = &self.inner.auth;
        let values = answer.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges: Vec<Challenge> =
            values.filter_map(|value| value.to_str().ok()).flat_map(challenge::parse).collect();
        let has = |scheme: &str| challenges.iter().find(|one| one.scheme.eq_ignore_ascii_case(scheme));
        let realm = has("bearer").and_then(|one| Some((one, one.get("realm")?)));
        match (&auth.credentials, realm, has("basic")) {
            (Some(Credentials::Bearer(_)), _, _) | (Some(Credentials::Password { .. }), None, Some(_)) => {
                self.log_in_directly(call.place)
            }
            (_, Some((bearer, realm)), _) => {
                let Ok(realm) = Url::parse(realm) else {
                    return Err(ClientError::nonsense(
                        call.place,
                        "the registry names no usable token server",
                    ));
                };
                self.get_token(call, bearer, realm).await.map(|()| true)
            }
            _ => Ok(false),
        }
    }

    fn log_in_directly(&self, place: &Place) -> Result<bool, ClientError> {
        may_be_told(place, &self.url(""))?;
        let mut learned = self.inner.auth.learned();
        // Asked for again: they were sent and are wrong.
        Ok(!std::mem::replace(&mut learned.direct, true))
    }

    /// Gets a token and keeps it (the Docker token specification, which registries have in common).
    async fn get_token(
        &self,
        call: &Call<'_>,
        challenge: &Challenge,
        mut realm: Url,
    ) -> Result<(), ClientError> {
        let auth = &self.inner.auth;
        let place = Place { operation: Operation::Login, ..call.place.clone() };
        let mut scopes: BTreeSet<&str> = call.scopes.iter().map(String::as_str).collect();
        scopes.extend(challenge.get("scope").into_iter().flat_map(str::split_whitespace));
        {
            let mut query = realm.query_pairs_mut();
            query.extend_pairs(challenge.get("service").map(|service| ("service", service)));
            query.extend_pairs(scopes.iter().map(|scope| ("scope", *scope)));
        }
        let mut login = None;
        if let Some(Credentials::Password { user, password }) = &auth.credentials {
            may_be_told(&place, &realm)?;
            let host = realm.host_str().unwrap_or_default();
            let own = self.url("").host_str() == Some(host);
            if !own && !auth.token_hosts.iter().any(|allowed| allowed == host) {
                return Err(ClientError::ForeignLogin { place: Box::new(place), host: host.to_owned() });
            }
            login = Some((user, password));
        } else if realm.scheme() != "https" && !self.is_plain() {
            let host = realm.host_str().unwrap_or_default().to_owned();
            return Err(ClientError::Downgrade { place: Box::new(place), host });
        }
        let (value, lifetime) = token::fetch(self, &place, realm, login).await?;
        let token = Token { value, until: Instant::now() + lifetime };
        auth.learned().tokens.insert(call.scopes.join(" "), token);
        Ok(())
    }
}

/// Credentials go over TLS, or to this machine.
fn may_be_told(place: &Place, url: &Url) -> Result<(), ClientError> {
    if url.scheme() == "https" || is_loopback(url) {
        return Ok(());
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    Err(ClientError::PlainLogin { place: Box::new(place.clone()), host })
}
