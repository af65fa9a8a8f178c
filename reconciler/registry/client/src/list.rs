// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a registry has: tags of a repository, and repositories where it says so.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use shoal_oci::{RepositoryName, Tag};
use url::Url;

use crate::call::{Call, scope};
use crate::client::Client;
use crate::error::{ClientError, Operation, Place};
use crate::link;

/// Entries asked for at once.
const PAGE: &str = "1000";
/// The largest page, in bytes.
const PAGE_LIMIT: usize = 16 << 20;
/// The most pages: a list that links on without end is given up.
const PAGES: usize = 10_000;

#[derive(Deserialize)]
struct Tags {
    // Docker's registry writes null where there are none.
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

impl Client {
    /// The tags of a repository, in the registry's order (distribution-spec, Listing Tags).
    pub async fn list_tags(&self, repository: &RepositoryName) -> Result<Vec<Tag>, ClientError> {
        let place = self.place(Operation::ListTags, Some(repository), None);
        let mut url = self.url(&format!("{repository}/tags/list"));
        url.query_pairs_mut().append_pair("n", PAGE);
        let mut found = Vec::new();
        self.pages(&place, url, &[scope(repository, "pull")], |page: Tags| {
            let tags = page.tags.unwrap_or_default();
            // What is no tag cannot be asked for.
            found.extend(tags.iter().filter_map(|tag| Tag::parse(tag).ok()));
        })
        .await?;
        Ok(found)
    }

    /// The repositories, where the registry lists them. Many do not, or not to everybody: it is no part
    /// of the specification.
    pub async fn list_repositories(&self) -> Result<Vec<RepositoryName>, ClientError> {
        let place = self.place(Operation::ListRepositories, None, None);
        let mut url = self.url("_catalog");
        url.query_pairs_mut().append_pair("n", PAGE);
        let (mut found, scopes) = (Vec::new(), ["registry:catalog:*".to_owned()]);
        let listed = self.pages(&place, url, &scopes, |page: Catalog| {
            let names = page.repositories.unwrap_or_default();
            found.extend(names.iter().filter_map(|name| RepositoryName::parse(name).ok()));
        });
        match listed.await {
            Ok(()) => Ok(found),
            Err(ClientError::Refused { place, status, .. })
                if matches!(status, 401 | 403 | 404 | 405 | 501) =>
            {
                Err(ClientError::NotOffered { place, status })
            }
            Err(error) => Err(error),
        }
    }

    /// Every page of a list.
    pub(crate) async fn pages<T: DeserializeOwned>(
        &self,
        place: &Place,
        first: Url,
        scopes: &[String],
        mut take: impl FnMut(T),
    ) -> Result<(), ClientError> {
        let mut url = first;
        for _ in 0..PAGES {
            let (page, headers) = self.page(place, &url, scopes).await?;
            take(page);
            match link::next(&url, &headers) {
                Some(next) => url = next,
                None => return Ok(()),
            }
        }
        Err(ClientError::nonsense(place, "the list has no end"))
    }

    async fn page<T: DeserializeOwned>(
        &self,
        place: &Place,
        url: &Url,
        scopes: &[String],
    ) -> Result<(T, HeaderMap), ClientError> {
        let call = Call::new(place, Method::GET, url.clone(), scopes.to_vec());
        let mut answer = self.expect(&call, &[StatusCode::OK]).await?;
        let headers = std::mem::take(answer.headers_mut());
        let body = self.body(place, &mut answer, PAGE_LIMIT).await?;
        let page = serde_json::from_slice(&body)
            .map_err(|_| ClientError::nonsense(place, "the registry's list is not as specified"))?;
        Ok((page, headers))
    }
}
