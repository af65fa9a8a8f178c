// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who asks: an account, the uid at the other end of the socket, or a job by its token.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use shoal_http::Peer;
use shoal_http::login::{self, Credentials, Logins, Refused, basic};
use shoal_registry::Administrator;

use super::error::ApiError;
use crate::controller::Controller;
use crate::settings::{Account, Auth, Role};

/// Whoever is at the other end of the CLI's socket may do this.
#[derive(Clone, Copy)]
pub(crate) struct SocketPeer(pub(crate) Role);

/// What a uid at the other end of the CLI's socket may do: everything for the uid that runs the
/// controller, and for root.
pub(crate) fn socket_peer(uid: u32) -> SocketPeer {
    let own = rustix::process::getuid().as_raw();
    SocketPeer(if uid == own || uid == 0 { Role::Admin } else { Role::Reader })
}

/// Who may log in, and as what.
pub(crate) fn logins(auth: &Auth) -> Logins<Role> {
    let accounts: &[Account] = match auth {
        Auth::None => &[],
        Auth::Basic(accounts) => accounts,
    };
    let known = |account: &Account| login::Account {
        user: account.user.clone(),
        hash: account.hash.clone(),
        grants: account.role,
    };
    Logins::new(accounts.iter().map(known).collect())
}

pub(crate) async fn reader(state: State<Arc<Controller>>, request: Request, next: Next) -> Response {
    require(state, Role::Reader, request, next).await
}

pub(crate) async fn admin(state: State<Arc<Controller>>, request: Request, next: Next) -> Response {
    require(state, Role::Admin, request, next).await
}

/// Looking is for readers, everything else for administrators.
pub(crate) async fn by_method(state: State<Arc<Controller>>, request: Request, next: Next) -> Response {
    let needed = if request.method().is_safe() { Role::Reader } else { Role::Admin };
    require(state, needed, request, next).await
}

async fn require(
    State(controller): State<Arc<Controller>>,
    needed: Role,
    mut request: Request,
    next: Next,
) -> Response {
    let asker = Asker {
        socket: request.extensions().get::<SocketPeer>().map(|peer| peer.0),
        peer: request.extensions().get::<Peer>().map(|peer| peer.0.ip()),
        login: basic(request.headers()),
    };
    let who = asker.shown();
    match role(&controller, asker).await {
        Ok(role) if role >= needed => {
            request.extensions_mut().insert(Administrator(who));
            next.run(request).await
        }
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
    login: Option<Credentials>,
}

impl Asker {
    /// For audit events: the account, or the way in where no account is asked for.
    fn shown(&self) -> String {
        match (&self.login, self.socket) {
            (_, Some(_)) => "socket".to_owned(),
            (Some(login), None) => login.user.to_string(),
            (None, None) => "-".to_owned(),
        }
    }
}

async fn role(controller: &Controller, asker: Asker) -> Result<Role, ApiError> {
    if let Some(role) = asker.socket {
        return Ok(role);
    }
    if matches!(controller.settings.auth, Auth::None) {
        return Ok(Role::Admin);
    }
    let refused = |refused: Refused| match refused {
        Refused::Wrong => ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", refused.to_string()).hint(
            "on the controller's machine the CLI uses its socket; elsewhere set SHOAL_TOKEN=USER:PASSWORD",
        ),
        Refused::Wait { seconds } => {
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_logins", refused.to_string()).wait(seconds)
        }
    };
    let Some(login) = asker.login else { return Err(refused(Refused::Wrong)) };
    let checked = controller.logins.check(asker.peer, &login).await;
    if checked == Err(Refused::Wrong) {
        controller.metrics.auth_failure("api");
    }
    checked.map_err(refused)
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
