// SPDX-License-Identifier: AGPL-3.0-or-later
//! Images for tests: manifests with what they name, pushing them as a client does, and what must hold
//! of every tag.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use shoal_oci::{Digest, Manifest, Reference, RepositoryName, Tag, media_type};
use shoal_registry_storage::{CollectRules, Collected, PutRules, Storage, StorageError};

use crate::support::{digest, name, pull, push};

/// A manifest and the blobs that it names.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) digest: Digest,
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) blobs: Vec<Vec<u8>>,
}

pub(crate) fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

pub(crate) fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(content), "size": content.len()})
}

impl Image {
    fn of(media_type: &'static str, document: &Value, blobs: Vec<Vec<u8>>) -> Self {
        let bytes = serde_json::to_vec(document).unwrap();
        Self { digest: digest(&bytes), media_type, bytes, blobs }
    }

    /// An image with one layer of its own and one that all have.
    pub(crate) fn new(seed: u64) -> Self {
        Self::build(seed, None)
    }

    /// A signature, say, of another manifest.
    pub(crate) fn about(subject: &Image, seed: u64) -> Self {
        Self::build(seed, Some(subject))
    }

    fn build(seed: u64, subject: Option<&Image>) -> Self {
        let config = format!("{{\"seed\":{seed}}}").into_bytes();
        let layers = [format!("layer {seed}").into_bytes(), b"the layer of all".to_vec()];
        let mut document = json!({
            "schemaVersion": 2,
            "mediaType": media_type::IMAGE_MANIFEST,
            "config": descriptor(media_type::IMAGE_CONFIG, &config),
            "layers": layers.iter().map(|layer| descriptor(media_type::LAYER_TAR, layer)).collect::<Vec<_>>(),
            "annotations": {"seed": seed.to_string()},
        });
        if let Some(subject) = subject {
            document["subject"] = descriptor(subject.media_type, &subject.bytes);
            document["artifactType"] = json!("application/vnd.test.signature");
        }
        let [own, shared] = layers;
        Self::of(media_type::IMAGE_MANIFEST, &document, vec![config, own, shared])
    }

    /// An index of manifests.
    pub(crate) fn index(children: &[&Image]) -> Self {
        let manifests: Vec<Value> =
            children.iter().map(|child| descriptor(child.media_type, &child.bytes)).collect();
        let document =
            json!({"schemaVersion": 2, "mediaType": media_type::IMAGE_INDEX, "manifests": manifests});
        Self::of(media_type::IMAGE_INDEX, &document, Vec::new())
    }

    pub(crate) fn manifest(&self) -> Manifest {
        Manifest::read(self.media_type, &self.bytes).unwrap()
    }

    /// The digests of the manifest and its blobs.
    pub(crate) fn digests(&self) -> BTreeSet<Digest> {
        self.blobs.iter().map(|blob| digest(blob)).chain([self.digest.clone()]).collect()
    }

    /// Puts the manifest only.
    pub(crate) fn put(&self, storage: &Storage, repository: &str, tags: &[&str]) -> Result<(), StorageError> {
        self.put_with(storage, repository, tags, PutRules::default())
    }

    pub(crate) fn put_with(
        &self,
        storage: &Storage,
        repository: &str,
        tags: &[&str],
        rules: PutRules<'_>,
    ) -> Result<(), StorageError> {
        let tags: Vec<Tag> = tags.iter().map(|text| tag(text)).collect();
        let repository = name(repository);
        storage.put_manifest(
            &repository,
            &self.digest,
            &tags,
            self.media_type,
            &self.bytes,
            &self.manifest(),
            rules,
        )
    }

    pub(crate) fn push_blobs(&self, storage: &Storage, repository: &str) -> Result<(), StorageError> {
        let repository = name(repository);
        for blob in &self.blobs {
            if storage.blob_size(&repository, &digest(blob))?.is_none() {
                push(storage, &repository, blob)?;
            }
        }
        Ok(())
    }

    /// Pushes all of it as a client does, which looks first what is there.
    pub(crate) fn push(
        &self,
        storage: &Storage,
        repository: &str,
        tags: &[&str],
    ) -> Result<(), StorageError> {
        self.push_blobs(storage, repository)?;
        self.put(storage, repository, tags)
    }
}

pub(crate) fn by_tag(text: &str) -> Reference {
    Reference::Tag(tag(text))
}

pub(crate) fn by_digest(digest: &Digest) -> Reference {
    Reference::Digest(digest.clone())
}

/// The digest that a tag resolves to.
pub(crate) fn resolve(storage: &Storage, repository: &str, text: &str) -> Option<Digest> {
    storage.manifest(&name(repository), &by_tag(text)).unwrap().map(|stored| stored.digest)
}

/// Every tag of every repository, with its repository.
pub(crate) fn all_tags(storage: &Storage) -> Vec<(RepositoryName, Tag)> {
    let mut all = Vec::new();
    for repository in storage.repositories().unwrap() {
        let page = storage.tags(&repository, None, None).unwrap().expect("it is a repository");
        all.extend(page.tags.into_iter().map(|tag| (repository.clone(), tag)));
    }
    all
}

/// What must always hold: every tag resolves to a manifest, all of whose content is there.
pub(crate) fn assert_whole(storage: &Storage, about: &str) {
    for (repository, tag) in all_tags(storage) {
        let reference = Reference::Tag(tag.clone());
        let stored = storage.manifest(&repository, &reference).unwrap();
        let stored = stored.unwrap_or_else(|| panic!("{repository}:{tag} resolves to nothing; {about}"));
        assert_manifest_whole(storage, &repository, &stored.digest, about);
    }
}

/// The manifest is there with all its content, that of its children too.
pub(crate) fn assert_manifest_whole(
    storage: &Storage,
    repository: &RepositoryName,
    digest: &Digest,
    about: &str,
) {
    let stored = storage.manifest(repository, &by_digest(digest)).unwrap();
    let stored = stored.unwrap_or_else(|| panic!("{repository}@{digest} is gone; {about}"));
    assert_eq!(stored.digest, *digest);
    let manifest = Manifest::read(&stored.media_type, &stored.bytes).unwrap();
    for blob in manifest.blobs() {
        let content = pull(storage, repository, &blob.digest).unwrap();
        let content = content.unwrap_or_else(|| panic!("{repository}@{} is gone; {about}", blob.digest));
        assert_eq!(Digest::of(blob.digest.algorithm(), &content), blob.digest);
    }
    for child in manifest.children() {
        assert_manifest_whole(storage, repository, &child.digest, about);
    }
}

/// Everything goes that nothing names, at once and for good.
pub(crate) fn everything() -> CollectRules {
    CollectRules::default()
}

pub(crate) fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// A day of grace, a week of quarantine.
pub(crate) fn usual() -> CollectRules {
    CollectRules { grace: hours(24), quarantine: hours(7 * 24), ..everything() }
}

pub(crate) fn collect(storage: &Storage, rules: &CollectRules) -> Collected {
    let collected = storage.collect(rules, &mut |_| {}).unwrap();
    // The clock of the tests jumps.
    if collected.postponed && !rules.dry_run {
        storage.collect(rules, &mut |_| {}).unwrap()
    } else {
        collected
    }
}

/// Digests of everything below `blobs/`.
pub(crate) fn content(world: &crate::support::World) -> BTreeSet<Digest> {
    let mut found = BTreeSet::new();
    for algorithm in ["sha256", "sha512"] {
        let hexes = world.names(&format!("blobs/{algorithm}"));
        found.extend(hexes.iter().map(|hex| Digest::parse(&format!("{algorithm}:{hex}")).unwrap()));
    }
    found
}

/// The digests of what refers to an image.
pub(crate) fn referrers_of(storage: &Storage, repository: &str, subject: &Image) -> Vec<Digest> {
    let found = storage.referrers(&name(repository), &subject.digest, None).unwrap();
    found.into_iter().map(|descriptor| descriptor.digest).collect()
}
