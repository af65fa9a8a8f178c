// SPDX-License-Identifier: AGPL-3.0-or-later
//! Comparing all content with its digests, before somebody needs it.
//!
//! What is damaged goes into quarantine, and is absent from then on; the result says which images need
//! it. Missing checksums of pieces are made again on the way. What cannot even be looked at is named too, and
//! keeps nothing else from being checked.
//!
//! A collection may run beside it: what that takes away while it is read was read to its end through the
//! open file, and is neither an error nor damage, whatever it was.

use std::collections::BTreeSet;
use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use shoal_oci::{Digest, RepositoryName, Tag};

use crate::blob::Checked;
use crate::layout::Place;
use crate::{Storage, StorageError};

/// How far a scrub is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrubProgress {
    /// What is being read.
    pub digest: Digest,
    /// Contents that were checked, and all there are.
    pub checked: u64,
    /// See `checked`.
    pub of: u64,
    /// Bytes that were read, and all there are.
    pub bytes: u64,
    /// See `bytes`.
    pub of_bytes: u64,
}

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Contents that were checked.
    pub checked: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Contents that were damaged, or that the disk could not read. They are in quarantine now; where that
    /// failed, the log says why, and they are found again.
    pub corrupt: Vec<Digest>,
    /// Contents that could not be checked, such as for want of permission, and why not.
    pub failed: Vec<(Digest, String)>,
    /// Who needs those.
    pub affected: Vec<Affected>,
    /// It was told to stop before the end.
    pub stopped: bool,
}

/// A repository that has damaged content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Affected {
    /// The content.
    pub digest: Digest,
    /// The repository.
    pub repository: RepositoryName,
    /// Tags of the repository that reach it.
    pub tags: Vec<Tag>,
}

impl Storage {
    /// Reads all content and compares it with its digests, at `pace` bytes a second if given.
    /// `progress` is called before each read, `stop` too.
    ///
    /// # Errors
    /// Those of the system, where it cannot say what there is; what is wrong with one content is in the result.
    pub fn scrub(
        &self,
        pace: Option<u64>,
        progress: &mut dyn FnMut(ScrubProgress),
        stop: &dyn Fn() -> bool,
    ) -> Result<Scrubbed, StorageError> {
        let mut all = Vec::new();
        for digest in self.digests(Place::blobs)? {
            // What cannot be looked at is told when its turn comes.
            let size = self.files().stat(&Place::blob(&digest)).ok().flatten().map_or(0, |stat| stat.size);
            all.push((digest, size));
        }
        let of = all.len() as u64;
        let of_bytes = all.iter().map(|(_, size)| size).sum();
        let begun = Instant::now();
        let mut read = 0;
        let mut scrubbed = Scrubbed::default();
        for (digest, _) in all {
            if stop() {
                scrubbed.stopped = true;
                break;
            }
            let checked = scrubbed.checked;
            let mut go_on = |bytes: u64| {
                progress(ScrubProgress { digest: digest.clone(), checked, of, bytes: read, of_bytes });
                read += bytes;
                rest(pace, begun, read);
                !stop()
            };
            match self.check_content(&digest, &mut go_on) {
                Err(error) => {
                    tracing::error!(%digest, error = &error as &dyn Error, "stored content could not be checked");
                    scrubbed.failed.push((digest, chain(&error)));
                }
                // Collected meanwhile: before it was opened, or while it was read.
                Ok(None) => {}
                Ok(Some(Checked::Right(size))) => {
                    scrubbed.checked += 1;
                    scrubbed.bytes += size;
                }
                Ok(Some(Checked::Damaged(size))) => {
                    scrubbed.checked += 1;
                    scrubbed.bytes += size;
                    scrubbed.corrupt.push(digest);
                }
                Ok(Some(Checked::Stopped)) => {
                    scrubbed.stopped = true;
                    break;
                }
            }
        }
        if !scrubbed.corrupt.is_empty() {
            scrubbed.affected = self.affected(&scrubbed.corrupt)?;
        }
        Ok(scrubbed)
    }

    /// Which repositories have the content, and which of their tags reach it.
    fn affected(&self, corrupt: &[Digest]) -> Result<Vec<Affected>, StorageError> {
        let mut affected = Vec::new();
        for repository in self.repositories()? {
            match self.affected_in(&repository, corrupt) {
                Ok(found) => affected.extend(found),
                Err(error) => {
                    let error = &error as &dyn Error;
                    tracing::error!(%repository, error, "who needs damaged content cannot be told of a repository");
                }
            }
        }
        affected.sort();
        Ok(affected)
    }

    fn affected_in(
        &self,
        repository: &RepositoryName,
        corrupt: &[Digest],
    ) -> Result<Vec<Affected>, StorageError> {
        let mut affected = Vec::new();
        let mut tags = Vec::new();
        for tag in self.all_tags(repository)? {
            tags.push((self.reached(repository, &tag)?, tag));
        }
        for digest in corrupt {
            let of = |(reached, tag): &(BTreeSet<Digest>, Tag)| reached.contains(digest).then(|| tag.clone());
            let tags: Vec<Tag> = tags.iter().filter_map(of).collect();
            let linked = self.files().stat(&Place::link(repository, digest))?.is_some()
                || self.files().stat(&Place::manifest(repository, digest))?.is_some();
            if linked || !tags.is_empty() {
                affected.push(Affected { digest: digest.clone(), repository: repository.clone(), tags });
            }
        }
        Ok(affected)
    }

    /// Everything that a tag reaches, as far as its manifests can be read.
    fn reached(&self, repository: &RepositoryName, tag: &Tag) -> Result<BTreeSet<Digest>, StorageError> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<Digest> = self.index().target(repository, tag).into_iter().collect();
        while let Some(digest) = open.pop() {
            if !reached.insert(digest.clone()) {
                continue;
            }
            let read = match self.manifest_read(repository, &digest) {
                Err(StorageError::Malformed { .. }) => None,
                other => other?,
            };
            if let Some((_, manifest)) = read {
                reached.extend(manifest.all_blobs().map(|blob| blob.digest.clone()));
                open.extend(manifest.manifests.into_iter().map(|child| child.digest));
            }
        }
        Ok(reached)
    }
}

/// Waits until so many bytes may have been read since the beginning.
fn rest(pace: Option<u64>, begun: Instant, read: u64) {
    let Some(pace) = pace.filter(|pace| *pace > 0) else { return };
    let due = Duration::from_secs_f64(read as f64 / pace as f64);
    // In short naps, so that a stop is heard soon.
    thread::sleep(due.saturating_sub(begun.elapsed()).min(Duration::from_millis(500)));
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
