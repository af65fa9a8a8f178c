// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing a blob: not at all where it is there, by mounting where another repository has it, else by
//! an upload.

use reqwest::header::CONTENT_LENGTH;
use reqwest::{Method, StatusCode};
use shoal_oci::{Digest, RepositoryName};

use crate::call::{Call, scope};
use crate::client::Client;
use crate::error::{ClientError, Operation};
use crate::progress::{ProgressUpdate, SharedProgress, Stage};
use crate::push::upload::Upload;
use crate::source::BlobSource;

/// How a blob came to be in the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlobOutcome {
    /// It was there.
    Present,
    /// The registry took it from another repository.
    Mounted,
    /// Its bytes were sent.
    Uploaded,
}

impl Client {
    /// The size of a blob, if the repository has it.
    pub async fn blob_size(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>, ClientError> {
        match self.head_blob(repository, digest).await? {
            Some(Some(size)) => Ok(Some(size)),
            Some(None) => {
                let place = self.blob_place(Operation::Check, repository, digest);
                Err(ClientError::nonsense(&place, "the answer has no Content-Length"))
            }
            None => Ok(None),
        }
    }

    /// Whether a blob is there, and its size where the registry says it.
    pub(super) async fn head_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Option<u64>>, ClientError> {
        let place = self.blob_place(Operation::Check, repository, digest);
        let url = self.url(&format!("{repository}/blobs/{digest}"));
        let scopes = vec![scope(repository, "pull")];
        let call = Call::new(&place, Method::HEAD, url.clone(), scopes.clone());
        let mut answer = self.send(&call).await?;
        if answer.status().is_redirection() {
            // Storage elsewhere often lets itself be read only: the head of that answer says the same.
            let call = Call::new(&place, Method::GET, url, scopes);
            answer = self.send(&call.following_redirects()).await?;
        }
        match answer.status() {
            StatusCode::OK => {
                // The body of an answer to HEAD is empty: its length is in the header only.
                let size = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
                Ok(Some(size.and_then(|text| text.parse().ok())))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refusal(&place, answer).await),
        }
    }

    /// Pushes a blob (distribution-spec, Pushing Blobs). The digest must be that of the source; the
    /// registry refuses anything else.
    ///
    /// `from`: another repository of the same registry that may have it.
    pub async fn push_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        source: &BlobSource,
        from: Option<&RepositoryName>,
        progress: &SharedProgress,
    ) -> Result<BlobOutcome, ClientError> {
        let tell = |stage| {
            let (done, total) = (source.size(), Some(source.size()));
            progress.update(ProgressUpdate { stage, digest: Some(digest), done, total });
        };
        // A repository that may be written but not read (or that does not exist yet) has no answer.
        let there = match self.head_blob(repository, digest).await {
            Ok(there) => there,
            Err(ClientError::Refused { status: 401 | 403, .. }) => None,
            Err(error) => return Err(error),
        };
        if let Some(size) = there {
            if let Some(size) = size.filter(|size| *size != source.size()) {
                let place = Box::new(self.blob_place(Operation::PushBlob, repository, digest));
                return Err(ClientError::WrongSize { place, expected: source.size(), got: size });
            }
            tell(Stage::Present);
            return Ok(BlobOutcome::Present);
        }
        let outcome = Upload::new(self, repository, digest, source, progress).run(from).await?;
        tell(if outcome == BlobOutcome::Mounted { Stage::Mounted } else { Stage::Done });
        Ok(outcome)
    }
}
