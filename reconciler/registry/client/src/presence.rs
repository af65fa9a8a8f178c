// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether an image is there: its manifest, or all of it.

use std::collections::BTreeSet;

use reqwest::header::{ACCEPT, CONTENT_LENGTH};
use reqwest::{Method, StatusCode};
use shoal_oci::{Descriptor, Digest, Reference, RepositoryName, media_type};

use crate::call::{Call, scope};
use crate::client::Client;
use crate::error::{ClientError, Operation};
use crate::pull::manifest::{MANIFESTS, PulledManifest, announced, content_type};

/// The most manifests of one image that are looked at: an index of indexes without end is no image.
pub(crate) const MAX_MANIFESTS: usize = 10_000;

/// Whether a manifest is there.
#[derive(Debug)]
pub enum Presence {
    /// It is.
    Present {
        /// Its digest.
        digest: Digest,
        /// What it is.
        media_type: String,
        /// The manifest's own size in bytes.
        size: u64,
    },
    /// It is not.
    Absent,
    /// The registry does not let us look: 401 or 403. Many say that of what does not exist, too.
    Denied(Box<ClientError>),
    /// There was no usable answer; nothing is known.
    Unreachable(Box<ClientError>),
}

impl Presence {
    /// Whether it is there for sure.
    pub fn is_present(&self) -> bool {
        matches!(self, Self::Present { .. })
    }

    fn of(error: ClientError) -> Self {
        match error.status() {
            Some(404) => Self::Absent,
            Some(401 | 403) => Self::Denied(Box::new(error)),
            _ => Self::Unreachable(Box::new(error)),
        }
    }
}

/// Whether all of an image is there.
#[derive(Debug)]
pub struct DeepPresence {
    /// The manifest itself.
    pub presence: Presence,
    /// Blobs and manifests that it names and the repository does not have, or has in another size.
    pub missing: Vec<Descriptor>,
    /// The sizes of all that it names, in bytes.
    pub size: u64,
}

impl Client {
    /// Whether a manifest is there. This never fails: not knowing is one of the answers.
    pub async fn exists(&self, repository: &RepositoryName, reference: &Reference) -> Presence {
        match self.head_manifest(repository, reference).await {
            Ok(presence) => presence,
            Err(error) => Presence::of(error),
        }
    }

    async fn head_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Presence, ClientError> {
        let place = self.place(Operation::Check, Some(repository), Some(reference));
        let url = self.url(&format!("{repository}/manifests/{}", reference.as_str()));
        let call = Call::new(&place, Method::HEAD, url, vec![scope(repository, "pull")]);
        let answer = self.expect(&call.header(ACCEPT, MANIFESTS), &[StatusCode::OK]).await?;
        let size = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let size = size.and_then(|text| text.parse().ok());
        if let (Some(digest), Some(media_type), Some(size)) =
            (announced(&answer), content_type(&answer), size)
        {
            if let Reference::Digest(expected) = reference
                && expected.algorithm() == digest.algorithm()
                && *expected != digest
            {
                let (expected, got) = (Box::new(expected.clone()), Box::new(digest));
                return Err(ClientError::WrongDigest { place: Box::new(place), expected, got });
            }
            // Asked for by a digest, it has that one, whatever other name the registry has for it.
            let digest = if let Reference::Digest(asked) = reference { asked.clone() } else { digest };
            return Ok(Presence::Present { digest, media_type, size });
        }
        // Registries before 1.1 say less; the manifest itself says it all.
        let pulled = self.pull_manifest(repository, reference).await?;
        Ok(present(&pulled))
    }

    /// Whether an image is there with every blob and, of an index, every manifest.
    pub async fn exists_deep(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<DeepPresence, ClientError> {
        let root = match self.pull_manifest(repository, reference).await {
            Ok(root) => root,
            Err(error) => {
                return Ok(DeepPresence { presence: Presence::of(error), missing: Vec::new(), size: 0 });
            }
        };
        let mut found = DeepPresence { presence: present(&root), missing: Vec::new(), size: 0 };
        let mut seen = BTreeSet::from([root.digest.clone()]);
        let mut manifests = vec![root];
        let mut count = 0;
        while let Some(next) = manifests.pop() {
            found.size += next.bytes.len() as u64;
            let (children, blobs): (Vec<_>, Vec<_>) =
                next.manifest.children().iter().partition(|one| media_type::is_manifest(&one.media_type));
            for blob in next.manifest.blobs().chain(blobs) {
                if seen.insert(blob.digest.clone()) {
                    found.size += blob.size;
                    if self.blob_size(repository, &blob.digest).await? != Some(blob.size) {
                        found.missing.push(blob.clone());
                    }
                }
            }
            for child in children {
                if !seen.insert(child.digest.clone()) {
                    continue;
                }
                let reference = Reference::Digest(child.digest.clone());
                count += 1;
                if count > MAX_MANIFESTS {
                    let place = self.place(Operation::Check, Some(repository), Some(&reference));
                    return Err(ClientError::nonsense(
                        &place,
                        "the index names more manifests than any image has",
                    ));
                }
                match self.pull_manifest(repository, &reference).await {
                    Ok(child) => manifests.push(child),
                    Err(error) if error.status() == Some(404) => found.missing.push(child.clone()),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }
}

fn present(pulled: &PulledManifest) -> Presence {
    Presence::Present {
        digest: pulled.digest.clone(),
        media_type: pulled.media_type.clone(),
        size: pulled.bytes.len() as u64,
    }
}
