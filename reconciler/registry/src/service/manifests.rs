// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/v2/<name>/manifests/<reference>`: pulling, pushing and deleting manifests and tags.
//!
//! Guarantees: the bytes and the media type come back as they were pushed; 201 is answered once the manifest
//! and its tags are durable; all tags of one push are made or the answer is an error; a manifest on its way
//! out takes no more memory than a blob, however large it is.
//!
//! `Accept` is not negotiated: there is one form of each manifest, and a client that cannot read it is told
//! its type.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use shoal_oci::{Algorithm, Digest, ErrorCode, Manifest, Reference, RepositoryName, Tag, media_type};
use shoal_registry_storage::{Keep, PutRules};
use tokio::sync::OwnedSemaphorePermit;

use super::blobs::conditional;
use super::{Answer, Ask, blocking, deleted};
use crate::MANIFEST_MEMORY;
use crate::audit;
use crate::body::RequestBody;
use crate::respond::{self, OCI_SUBJECT, OCI_TAG, Rejection};

/// The most tags that one push by digest makes (at least 10, distribution-spec, Pushing Manifests).
const TAGS: usize = 100;

/// The manifest; for HEAD what is known of it without reading it.
pub(super) async fn get(ask: &Ask, repository: RepositoryName, reference: &str) -> Answer {
    let wanted = known(reference)?;
    let (repo, found) = (repository.clone(), wanted.clone());
    if ask.head.method == Method::HEAD {
        let facts = ask.storage(move |storage| storage.manifest_facts(&repo, &found)).await?;
        let Some((digest, media_type, size)) = facts else {
            return Err(unknown(ask, repository, reference).await);
        };
        let (mut response, _) = conditional(ask, size, &digest)?;
        respond::set(&mut response, header::CONTENT_TYPE, &media_type);
        return Ok(response);
    }
    let opened = ask.storage(move |storage| storage.open_manifest(&repo, &found)).await?;
    let Some((blob, media_type)) = opened else {
        return Err(unknown(ask, repository, reference).await);
    };
    let (mut response, part) = conditional(ask, blob.size(), blob.digest())?;
    respond::set(&mut response, header::CONTENT_TYPE, &media_type);
    if let Some((first, count)) = part {
        let body = ask.body(blob, first, count).await?;
        *response.body_mut() = Body::new(body);
    }
    Ok(response)
}

/// Stores a manifest under its digest, and tags it.
pub(super) async fn put(ask: &Ask, repository: RepositoryName, reference: &str, body: RequestBody) -> Answer {
    let reference = Reference::parse(reference).map_err(|error| {
        let code =
            if reference.contains(':') { ErrorCode::DigestInvalid } else { ErrorCode::ManifestInvalid };
        Rejection::bad(code, format!("{reference}: {error}"))
    })?;
    let extra = extra_tags(ask)?;
    let (bytes, _memory) = take(ask, body).await?;
    let content_type = ask.header(header::CONTENT_TYPE).map(|text| media_type::essence(text).to_owned());
    let push = Push { ask, repository: &repository, reference, extra };
    push.store(bytes, content_type).await
}

/// Deletes a manifest with everything that points at it, or a tag.
pub(super) async fn delete(ask: &Ask, repository: RepositoryName, reference: &str) -> Answer {
    let wanted = known(reference)?;
    let (repo, found) = (repository.clone(), wanted.clone());
    // A tag that may not move may not be deleted either: deleting and pushing again would move it.
    let immutable = ask.policy.is_immutable(&repository);
    let deleted = match found {
        Reference::Tag(tag) => {
            ask.storage(move |storage| storage.delete_tag_unless(&repo, &tag, &|_| immutable)).await?
        }
        Reference::Digest(digest) => {
            let roots = ask.roots()?;
            let named = digest.clone();
            let deletion = ask.storage(move |storage| {
                let keep = Keep { roots: &roots, immutable: &|_| immutable };
                storage.delete_manifest_unless(&repo, &digest, keep)
            });
            deleted(&named, deletion.await?)?
        }
    };
    if !deleted {
        return Err(unknown(ask, repository, reference).await);
    }
    match &wanted {
        Reference::Tag(tag) => audit::delete_tag(&ask.who(), &repository, tag),
        Reference::Digest(digest) => audit::delete(&ask.who(), &repository, digest),
    }
    Ok(respond::empty(StatusCode::ACCEPTED))
}

/// A manifest on its way in.
struct Push<'a> {
    ask: &'a Ask,
    repository: &'a RepositoryName,
    reference: Reference,
    extra: Vec<Tag>,
}

// === impl Push ===

impl Push<'_> {
    async fn store(self, bytes: Bytes, content_type: Option<String>) -> Answer {
        let Self { ask, repository, reference, extra } = self;
        let (registry, policy) = (Arc::clone(&ask.registry), Arc::clone(&ask.policy));
        let (repo, made, named) = (repository.clone(), extra.clone(), reference.clone());
        let size = bytes.len() as u64;
        let (digest, subject) = blocking(move || {
            // The storage refuses a digest that is not that of the bytes.
            let digest = match &named {
                Reference::Digest(digest) => digest.clone(),
                Reference::Tag(_) => Digest::of(Algorithm::Sha256, &bytes),
            };
            let (media_type, manifest) = read(&bytes, content_type)?;
            let mut tags: Vec<Tag> = made;
            if let Reference::Tag(tag) = named {
                tags.push(tag);
            }
            let mut claim = registry.room.claim(&registry.storage, &policy, &repo, size, 0)?;
            claim.settle()?;
            let immutable = policy.is_immutable(&repo);
            let rules = PutRules { immutable: &|_| immutable, sparse: policy.is_sparse(&repo) };
            let storage = &registry.storage;
            storage.put_manifest(&repo, &digest, &tags, &media_type, &bytes, &manifest, rules)?;
            Ok::<_, Rejection>((digest, manifest.subject.map(|subject| subject.digest)))
        })
        .await?;
        audit::push(&ask.who(), repository, &digest, size);
        let mut response = respond::created(&respond::manifest_location(repository, &digest), &digest);
        if let Reference::Tag(tag) = &reference {
            audit::tag(&ask.who(), repository, tag, &digest);
        }
        for tag in &extra {
            audit::tag(&ask.who(), repository, tag, &digest);
            respond::set(&mut response, OCI_TAG, tag.as_str());
        }
        if let Some(subject) = subject {
            respond::set(&mut response, OCI_SUBJECT, subject.as_str());
        }
        Ok(response)
    }
}

/// The body, of at most the size that the policy allows, and the memory it takes.
async fn take(ask: &Ask, mut body: RequestBody) -> Result<(Bytes, OwnedSemaphorePermit), Rejection> {
    let max = ask.policy.max_manifest.bytes();
    let too_large = || {
        let message =
            format!("the manifest is larger than {max} bytes: the registry's policy allows no more");
        Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::ManifestInvalid, message)
    };
    let length = body.length().unwrap_or(max);
    if length > max {
        return Err(too_large());
    }
    let kib = u32::try_from(length.div_ceil(1 << 10)).unwrap_or(MANIFEST_MEMORY).clamp(1, MANIFEST_MEMORY);
    let memory = Arc::clone(&ask.registry.manifests).acquire_many_owned(kib);
    let Ok(Ok(memory)) = tokio::time::timeout(ask.registry.patience.turn, memory).await else {
        return Err(Rejection::too_many("too many manifests are being pushed at once: try again", 10));
    };
    let bytes = body.gather(usize::try_from(max).unwrap_or(usize::MAX)).await?.ok_or_else(too_large)?;
    ask.registry.metrics.uploaded(bytes.len() as u64);
    Ok((bytes, memory))
}

/// Tags from the query (distribution-spec, Pushing Manifests).
fn extra_tags(ask: &Ask) -> Result<Vec<Tag>, Rejection> {
    let mut tags = Vec::new();
    for text in ask.queries("tag") {
        let tag = Tag::parse(&text)
            .map_err(|error| Rejection::bad(ErrorCode::ManifestInvalid, format!("tag={text}: {error}")))?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() > TAGS {
        let message = format!("{} tags are too many for one push: send at most {TAGS}", tags.len());
        return Err(Rejection::new(StatusCode::URI_TOO_LONG, ErrorCode::ManifestInvalid, message));
    }
    Ok(tags)
}

/// Reads a manifest. Its media type is the `Content-Type`; where that is missing, its own field.
fn read(bytes: &[u8], content_type: Option<String>) -> Result<(String, Manifest), Rejection> {
    let invalid = |message: String| Rejection::bad(ErrorCode::ManifestInvalid, message);
    let given = content_type.filter(|text| !text.is_empty());
    let manifest = Manifest::read(given.as_deref().unwrap_or_default(), bytes)
        .map_err(|error| invalid(format!("the manifest cannot be taken: {error}")))?;
    let media_type = match (given, &manifest.media_type) {
        (Some(given), Some(own)) if given != *own => {
            return Err(invalid(format!(
                "the Content-Type is {given} and the manifest's mediaType is {own}: send it as {own}"
            )));
        }
        (Some(given), _) => given,
        (None, Some(own)) => {
            // Read again as what it is: the type decides what is a manifest's content.
            let manifest = Manifest::read(own, bytes)
                .map_err(|error| invalid(format!("the manifest cannot be taken: {error}")))?;
            return Ok((own.clone(), manifest));
        }
        (None, None) => {
            let message = "nothing says what kind of manifest this is: send its media type as Content-Type";
            return Err(invalid(message.to_owned()));
        }
    };
    Ok((media_type, manifest))
}

/// What is neither a tag nor a digest that this registry can have is not there.
fn known(reference: &str) -> Result<Reference, Rejection> {
    Reference::parse(reference).map_err(|error| {
        Rejection::not_found(ErrorCode::ManifestUnknown, format!("there is no manifest {reference}: {error}"))
    })
}

async fn unknown(ask: &Ask, repository: RepositoryName, reference: &str) -> Rejection {
    let repo = repository.clone();
    match ask.storage(move |storage| storage.tags(&repo, None, Some(0))).await {
        Ok(Some(_)) => Rejection::not_found(
            ErrorCode::ManifestUnknown,
            format!("there is no manifest {reference} in the repository {repository}"),
        ),
        Ok(None) => {
            Rejection::not_found(ErrorCode::NameUnknown, format!("there is no repository {repository}"))
        }
        Err(rejection) => rejection,
    }
}
