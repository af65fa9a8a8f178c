// SPDX-License-Identifier: AGPL-3.0-or-later
//! Asking a token server for a token.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use shoal_schema::SecretString;
use url::Url;

use crate::client::Client;
use crate::error::{ClientError, Place};

/// The largest answer of a token server, in bytes.
const LIMIT: usize = 1 << 20;
/// What a token lives where its server does not say (Docker token specification).
const DEFAULT_LIFE: u64 = 60;
/// A token is not used in its last seconds: it would end on the way.
const MARGIN: u64 = 5;

#[derive(Deserialize)]
struct Body {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
    expires_in: Option<u64>,
}

/// A token and how long it may be used.
pub(super) async fn fetch(
    client: &Client,
    place: &Place,
    url: Url,
    login: Option<(&String, &SecretString)>,
) -> Result<(SecretString, Duration), ClientError> {
    let mut budget = client.budget();
    let mut answer = loop {
        let mut request = client.inner.http.get(url.clone());
        if let Some((user, password)) = login {
            request = request.basic_auth(user, Some(password.expose()));
        }
        let idle = client.inner.timeouts.idle;
        let error = match tokio::time::timeout(idle, request.send()).await {
            Ok(Ok(answer)) if answer.status() == StatusCode::OK => break answer,
            Ok(Ok(answer)) => client.refusal(place, answer).await,
            Ok(Err(error)) => ClientError::transport(place, error),
            Err(_) => ClientError::stalled(place, idle),
        };
        if !error.is_passing() {
            return Err(error);
        }
        budget.failed(error).await?;
    };
    let body = zeroize::Zeroizing::new(client.body(place, &mut answer, LIMIT).await?);
    let body: Body = serde_json::from_slice(&body)
        .map_err(|_| ClientError::nonsense(place, "the token server's answer is no JSON"))?;
    let token = body.token.or(body.access_token).filter(|token| !token.is_empty());
    let token =
        token.ok_or_else(|| ClientError::nonsense(place, "the token server's answer has no token"))?;
    let life = body.expires_in.unwrap_or(DEFAULT_LIFE).clamp(2 * MARGIN, 24 * 3600) - MARGIN;
    Ok((token, Duration::from_secs(life)))
}
