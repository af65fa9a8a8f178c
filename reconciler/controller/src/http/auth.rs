// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who asks: an account, the uid at the other end of the socket, or a job by its token.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::PasswordVerifier as _;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::error::ApiError;
use crate::controller::Controller;
use crate::settings::{Account, Auth, Role};

/// Whoever is at the other end of the CLI's socket may do this.
#[derive(Clone, Copy)]
pub(crate) struct SocketPeer(pub(crate) Role);

/// The address at the other end.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// After so many wrong passwords from one address
const WRONG_ALLOWED: u32 = 5;
/// within this time it has to wait.
const WRONG_WINDOW: Duration = Duration::from_secs(60);
/// A password that was right is not hashed again for so long.
const REMEMBER: Duration = Duration::from_secs(300);

/// Passwords that were right, and addresses that were wrong.
#[derive(Default)]
pub struct Logins {
    right: Mutex<HashMap<[u8; 32], (Role, Instant)>>,
    wrong: Mutex<HashMap<IpAddr, (u32, Instant)>>,
}

pub(crate) async fn reader(state: State<Arc<Controller>>, request: Request, next: Next) -> Response {
    require(state, Role::Reader, request, next).await
}

pub(crate) async fn admin(state: State<Arc<Controller>>, request: Request, next: Next) -> Response {
    require(state, Role::Admin, request, next).await
}

async fn require(
    State(controller): State<Arc<Controller>>,
    needed: Role,
    request: Request,
    next: Next,
) -> Response {
    let asker = Asker {
        socket: request.extensions().get::<SocketPeer>().map(|peer| peer.0),
        peer: request.extensions().get::<Peer>().map(|peer| peer.0.ip()),
        login: basic(request.headers()),
    };
    match role(&controller, asker).await {
        Ok(role) if role >= needed => next.run(request).await,
        Ok(_) => {
            ApiError::new(StatusCode::FORBIDDEN, "forbidden", "this account may only look").into_response()
        }
        Err(error) => error.into_response(),
    }
}

/// What a request says of who asks.
struct Asker {
    socket: Option<Role>,
    peer: Option<IpAddr>,
    login: Option<(Zeroizing<String>, Zeroizing<String>)>,
}

async fn role(controller: &Arc<Controller>, asker: Asker) -> Result<Role, ApiError> {
    if let Some(role) = asker.socket {
        return Ok(role);
    }
    let accounts = match &controller.settings.auth {
        Auth::None => return Ok(Role::Admin),
        Auth::Basic(accounts) => accounts.clone(),
    };
    let peer = asker.peer;
    let wrong = || {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "name and password of an account are needed")
            .hint("on the controller's machine the CLI uses its socket; elsewhere set SHOAL_TOKEN=USER:PASSWORD")
    };
    let Some((user, password)) = asker.login else { return Err(wrong()) };
    let key: [u8; 32] = Sha256::digest(format!("{}:{}", user.as_str(), password.as_str())).into();
    if let Some(role) = controller.logins.remembered(&key) {
        return Ok(role);
    }
    // Counted as wrong until it proves right: many at once are no way around the limit.
    if let Some(wait) = peer.and_then(|peer| controller.logins.guess(peer).err()) {
        let seconds = wait.as_secs().max(1);
        let message = format!("too many wrong passwords from this address; wait {seconds} s");
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_logins", message).wait(seconds));
    }
    let checked = tokio::task::spawn_blocking(move || verify(&accounts, &user, &password)).await;
    if let Ok(Some(role)) = checked {
        controller.logins.remember(key, role);
        if let Some(peer) = peer {
            controller.logins.was_right(peer);
        }
        return Ok(role);
    }
    controller.metrics.auth_failure("api");
    Err(wrong())
}

fn basic(headers: &HeaderMap) -> Option<(Zeroizing<String>, Zeroizing<String>)> {
    let text = headers.get("authorization")?.to_str().ok()?;
    let (scheme, value) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?);
    let (user, password) = decoded.split_once(':')?;
    Some((Zeroizing::new(user.to_owned()), Zeroizing::new(password.to_owned())))
}

/// Every account is tried, so that a name that does not exist takes as long as one that does.
fn verify(accounts: &[Account], user: &str, password: &str) -> Option<Role> {
    let mut found = None;
    for account in accounts {
        let right = fits(&account.hash, password);
        if right && account.user == user {
            found = Some(account.role);
        }
    }
    found
}

fn fits(hash: &str, password: &str) -> bool {
    if hash.starts_with("$argon2") {
        return argon2::PasswordHash::new(hash).is_ok_and(|parsed| {
            argon2::Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()
        });
    }
    bcrypt::verify(password, hash).unwrap_or(false)
}

impl Logins {
    fn remembered(&self, key: &[u8; 32]) -> Option<Role> {
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.get(key).filter(|(_, at)| at.elapsed() < REMEMBER).map(|(role, _)| *role)
    }

    fn remember(&self, key: [u8; 32], role: Role) {
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.retain(|_, (_, at)| at.elapsed() < REMEMBER);
        right.insert(key, (role, Instant::now()));
    }

    /// One more password from this address, or how long it has to wait.
    fn guess(&self, peer: IpAddr) -> Result<(), Duration> {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.retain(|_, (_, since)| since.elapsed() < WRONG_WINDOW);
        let (count, since) = wrong.entry(peer).or_insert((0, Instant::now()));
        if *count >= WRONG_ALLOWED {
            return Err(WRONG_WINDOW.saturating_sub(since.elapsed()));
        }
        *count += 1;
        Ok(())
    }

    /// The last one from this address was no wrong one.
    fn was_right(&self, peer: IpAddr) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, _)) = wrong.get_mut(&peer) {
            *count = count.saturating_sub(1);
        }
    }
}

/// A page in somebody's browser cannot use the API behind their back: an Origin must be this very
/// host, and without accounts the host must be one that no foreign name server can point here.
pub(crate) async fn same_site(
    State(controller): State<Arc<Controller>>,
    request: Request,
    next: Next,
) -> Response {
    if request.extensions().get::<SocketPeer>().is_some() {
        return next.run(request).await;
    }
    let (host, origin) = {
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let host = text("host").map(host_only).unwrap_or_default();
        let origin =
            text("origin").map(|origin| host_only(origin.split_once("://").map_or(origin, |(_, rest)| rest)));
        (host, origin)
    };
    if origin.is_some_and(|origin| origin != host) {
        return ApiError::new(StatusCode::FORBIDDEN, "cross_origin", "another site's page may not use this")
            .into_response();
    }
    if matches!(controller.settings.auth, Auth::None) && !is_own_name(&controller, &host) {
        return ApiError::new(
            StatusCode::FORBIDDEN,
            "wrong_host",
            "this host name is not one of the controller's",
        )
        .hint("use the address, localhost, or a name that callbackUrl has")
        .into_response();
    }
    next.run(request).await
}

fn host_only(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    if let Some(end) = text.find(']') {
        return text[..=end].to_owned();
    }
    text.split(':').next().unwrap_or_default().to_owned()
}

fn is_own_name(controller: &Controller, host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare == "localhost" || bare.parse::<IpAddr>().is_ok() {
        return true;
    }
    let fleet = Arc::clone(&controller.world().fleet);
    fleet
        .callback_urls
        .iter()
        .map(|url| url.url.as_str())
        .chain(fleet.callback_url.as_deref())
        .chain(controller.settings.callback_url.as_deref())
        .filter_map(|url| url.split_once("://"))
        .any(|(_, rest)| host_only(rest.trim_end_matches('/')) == host)
}
