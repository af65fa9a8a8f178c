// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where everything lies below the root of the storage.
//!
//! A [`Place`] is a path relative to the root that is made of plain components only. It can be built from
//! parsed names, digests and tags, or from one checked component, so no place can lead out of the root. That
//! no symbolic link on the way does is the matter of [`Root`](crate::disk::Root).
//!
//! ```text
//! oci-layout, index.json                     the OCI image layout
//! shoal-registry.json                        the version of everything below; written last when adopting
//! lock                                       held by the process that has the storage open
//! clock.{collect,expire}                     empty; when that ran last, to notice a clock that jumps
//! blobs/ALG/HEX                              content
//! sums/ALG/HEX                               checksums of the pieces of larger content
//! repositories/NAME/_blobs/ALG/HEX           the blob belongs to the repository
//! repositories/NAME/_manifests/ALG/HEX       facts of a manifest
//! repositories/NAME/_tags/TAG                what a tag points at
//! repositories/NAME/_referrers/ALG-HEX/ALG-HEX   a descriptor, below its subject
//! uploads/UUID.REPOSITORY.ALG                bytes received so far
//! quarantine/{gc,corrupt}/                   content put away
//! quarantine/records/MILLISECONDS/           records of what was collected, at the same paths
//! temp/                                      files not yet in place; emptied on open
//! ```

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use shoal_oci::{Algorithm, Digest, Hasher, RepositoryName, Tag};

use crate::UploadId;

/// The algorithms that content can have.
pub(crate) const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

/// A path below the root of the storage. It has plain components only: no `..`, no `.`, none empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(PathBuf);

/// Why content was put away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Area {
    /// Nothing names it any more.
    Gc,
    /// It is not what its digest says.
    Corrupt,
}

// === impl Place ===

impl Place {
    /// The root itself.
    pub fn root() -> Self {
        Self(PathBuf::new())
    }

    /// The path, relative to the root; empty for the root itself.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The directory it lies in; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.parent().map(|parent| Self(parent.to_owned()))
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &OsStr {
        self.0.file_name().unwrap_or_default()
    }

    /// Something directly in this directory. `None` when the name is not one plain component.
    pub fn child(&self, name: impl AsRef<OsStr>) -> Option<Self> {
        let name = name.as_ref();
        let bytes = name.as_encoded_bytes();
        if matches!(bytes, b"" | b"." | b"..") || bytes.iter().any(|byte| matches!(byte, b'/' | 0)) {
            return None;
        }
        Some(self.then(name))
    }

    /// For components that are known to be plain: fixed words, and parsed names.
    fn then(&self, name: impl AsRef<Path>) -> Self {
        Self(self.0.join(name))
    }

    /// `oci-layout`.
    pub(crate) fn oci_layout() -> Self {
        Self::root().then("oci-layout")
    }

    /// `index.json`.
    pub(crate) fn index() -> Self {
        Self::root().then("index.json")
    }

    /// `shoal-registry.json`.
    pub(crate) fn marker() -> Self {
        Self::root().then("shoal-registry.json")
    }

    /// The empty file whose time is that of the last run of some maintenance (one word).
    pub(crate) fn clock(of: &'static str) -> Self {
        Self::root().then(format!("clock.{of}"))
    }

    /// `lock`.
    pub(crate) fn lock() -> Self {
        Self::root().then("lock")
    }

    /// The directory of all content of an algorithm.
    pub(crate) fn blobs(algorithm: Algorithm) -> Self {
        Self::root().then("blobs").then(algorithm.as_str())
    }

    /// Content.
    pub(crate) fn blob(digest: &Digest) -> Self {
        Self::blobs(digest.algorithm()).then(digest.hex())
    }

    /// The directory of all piece checksums of an algorithm.
    pub(crate) fn all_sums(algorithm: Algorithm) -> Self {
        Self::root().then("sums").then(algorithm.as_str())
    }

    /// The piece checksums of content.
    pub(crate) fn sums(digest: &Digest) -> Self {
        Self::all_sums(digest.algorithm()).then(digest.hex())
    }

    /// The directory of all repositories.
    pub(crate) fn repositories() -> Self {
        Self::root().then("repositories")
    }

    /// The directory of a repository. Other repositories may lie in it: their names never begin with `_`.
    pub(crate) fn repository(name: &RepositoryName) -> Self {
        Self::repositories().then(name.as_str())
    }

    /// The directory of a repository's links to blobs of an algorithm.
    pub(crate) fn links(name: &RepositoryName, algorithm: Algorithm) -> Self {
        Self::repository(name).then("_blobs").then(algorithm.as_str())
    }

    /// The empty file that says that a blob belongs to a repository.
    pub(crate) fn link(name: &RepositoryName, digest: &Digest) -> Self {
        Self::links(name, digest.algorithm()).then(digest.hex())
    }

    /// The directory of a repository's manifests of an algorithm.
    pub(crate) fn manifests(name: &RepositoryName, algorithm: Algorithm) -> Self {
        Self::repository(name).then("_manifests").then(algorithm.as_str())
    }

    /// The facts of a manifest in a repository.
    pub(crate) fn manifest(name: &RepositoryName, digest: &Digest) -> Self {
        Self::manifests(name, digest.algorithm()).then(digest.hex())
    }

    /// The directory of a repository's tags.
    pub(crate) fn tags(name: &RepositoryName) -> Self {
        Self::repository(name).then("_tags")
    }

    /// What a tag points at.
    pub(crate) fn tag(name: &RepositoryName, tag: &Tag) -> Self {
        Self::tags(name).then(tag.as_str())
    }

    /// The directory of everything in a repository that refers to something.
    pub(crate) fn all_referrers(name: &RepositoryName) -> Self {
        Self::repository(name).then("_referrers")
    }

    /// The directory of what refers to a subject.
    pub(crate) fn referrers(name: &RepositoryName, subject: &Digest) -> Self {
        Self::all_referrers(name).then(dashed(subject))
    }

    /// The descriptor of one manifest that refers to a subject.
    pub(crate) fn referrer(name: &RepositoryName, subject: &Digest, referrer: &Digest) -> Self {
        Self::referrers(name, subject).then(dashed(referrer))
    }

    /// The directory of uploads.
    pub(crate) fn uploads() -> Self {
        Self::root().then("uploads")
    }

    /// The bytes of an upload so far. The repository is in its name, so an upload is found in its own only.
    pub(crate) fn upload(id: UploadId, repository: &RepositoryName, algorithm: Algorithm) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(repository.as_str().as_bytes());
        let repository = hasher.finish();
        let short = repository.hex().get(..16).unwrap_or_default();
        Self::uploads().then(format!("{id}.{short}.{}", algorithm.as_str()))
    }

    /// The directory of content that was put away.
    pub(crate) fn quarantine(area: Area) -> Self {
        Self::root().then("quarantine").then(area.as_str())
    }

    /// The directory of files not yet in place.
    pub(crate) fn temp() -> Self {
        Self::root().then("temp")
    }

    /// The directories that a storage always has, each after those it lies in.
    pub(crate) fn fixed() -> Vec<Self> {
        let mut places = vec![Self::root().then("blobs"), Self::root().then("sums")];
        places.extend(ALGORITHMS.map(Self::blobs));
        places.extend(ALGORITHMS.map(Self::all_sums));
        places.extend([Self::repositories(), Self::uploads(), Self::root().then("quarantine"), Self::temp()]);
        places.extend([Area::Gc, Area::Corrupt].map(Self::quarantine));
        places
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl From<&Place> for PathBuf {
    fn from(place: &Place) -> Self {
        place.0.clone()
    }
}

// === impl Area ===

impl Area {
    /// The name of its directory.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gc => "gc",
            Self::Corrupt => "corrupt",
        }
    }
}

/// A digest as one component: `sha256-HEX`.
pub(crate) fn dashed(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().as_str(), digest.hex())
}

/// A digest from such a component.
pub(crate) fn from_dashed(name: &str) -> Option<Digest> {
    Digest::parse(&name.replacen('-', ":", 1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_one_plain_component() {
        let uploads = Place::uploads();
        for name in ["", ".", "..", "a/b", "/etc/passwd", "../x", "a\0b"] {
            assert_eq!(uploads.child(name), None, "{name:?}");
        }
        assert_eq!(uploads.child("...").unwrap().as_path(), Path::new("uploads/..."));
    }

    #[test]
    fn places_stay_below_the_root() {
        let name = RepositoryName::parse("os-images/debian").unwrap();
        let digest = Digest::of(Algorithm::Sha512, b"x");
        let tag = Tag::parse("a..b").unwrap();
        let id = UploadId::random().unwrap();
        for place in [
            Place::blob(&digest),
            Place::sums(&digest),
            Place::link(&name, &digest),
            Place::manifest(&name, &digest),
            Place::tag(&name, &tag),
            Place::referrer(&name, &digest, &digest),
            Place::upload(id, &name, Algorithm::Sha256),
        ] {
            let plain = |part| matches!(part, std::path::Component::Normal(_));
            assert!(place.as_path().components().all(plain), "{place}");
        }
    }

    #[test]
    fn the_uploads_of_two_repositories_have_different_files() {
        let id = UploadId::random().unwrap();
        let one = Place::upload(id, &RepositoryName::parse("a").unwrap(), Algorithm::Sha256);
        let other = Place::upload(id, &RepositoryName::parse("b").unwrap(), Algorithm::Sha256);
        assert_ne!(one, other);
    }

    #[test]
    fn a_digest_reads_back_from_its_component() {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        assert_eq!(from_dashed(&dashed(&digest)), Some(digest));
        assert_eq!(from_dashed("sha256"), None);
    }
}
