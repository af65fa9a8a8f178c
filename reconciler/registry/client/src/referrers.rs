// SPDX-License-Identifier: AGPL-3.0-or-later
//! What refers to a manifest: signatures, lists of contents (distribution-spec, Listing Referrers, and the
//! referrers tag of registries that do not keep the list themselves).

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shoal_oci::{Descriptor, Digest, ManifestKind, Reference, RepositoryName, media_type, referrers_tag};

use crate::call::scope;
use crate::client::Client;
use crate::error::{ClientError, Operation};

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReferrersIndex<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: &'a [Descriptor],
}

impl Client {
    /// The manifests that have this one as their subject, sorted by digest.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, ClientError> {
        let place =
            self.place(Operation::ListReferrers, Some(repository), Some(&Reference::Digest(subject.clone())));
        let url = self.url(&format!("{repository}/referrers/{subject}"));
        let (mut found, scopes) = (Vec::new(), [scope(repository, "pull")]);
        let listed = self.pages(&place, url, &scopes, |page: Page| {
            found.extend(page.manifests.unwrap_or_default());
        });
        match listed.await {
            Ok(()) => {}
            // A registry that keeps no list never has this route.
            Err(ClientError::Refused { status: 400 | 404 | 405 | 406 | 501, .. }) => {
                // What stands there instead of a list refers to nothing.
                found = self.noted_referrers(repository, subject).await?.unwrap_or_default();
            }
            Err(error) => return Err(error),
        }
        found.sort_by(|one, other| one.digest.cmp(&other.digest));
        found.dedup_by(|one, other| one.digest == other.digest);
        Ok(found)
    }

    /// The list under the referrers tag, empty where there is none; `None`: something else is there.
    async fn noted_referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, ClientError> {
        let tag = Reference::Tag(referrers_tag(subject));
        match self.pull_manifest(repository, &tag).await {
            Ok(list) if list.manifest.kind == ManifestKind::Index => Ok(Some(list.manifest.manifests)),
            Ok(_) => {
                tracing::warn!(
                    registry = self.registry(),
                    repository = %repository,
                    subject = %subject,
                    "what is under the referrers tag is no list"
                );
                Ok(None)
            }
            Err(error) if error.status() == Some(404) => Ok(Some(Vec::new())),
            Err(error) => Err(error),
        }
    }

    /// Notes a referrer under the referrers tag. Two clients that do so at once may lose one of the
    /// notes: the specification offers nothing against that.
    pub(crate) async fn note_referrer(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        referrer: Descriptor,
    ) -> Result<(), ClientError> {
        let Some(mut list) = self.noted_referrers(repository, subject).await? else {
            let tag = Reference::Tag(referrers_tag(subject));
            let place = self.place(Operation::PushManifest, Some(repository), Some(&tag));
            return Err(ClientError::nonsense(
                &place,
                "something else than a list is under the referrers tag",
            ));
        };
        if list.iter().any(|one| one.digest == referrer.digest) {
            return Ok(());
        }
        list.push(referrer);
        self.put_list(repository, subject, &list).await
    }

    /// Takes a manifest that was deleted from the list under its subject's referrers tag, where the
    /// registry keeps no list itself.
    pub(crate) async fn forget_referrer(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        referrer: &Digest,
    ) -> Result<(), ClientError> {
        let Some(mut list) = self.noted_referrers(repository, subject).await? else { return Ok(()) };
        let before = list.len();
        list.retain(|one| one.digest != *referrer);
        if list.len() == before {
            return Ok(());
        }
        self.put_list(repository, subject, &list).await
    }

    async fn put_list(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        list: &[Descriptor],
    ) -> Result<(), ClientError> {
        let tag = Reference::Tag(referrers_tag(subject));
        let index =
            ReferrersIndex { schema_version: 2, media_type: media_type::IMAGE_INDEX, manifests: list };
        let bytes = serde_json::to_vec(&index).map_err(|_| {
            let place = self.place(Operation::PushManifest, Some(repository), Some(&tag));
            ClientError::nonsense(&place, "its list of referrers cannot be written as JSON")
        })?;
        self.put_manifest(repository, &tag, media_type::IMAGE_INDEX, Bytes::from(bytes)).await?;
        Ok(())
    }
}
