// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pulling a manifest (distribution-spec, Pulling manifests), verified and bounded.

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use shoal_oci::{Algorithm, Descriptor, Digest, Manifest, Reference, RepositoryName, media_type};

use crate::call::{Call, scope};
use crate::client::Client;
use crate::error::{ClientError, Operation, Place};

/// Every kind of manifest that is understood.
pub(crate) const MANIFESTS: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json",
);

/// A manifest as the registry keeps it.
#[derive(Clone, Debug)]
pub struct PulledManifest {
    /// Its digest; the bytes have it.
    pub digest: Digest,
    /// What it is, without parameters.
    pub media_type: String,
    /// Byte for byte.
    pub bytes: Bytes,
    /// What it says.
    pub manifest: Manifest,
}

impl Client {
    /// Pulls a manifest by tag or digest.
    pub async fn pull_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<PulledManifest, ClientError> {
        let place = self.place(Operation::PullManifest, Some(repository), Some(reference));
        let url = self.url(&format!("{repository}/manifests/{}", reference.as_str()));
        let call = Call::new(&place, Method::GET, url, vec![scope(repository, "pull")]).following_redirects();
        let mut answer = self.expect(&call.header(ACCEPT, MANIFESTS), &[StatusCode::OK]).await?;
        let (announced, content_type) = (announced(&answer), content_type(&answer));
        let limit = usize::try_from(self.inner.manifest_limit).unwrap_or(usize::MAX);
        let bytes = Bytes::from(self.body(&place, &mut answer, limit).await?);
        let expected = match reference {
            Reference::Digest(digest) => Some(digest.clone()),
            Reference::Tag(_) => announced,
        };
        let algorithm = expected.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        let digest = Digest::of(algorithm, &bytes);
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            let (place, expected) = (Box::new(place), Box::new(expected));
            return Err(ClientError::WrongDigest { place, expected, got: Box::new(digest) });
        }
        let (media_type, manifest) = read(&place, content_type.as_deref(), &bytes)?;
        Ok(PulledManifest { digest, media_type, bytes, manifest })
    }
}

/// Reads a manifest. The type in it must be the one that came with it, except where a server has no
/// better word for it than "JSON".
fn read(place: &Place, content_type: Option<&str>, bytes: &[u8]) -> Result<(String, Manifest), ClientError> {
    let vague = |outer: &&str| {
        ["application/json", "application/octet-stream", "text/plain"]
            .iter()
            .any(|one| media_type::same(one, outer))
    };
    let outer = content_type.filter(|outer| !vague(outer)).unwrap_or_default();
    let manifest = Manifest::read(outer, bytes).map_err(|source| ClientError::Manifest {
        place: Box::new(place.clone()),
        source: Box::new(source),
    })?;
    let media_type = manifest.media_type.clone();
    let media_type =
        media_type.ok_or_else(|| ClientError::nonsense(place, "nobody says what kind of manifest it is"))?;
    Ok((media_type, manifest))
}

/// The digest in the answer's headers.
pub(crate) fn announced(answer: &Response) -> Option<Digest> {
    let value = answer.headers().get("docker-content-digest")?;
    Digest::parse(value.to_str().ok()?).ok()
}

/// The type in the answer's headers, without parameters.
pub(crate) fn content_type(answer: &Response) -> Option<String> {
    let value = answer.headers().get(CONTENT_TYPE)?;
    Some(media_type::essence(value.to_str().ok()?).to_owned())
}

/// The manifest for a platform in an index, e.g. `linux` and `amd64`. The first one counts.
pub fn select_platform<'a>(index: &'a Manifest, os: &str, architecture: &str) -> Option<&'a Descriptor> {
    index.manifests.iter().find(|manifest| {
        let platform = manifest.platform.as_ref();
        let is = |name: &str, wanted: &str| {
            platform.and_then(|platform| platform.get(name)).and_then(|value| value.as_str()) == Some(wanted)
        };
        is("os", os) && is("architecture", architecture)
    })
}
