// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/v2/<name>/tags/list` (distribution-spec, Listing Tags).

use http::{StatusCode, header};
use serde_json::json;
use shoal_oci::{ErrorCode, RepositoryName, Tag};

use super::page::Page;
use super::{Answer, Ask};
use crate::respond::{self, Rejection};

/// The tags of a repository in ASCII order.
pub(super) async fn list(ask: &Ask, repository: RepositoryName) -> Answer {
    let page = Page::of(ask)?;
    let (repo, last, limit) = (repository.clone(), page.last.clone(), page.limit());
    let found = ask.storage(move |storage| storage.tags(&repo, last.as_deref(), Some(limit))).await?;
    let Some(found) = found else {
        let message = format!("there is no repository {repository}");
        return Err(Rejection::not_found(ErrorCode::NameUnknown, message));
    };
    let tags: Vec<&str> = found.tags.iter().map(Tag::as_str).collect();
    let body = json!({"name": repository.as_str(), "tags": tags}).to_string();
    let mut response = respond::json(StatusCode::OK, "application/json", body);
    let path = format!("/v2/{repository}/tags/list");
    if let Some(link) = page.link(&path, tags.last().copied(), found.more) {
        respond::set(&mut response, header::LINK, &link);
    }
    Ok(response)
}
