// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/v2/_catalog`: the repositories, as Docker's registry lists them; the specification has no list of them.

use http::{StatusCode, header};
use serde_json::json;
use shoal_oci::RepositoryName;
use shoal_registry_storage::Storage;

use super::page::Page;
use super::{Answer, Ask};
use crate::policy::Right;
use crate::respond;

/// The repositories that the caller may pull from, in ASCII order.
pub(super) async fn list(ask: &Ask) -> Answer {
    if let Err(refusal) = ask.registry.access.ping(&ask.caller) {
        return Ok(axum::response::IntoResponse::into_response(refusal));
    }
    let page = Page::of(ask)?;
    let mut names = ask.storage(Storage::repositories).await?;
    names.sort();
    let mut visible = names
        .iter()
        .filter(|name| page.last.as_deref().is_none_or(|last| name.as_str() > last))
        .filter(|name| ask.registry.access.may(&ask.caller, Right::Pull, name))
        .map(RepositoryName::as_str);
    let shown: Vec<&str> = visible.by_ref().take(page.limit()).collect();
    let body = json!({"repositories": shown}).to_string();
    let mut response = respond::json(StatusCode::OK, "application/json", body);
    if let Some(link) = page.link("/v2/_catalog", shown.last().copied(), visible.next().is_some()) {
        respond::set(&mut response, header::LINK, &link);
    }
    Ok(response)
}
