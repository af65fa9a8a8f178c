// SPDX-License-Identifier: AGPL-3.0-or-later
//! Deleting manifests, tags and blobs (distribution-spec, Content Management).

use reqwest::{Method, StatusCode};
use shoal_oci::{Digest, Reference, RepositoryName};

use crate::call::{Call, scope};
use crate::client::Client;
use crate::error::{ClientError, Operation, Place};

impl Client {
    /// Deletes a manifest by its digest (with every tag that points to it), or a tag.
    ///
    /// False: it was not there. Many registries delete by digest only, or not at all.
    ///
    /// A manifest with a subject is also taken from the list under the subject's referrers tag, where
    /// there is one: registries that keep the list themselves have none.
    pub async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<bool, ClientError> {
        let place = self.place(Operation::Delete, Some(repository), Some(reference));
        let path = format!("{repository}/manifests/{}", reference.as_str());
        let Reference::Digest(digest) = reference else {
            return self.delete(&place, repository, &path).await;
        };
        // Afterwards nobody can say what it was about. Who may delete need not be able to read.
        let manifest = self.pull_manifest(repository, reference).await.ok();
        let deleted = self.delete(&place, repository, &path).await?;
        if let Some(subject) = manifest.and_then(|pulled| pulled.manifest.subject) {
            self.forget_referrer(repository, &subject.digest, digest).await?;
        }
        Ok(deleted)
    }

    /// Deletes a blob from a repository. False: it was not there.
    pub async fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, ClientError> {
        let place = self.blob_place(Operation::Delete, repository, digest);
        self.delete(&place, repository, &format!("{repository}/blobs/{digest}")).await
    }

    async fn delete(
        &self,
        place: &Place,
        repository: &RepositoryName,
        path: &str,
    ) -> Result<bool, ClientError> {
        let call = Call::new(place, Method::DELETE, self.url(path), vec![scope(repository, "pull,delete")]);
        let answer = self.send(&call).await?;
        match answer.status() {
            StatusCode::ACCEPTED | StatusCode::OK | StatusCode::NO_CONTENT => Ok(true),
            StatusCode::NOT_FOUND => {
                let error = self.refusal(place, answer).await;
                // A registry without this route also answers 404, with another code or none.
                let known = ["MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "NAME_UNKNOWN"];
                if error.code().is_some_and(|code| known.contains(&code)) { Ok(false) } else { Err(error) }
            }
            _ => Err(self.refusal(place, answer).await),
        }
    }
}
