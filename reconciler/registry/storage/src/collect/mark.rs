// SPDX-License-Identifier: AGPL-3.0-or-later
//! What there is, and what of it is needed.
//!
//! The scan reads names and records while others push. What they make needed meanwhile is noted at the
//! gate and marked later ([`World::extend()`]), so what the scan missed does not matter. Marking has no
//! recursion: how deep indexes are nested is up to whoever pushed them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shoal_oci::{Digest, Manifest, RepositoryName, Tag, referrers_tag};

use super::report::{CollectProgress, CollectStage, Damaged};
use super::{CollectRules, retention};
use crate::layout::Place;
use crate::repository::gate::Noted;
use crate::repository::records::{Found, ManifestRecord, TagRecord};
use crate::{Storage, StorageError};

/// Everything there is, with marks.
pub(super) struct World<'s> {
    pub(super) storage: &'s Storage,
    pub(super) started: Timestamp,
    pub(super) repositories: BTreeMap<RepositoryName, Repository>,
    /// Content that is needed, in whatever repository or in none.
    pub(super) content: BTreeSet<Digest>,
    pub(super) damaged: Vec<Damaged>,
    /// Repositories of which everything is kept: what something damaged in them names is not known.
    pub(super) skipped: BTreeSet<RepositoryName>,
    marked: u64,
}

/// One repository.
#[derive(Default)]
pub(super) struct Repository {
    pub(super) tags: BTreeMap<Tag, TagState>,
    pub(super) manifests: BTreeMap<Digest, ManifestState>,
    pub(super) links: BTreeMap<Digest, LinkState>,
    /// What refers to a subject.
    pub(super) referrers: BTreeMap<Digest, Vec<Digest>>,
    /// Tags that accompany a subject, by the beginning of their names.
    pub(super) companions: BTreeMap<String, Vec<Tag>>,
    /// What a damaged tag points at, or a damaged manifest names, is not known, so it may be anything.
    pub(super) all: bool,
}

pub(super) struct TagState {
    pub(super) record: TagRecord,
    pub(super) live: bool,
}

pub(super) struct ManifestState {
    /// None where the record is damaged.
    media_type: Option<String>,
    /// When it was pushed or asked for last.
    pub(super) used: Timestamp,
    /// The time of the record's file.
    pub(super) modified: Timestamp,
    pub(super) live: bool,
}

pub(super) struct LinkState {
    pub(super) used: Timestamp,
    pub(super) live: bool,
}

/// What reading a manifest came to.
enum Reading {
    Manifest(Box<Manifest>),
    /// Its repository does not have it any more.
    Nothing,
    /// Why not.
    Unreadable(String),
}

// === impl Repository ===

impl Repository {
    /// Whether there is nothing in it; its directories may be what a crash left.
    pub(super) fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.manifests.is_empty() && self.links.is_empty()
    }
}

// === impl World ===

impl<'s> World<'s> {
    /// Reads what there is.
    pub(super) fn scan(
        storage: &'s Storage,
        rules: &CollectRules,
        started: Timestamp,
        progress: &mut dyn FnMut(CollectProgress),
    ) -> Result<Self, StorageError> {
        let mut world = Self {
            storage,
            started,
            repositories: BTreeMap::new(),
            content: BTreeSet::new(),
            damaged: Vec::new(),
            skipped: BTreeSet::new(),
            marked: 0,
        };
        let names = storage.repositories()?;
        let of = names.len() as u64;
        for (done, name) in names.into_iter().enumerate() {
            let repository = world.scan_repository(&name, rules)?;
            world.repositories.insert(name, repository);
            progress(CollectProgress { stage: CollectStage::Scan, done: done as u64 + 1, of });
        }
        Ok(world)
    }

    fn scan_repository(
        &mut self,
        name: &RepositoryName,
        rules: &CollectRules,
    ) -> Result<Repository, StorageError> {
        let storage = self.storage;
        let mut repository = Repository::default();
        for tag in storage.all_tags(name)? {
            let place = Place::tag(name, &tag);
            match storage.record::<TagRecord>(&place)? {
                Found::Nothing => {}
                Found::Record(record) => {
                    repository.tags.insert(tag, TagState { record, live: false });
                }
                Found::Damaged(why) => {
                    repository.all = true;
                    self.skipped.insert(name.clone());
                    self.damaged.push(Damaged { path: (&place).into(), why: why.to_string() });
                }
            }
        }
        for digest in storage.digests(|algorithm| Place::manifests(name, algorithm))? {
            if let Some(state) = self.scan_manifest(name, &digest)? {
                repository.manifests.insert(digest, state);
            }
        }
        for digest in storage.digests(|algorithm| Place::links(name, algorithm))? {
            if let Some(stat) = storage.files().stat(&Place::link(name, &digest))? {
                repository.links.insert(digest, LinkState { used: stat.modified, live: false });
            }
        }
        for (subject, referrer) in storage.all_referrers(name)? {
            repository.referrers.entry(subject).or_default().push(referrer);
        }
        retention::retain(&mut repository, rules.keep_last(name), rules, self.started);
        Ok(repository)
    }

    /// A manifest's record as it is now.
    fn scan_manifest(
        &mut self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<ManifestState>, StorageError> {
        let place = Place::manifest(name, digest);
        let Some(stat) = self.storage.files().stat(&place)? else { return Ok(None) };
        let state =
            |media_type, used| ManifestState { media_type, used, modified: stat.modified, live: false };
        Ok(match self.storage.record::<ManifestRecord>(&place)? {
            Found::Nothing => None,
            Found::Record(record) => Some(state(Some(record.media_type), record.pushed.max(stat.modified))),
            Found::Damaged(why) => {
                self.damaged.push(Damaged { path: (&place).into(), why: why.to_string() });
                Some(state(None, stat.modified))
            }
        })
    }

    /// Marks everything that is needed.
    pub(super) fn mark_all(
        &mut self,
        rules: &CollectRules,
        progress: &mut dyn FnMut(CollectProgress),
    ) -> Result<(), StorageError> {
        let names: Vec<RepositoryName> = self.repositories.keys().cloned().collect();
        for name in &names {
            let started = self.started;
            let Some(repository) = self.repositories.get_mut(name) else { continue };
            let tags = repository.tags.values().filter(|tag| tag.live);
            let mut roots: Vec<Digest> = tags.map(|tag| tag.record.digest.clone()).collect();
            for (digest, manifest) in &repository.manifests {
                if repository.all
                    || manifest.media_type.is_none()
                    || rules.is_young(started, manifest.used)
                    || rules.roots.digests.contains(digest)
                {
                    roots.push(digest.clone());
                }
            }
            for (digest, link) in &mut repository.links {
                if repository.all
                    || rules.is_young(started, link.used)
                    || rules.roots.digests.contains(digest)
                {
                    link.live = true;
                    self.content.insert(digest.clone());
                }
            }
            for digest in roots {
                self.mark(name, digest)?;
                progress(CollectProgress { stage: CollectStage::Mark, done: self.marked, of: 0 });
            }
        }
        for digest in &rules.roots.digests {
            self.mark_content(digest)?;
        }
        Ok(())
    }

    /// Marks what was wanted since the scan began. Called while the gate is held alone.
    pub(super) fn extend(&mut self, noted: Noted) -> Result<(), StorageError> {
        for (name, digest) in noted.blobs {
            if let Some(link) = self.repositories.get_mut(&name).and_then(|all| all.links.get_mut(&digest)) {
                link.live = true;
            }
            self.content.insert(digest);
        }
        for (name, digest) in noted.manifests {
            self.mark(&name, digest)?;
        }
        Ok(())
    }

    /// Marks a manifest of a repository with everything that it reaches and that refers to it.
    fn mark(&mut self, name: &RepositoryName, digest: Digest) -> Result<(), StorageError> {
        let mut open = vec![digest];
        while let Some(digest) = open.pop() {
            if !self.repositories.get(name).is_some_and(|all| all.manifests.contains_key(&digest)) {
                // Pushed after the scan, or not here: an index may list what is no manifest, and with
                // the right rules what is nowhere.
                if let Some(state) = self.scan_manifest(name, &digest)? {
                    let repository = self.repositories.entry(name.clone()).or_default();
                    repository.manifests.insert(digest.clone(), state);
                }
            }
            self.content.insert(digest.clone());
            let repository = self.repositories.entry(name.clone()).or_default();
            if let Some(link) = repository.links.get_mut(&digest) {
                link.live = true;
            }
            let Some(state) = repository.manifests.get_mut(&digest) else { continue };
            if state.live {
                continue;
            }
            state.live = true;
            open.extend(repository.referrers.get(&digest).into_iter().flatten().cloned());
            for tag in repository.companions.remove(referrers_tag(&digest).as_str()).unwrap_or_default() {
                if let Some(tag) = repository.tags.get_mut(&tag) {
                    tag.live = true;
                    open.push(tag.record.digest.clone());
                }
            }
            let media_type = state.media_type.clone().unwrap_or_default();
            self.marked += 1;
            let manifest = match self.read(name, &digest, &media_type)? {
                Reading::Manifest(manifest) => manifest,
                Reading::Nothing => continue,
                Reading::Unreadable(why) => {
                    self.keep_all(name, &digest, why, &mut open);
                    continue;
                }
            };
            let repository = self.repositories.entry(name.clone()).or_default();
            for blob in manifest.all_blobs() {
                self.content.insert(blob.digest.clone());
                if let Some(link) = repository.links.get_mut(&blob.digest) {
                    link.live = true;
                }
            }
            open.extend(manifest.manifests.into_iter().map(|child| child.digest));
        }
        Ok(())
    }

    /// Marks everything in a repository, which has a manifest that must be kept and cannot be read. What is there
    /// and is to be looked at goes to `open`.
    fn keep_all(&mut self, name: &RepositoryName, digest: &Digest, why: String, open: &mut Vec<Digest>) {
        tracing::warn!(
            repository = %name, %digest, why,
            "a manifest cannot be read, so all of its repository is kept: push it again, or delete it"
        );
        self.damaged.push(Damaged { path: (&Place::blob(digest)).into(), why });
        self.skipped.insert(name.clone());
        let repository = self.repositories.entry(name.clone()).or_default();
        repository.all = true;
        for tag in repository.tags.values_mut().filter(|tag| !tag.live) {
            tag.live = true;
            open.push(tag.record.digest.clone());
        }
        for (digest, link) in &mut repository.links {
            link.live = true;
            self.content.insert(digest.clone());
        }
        open.extend(
            repository.manifests.iter().filter(|(_, state)| !state.live).map(|(digest, _)| digest.clone()),
        );
    }

    /// Reads a manifest that must be kept.
    fn read(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        media_type: &str,
    ) -> Result<Reading, StorageError> {
        let why = match self.storage.verified(digest) {
            Ok(Some(bytes)) => match Manifest::read(media_type, &bytes) {
                Ok(manifest) => return Ok(Reading::Manifest(Box::new(manifest))),
                Err(error) => error.to_string(),
            },
            Ok(None) => "missing".to_owned(),
            Err(StorageError::Corrupt { .. }) => "damaged".to_owned(),
            Err(error) => error.to_string(),
        };
        if self.storage.files().stat(&Place::manifest(name, digest))?.is_none() {
            return Ok(Reading::Nothing);
        }
        Ok(Reading::Unreadable(why))
    }

    /// Marks content that a root names, and what that reaches, also where no repository has it.
    fn mark_content(&mut self, digest: &Digest) -> Result<(), StorageError> {
        let in_repository =
            |all: &Repository| all.manifests.contains_key(digest) || all.links.contains_key(digest);
        let known = self.repositories.values().any(in_repository);
        self.content.insert(digest.clone());
        if known {
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        let mut open = vec![digest.clone()];
        while let Some(digest) = open.pop() {
            if !seen.insert(digest.clone()) {
                continue;
            }
            self.content.insert(digest.clone());
            // What is no manifest reaches nothing.
            let Some(manifest) = self.read_content(&digest)? else { continue };
            self.content.extend(manifest.all_blobs().map(|blob| blob.digest.clone()));
            open.extend(manifest.manifests.into_iter().map(|child| child.digest));
        }
        Ok(())
    }

    /// Content as a manifest, if it is one.
    fn read_content(&self, digest: &Digest) -> Result<Option<Manifest>, StorageError> {
        let stat = self.storage.files().stat(&Place::blob(digest))?;
        if stat.is_none_or(|stat| stat.size > crate::repository::read::MAX_MANIFEST) {
            return Ok(None);
        }
        match self.storage.verified(digest) {
            Ok(bytes) => Ok(bytes.and_then(|bytes| Manifest::read("", &bytes).ok())),
            Err(StorageError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
