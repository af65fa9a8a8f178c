// SPDX-License-Identifier: AGPL-3.0-or-later
//! From an HTTP request to an HTTP response: faults, authentication, routing, logging.
//!
//! Order: faults are judged, the request is authenticated, then routed, then carried out. What cannot be seen without
//! credentials answers 401 whether it exists or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use super::errors::{self, Refusal};
use super::handlers::{Call, allow};
use super::instance::Bmc;
use super::log::{AuthKind, RequestRecord, What, redacted};
use super::reply::{Body, Hangup, Payload, Reply};
use super::routes::Resource;
use super::witness::{Deed, Moment};
use crate::faults::{Effects, Why};

/// Largest request body, in bytes.
const MAX_BODY: usize = 1 << 20;

impl Bmc {
    /// Answers one request. `scheme` is what the connection speaks; a `doomed` one is closed without an answer, as a
    /// BMC does that lost its idle connections.
    pub(crate) async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
        scheme: &'static str,
        doomed: Arc<AtomicBool>,
    ) -> Result<Response<Body>, Hangup> {
        if doomed.load(Ordering::Relaxed) {
            return Err(Hangup);
        }
        let started = self.shared.clock.elapsed();
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let effects = {
            let mut locked = self.lock();
            locked.state.counters.requests += 1;
            locked.state.injector.judge(self.index, parts.method.as_str(), &path)
        };
        if effects.forget_connection {
            doomed.store(true, Ordering::Relaxed);
        }
        if !effects.latency.is_zero() {
            self.shared.clock.sleep(effects.latency).await;
        }
        let away = {
            let locked = self.lock();
            locked.state.away_until.is_some_and(|until| self.shared.clock.elapsed() < until)
        };
        if away || effects.drop_before || effects.stall {
            self.log(&parts, started, 0, AuthKind::None, None, &effects);
            if effects.stall {
                // Until the client hangs up or the farm is shut down.
                self.shared.cancel.cancelled().await;
            }
            return Err(Hangup);
        }

        let body = Limited::new(body, MAX_BODY).collect().await.map(http_body_util::Collected::to_bytes);
        let (auth, result) = match &body {
            Ok(body) => self.answer_witnessed(&parts, body, &path, scheme, &effects).await,
            Err(_) => (AuthKind::None, Err(Refusal::TooLarge)),
        };
        let mut reply = result.unwrap_or_else(|refusal| self.refused(&refusal, &parts, &path));
        if let Payload::Json(body) = &mut reply.payload {
            effects.alter.iter().for_each(|(pointer, value)| alter(body, pointer, value));
        }

        let body = body.ok().filter(|body| !body.is_empty());
        let status = if effects.drop_after { 0 } else { reply.status };
        self.log(&parts, started, status, auth, body.as_ref(), &effects);
        if effects.drop_after {
            return Err(Hangup);
        }
        Ok(reply.into_response(parts.method == http::Method::HEAD, effects.truncate))
    }

    /// Answers; what changes something is shown to the witness before and after.
    async fn answer_witnessed(
        self: &Arc<Self>,
        parts: &Parts,
        body: &Bytes,
        path: &str,
        scheme: &'static str,
        effects: &Effects,
    ) -> (AuthKind, Result<Reply, Refusal>) {
        let looks = matches!(parts.method, http::Method::GET | http::Method::HEAD);
        let Some(witness) = self.shared.witness.get().filter(|_| !looks).cloned() else {
            return self.answer(parts, body, path, scheme, effects).await;
        };
        let deed = Deed {
            bmc: self.index,
            method: parts.method.to_string(),
            path: path.to_owned(),
            body: serde_json::from_slice::<Value>(body).ok().map(|body| redacted(&body)),
        };
        let (bmc, parts, body, effects) = (self.clone(), parts.clone(), body.clone(), effects.clone());
        // By itself: the connection ends with the client, and takes what waits on it along.
        let carried_out = tokio::spawn(async move {
            witness.sees(Moment::Before, &deed).await;
            let answer = bmc.answer(&parts, &body, &deed.path, scheme, &effects).await;
            witness.sees(Moment::After, &deed).await;
            answer
        });
        carried_out.await.unwrap_or((AuthKind::None, Err(Refusal::NotReady)))
    }

    async fn answer(
        self: &Arc<Self>,
        parts: &Parts,
        body: &Bytes,
        path: &str,
        scheme: &'static str,
        effects: &Effects,
    ) -> (AuthKind, Result<Reply, Refusal>) {
        if effects.unauthorized {
            self.forget_session(&parts.headers);
            return (AuthKind::Refused, Err(Refusal::Unauthenticated));
        }
        let auth = self.authenticate(&parts.headers);
        if let Some((why, retry_after)) = &effects.refuse {
            let reply = self.refused(&refusal(*why), parts, path);
            return (auth, Ok(retrying(reply, *retry_after)));
        }
        if let Some((status, body, retry_after)) = &effects.status {
            return (auth, Ok(self.injected(*status, body.as_ref(), *retry_after)));
        }
        if let Some(version) = parts.headers.get("odata-version").filter(|version| *version != "4.0") {
            let version = String::from_utf8_lossy(version.as_bytes()).into_owned();
            return (auth, Err(Refusal::ODataVersion { version }));
        }
        let resource = Resource::find(self.config.profile, path);
        let logging_in = parts.method == http::Method::POST
            && matches!(resource, Some(Resource::Sessions | Resource::SessionsMembers));
        let open = logging_in || resource.as_ref().is_some_and(Resource::is_open);
        if !open && !matches!(auth, AuthKind::Basic | AuthKind::Session) {
            return (auth, Err(Refusal::Unauthenticated));
        }
        let Some(resource) = resource else {
            return (auth, Err(Refusal::NotFound { uri: path.to_owned() }));
        };
        let method = parts.method.as_str();
        if !resource.methods(self.config.profile).contains(&method) {
            return (auth, Err(Refusal::MethodNotAllowed));
        }
        if effects.lie && !matches!(method, "GET" | "HEAD") && !logging_in {
            return (auth, Ok(self.acknowledged()));
        }
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let origin = format!("{scheme}://{host}");
        let call = Call {
            method,
            query: parts.uri.query(),
            headers: &parts.headers,
            body,
            origin: &origin,
            effects,
        };
        (auth, self.handle(&resource, &call).await)
    }

    fn injected(&self, status: u16, body: Option<&Value>, retry_after: Option<u64>) -> Reply {
        let profile = self.config.profile;
        let payload = match body {
            Some(body) => Payload::Json(body.clone()),
            None if status == 204 => Payload::Empty,
            None if status < 300 => Payload::Json(errors::success_body(profile)),
            None => {
                Payload::Json(errors::error_body(profile, &Refusal::Injected { status }.said_by(profile)))
            }
        };
        retrying(Reply::new(status, payload), retry_after)
    }

    fn refused(&self, refusal: &Refusal, parts: &Parts, path: &str) -> Reply {
        let profile = self.config.profile;
        let said = refusal.said_by(profile);
        let reply = Reply::new(said.status, Payload::Json(errors::error_body(profile, &said)));
        match refusal {
            // Also to a login: whoever asks, and however, hears how to get in.
            Refusal::Unauthenticated | Refusal::LoginFailed
                if said.status == 401 && !parts.headers.contains_key("x-auth-token") =>
            {
                reply.with(header::WWW_AUTHENTICATE, "Basic realm=\"Redfish\"")
            }
            Refusal::MethodNotAllowed => match Resource::find(profile, path) {
                Some(resource) => reply.with(header::ALLOW, &allow(&resource, profile)),
                None => reply,
            },
            _ => reply,
        }
    }

    fn log(
        &self,
        parts: &Parts,
        started: Duration,
        status: u16,
        auth: AuthKind,
        body: Option<&Bytes>,
        effects: &Effects,
    ) {
        let took = self.shared.clock.elapsed().saturating_sub(started);
        // A body that is not JSON is not kept: nobody can tell what in it is secret.
        let body =
            body.and_then(|body| serde_json::from_slice::<Value>(body).ok()).map(|body| redacted(&body));
        let record = RequestRecord {
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            status,
            auth,
            took_ms: took.as_millis() as u64,
            body,
            faults: effects.names.clone(),
        };
        tracing::debug!(
            bmc = self.index,
            method = %record.method,
            path = %record.path,
            status,
            took_ms = record.took_ms,
            "request"
        );
        let mut locked = self.lock();
        locked.state.counters.reads +=
            u64::from(matches!(parts.method, http::Method::GET | http::Method::HEAD));
        locked.state.counters.unchanged += u64::from(status == 304);
        locked.record(What::Request(record));
    }
}

fn retrying(reply: Reply, retry_after: Option<u64>) -> Reply {
    match retry_after {
        Some(seconds) => reply.with(header::RETRY_AFTER, &seconds.to_string()),
        None => reply,
    }
}

/// The refusal that a fault stands for.
fn refusal(why: Why) -> Refusal {
    match why {
        Why::Unlicensed => Refusal::Unlicensed,
        Why::MediaDisabled => Refusal::MediaDisabled,
        Why::NotReady => Refusal::NotReady,
        Why::TooManyRequests => Refusal::TooManyRequests,
        Why::SystemInPost => Refusal::SystemInPost { property: "BootSourceOverrideTarget" },
        Why::NoMoreConnections => Refusal::NoMoreConnections,
        Why::ConfigurationPending => Refusal::ConfigurationPending,
    }
}

/// Puts `value` where the JSON pointer leads; a last member that is not there is added.
fn alter(body: &mut Value, pointer: &str, value: &Value) {
    if let Some(place) = body.pointer_mut(pointer) {
        *place = value.clone();
    } else if let Some((parent, name)) = pointer.rsplit_once('/')
        && let Some(Value::Object(map)) = body.pointer_mut(parent)
    {
        map.insert(name.to_owned(), value.clone());
    }
}
