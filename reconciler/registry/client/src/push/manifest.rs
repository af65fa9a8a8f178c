// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing a manifest (distribution-spec, Pushing Manifests), byte for byte as it is given.

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use shoal_oci::{Algorithm, Digest, Manifest, Reference, RepositoryName};

use crate::call::{Call, Payload, scope};
use crate::client::Client;
use crate::error::{ClientError, Operation};

impl Client {
    /// Pushes a manifest under a tag or its digest. Its blobs and children must be there.
    ///
    /// Where the registry does not keep referrers itself, a manifest with a subject is also noted under
    /// the subject's referrers tag, as the specification asks of clients.
    ///
    /// Returns its digest.
    pub async fn push_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest, ClientError> {
        let place = self.place(Operation::PushManifest, Some(repository), Some(reference));
        let manifest = Manifest::read(media_type, &bytes).map_err(|source| ClientError::Manifest {
            place: Box::new(place.clone()),
            source: Box::new(source),
        })?;
        let digest = match reference {
            Reference::Digest(expected) => {
                let got = Digest::of(expected.algorithm(), &bytes);
                if got != *expected {
                    let (expected, got) = (Box::new(expected.clone()), Box::new(got));
                    return Err(ClientError::WrongDigest { place: Box::new(place), expected, got });
                }
                got
            }
            Reference::Tag(_) => Digest::of(Algorithm::Sha256, &bytes),
        };
        let (answer, size) =
            (self.put_manifest(repository, reference, media_type, bytes.clone()), bytes.len());
        let keeps_referrers = answer.await?;
        if let Some(subject) = manifest.subject.as_ref().filter(|_| !keeps_referrers) {
            let entry = manifest.referrer(&digest, media_type, size as u64);
            self.note_referrer(repository, &subject.digest, entry).await?;
        }
        Ok(digest)
    }

    /// Whether the registry says that it noted the subject.
    pub(crate) async fn put_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<bool, ClientError> {
        let place = self.place(Operation::PushManifest, Some(repository), Some(reference));
        let content_type = HeaderValue::from_str(media_type)
            .map_err(|_| ClientError::nonsense(&place, "its media type is no header"))?;
        let url = self.url(&format!("{repository}/manifests/{}", reference.as_str()));
        let call = Call::new(&place, Method::PUT, url, vec![scope(repository, "pull,push")])
            .header(CONTENT_TYPE, content_type)
            .payload(Payload::Bytes(bytes));
        let answer = self.expect(&call, &[StatusCode::CREATED, StatusCode::OK]).await?;
        Ok(answer.headers().contains_key("oci-subject"))
    }
}
