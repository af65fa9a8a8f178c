// SPDX-License-Identifier: AGPL-3.0-or-later
//! How requests are authenticated: a session where the BMC has them, Basic elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::exchange::Answer;
use crate::contract::credentials::Credentials;
use crate::model::json as read;
use crate::rules::{Rule, Rules};

/// Where the specification puts the collection of sessions; used when the service root does
/// not say, as some do before a login (Cisco CIMC).
pub(crate) const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

/// What proves who we are. The header values are marked sensitive, so that no library below
/// prints them.
#[derive(Clone)]
pub(crate) enum Pass {
    Token(HeaderValue),
    Basic(HeaderValue),
}

/// The state of the login.
pub(crate) enum Login {
    /// Not tried yet, or thrown out.
    None,
    /// A session, with its resource where the BMC named it.
    Session { pass: Pass, resource: Option<String> },
    /// Basic with every request.
    Basic(Pass),
    /// Refused once. Never tried again by this client: BMCs lock accounts.
    Rejected,
    /// Ended by the caller.
    Closed,
}

/// Basic credentials as a header; none if they hold characters that no header can.
pub(crate) fn basic(credentials: &Credentials) -> Option<Pass> {
    let plain = Zeroizing::new(format!("{}:{}", credentials.user(), credentials.password()));
    let encoded = Zeroizing::new(format!("Basic {}", STANDARD.encode(plain.as_bytes())));
    sensitive(&encoded).map(Pass::Basic)
}

/// The body of a login. `names_domain` where accounts have one (Huawei iBMC).
pub(crate) fn login_body(credentials: &Credentials, names_domain: bool) -> Value {
    let mut body = json!({"UserName": credentials.user(), "Password": credentials.password()});
    if names_domain {
        body["Oem"] = json!({"Huawei": {"Domain": "LocaliBMC"}});
    }
    body
}

/// Whether a service root is of Huawei's.
pub(crate) fn is_huaweis(root: &Value) -> bool {
    read::object(root, "Oem").get("Huawei").is_some()
}

/// The session in the answer to a login. Without a token there is none. `Location` may be
/// missing; then the body may tell.
pub(crate) fn granted(
    answer: &Answer,
    rules: Rules,
    path_of: impl Fn(&str) -> Option<String>,
) -> Option<Login> {
    let token = answer.header("x-auth-token").filter(|token| !token.is_empty())?;
    let body = answer.body.as_ref().filter(|_| rules.has(Rule::SessionMayBeNamedInTheBody));
    let resource = answer.location().and_then(path_of).or_else(|| read::target(body?));
    Some(Login::Session { pass: Pass::Token(sensitive(token)?), resource })
}

/// Where a service root says that sessions are opened; none where it has none.
///
/// A root that names its systems and says nothing of sessions has none (sushy-tools answers 401
/// to a login that nobody offered). One that names nothing at all shows its links after a login
/// only, and then the path of the specification is as good as any.
pub(crate) fn sessions_of(root: &Value, rules: Rules) -> Option<String> {
    let named = read::link(read::object(root, "Links"), "Sessions");
    let is_bare = root.get("Systems").is_none();
    let has_service = root.get("SessionService").is_some()
        || (is_bare && rules.has(Rule::RootMayBeBareBeforeALogin))
        || (!is_bare && !rules.has(Rule::NoLoginWhereNoneIsOffered));
    named.or_else(|| has_service.then(|| SESSIONS.to_owned()))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
