// SPDX-License-Identifier: AGPL-3.0-or-later
//! `index.json`: every tag, for other tools that open the directory as an OCI image layout.
//!
//! The tags' own files are the truth; this file is derived from them. The tags are in memory too, read
//! on open; a change is written behind the request that made it: at once where nothing else is going
//! on, and together with the changes that come while a write is running. After a crash the file may
//! be old; opening the storage writes it again.

mod adopt;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;
use shoal_oci::{Digest, RepositoryName, Tag, media_type};

use crate::StorageError;
use crate::disk::Files;
use crate::layout::Place;
use crate::repository::records::TagRecord;

/// The annotation that names a manifest in a layout (image-spec, Pre-Defined Annotation Keys).
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// After a write there is a pause of so many times what it took, so that a stream of changes costs
/// little, and of at most so long.
const PAUSE: (u32, Duration) = (9, Duration::from_secs(5));

/// When `index.json` is written besides on open and on close.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndexWrites {
    /// Behind every change, by a thread of its own.
    #[default]
    Behind,
    /// Not at all: for a short life, and for tests that count steps.
    OnClose,
}

/// The tags in memory, and the thread that writes them.
pub(crate) struct TagIndex {
    shared: Arc<Shared>,
    writes: IndexWrites,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    files: Arc<Files>,
    state: Mutex<State>,
    changed: Condvar,
    /// One write at a time.
    writing: Mutex<()>,
}

#[derive(Default)]
struct State {
    tags: BTreeMap<RepositoryName, BTreeMap<Tag, TagRecord>>,
    sequence: u64,
    /// How many changes there were, and how many of them are in the file.
    changes: u64,
    written: u64,
    /// The tags were read: before that the file is not touched.
    loaded: bool,
    stop: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: u8,
    media_type: &'a str,
    manifests: Vec<Row<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    media_type: &'a str,
    digest: &'a Digest,
    size: u64,
    annotations: BTreeMap<&'a str, String>,
}

// === impl TagIndex ===

impl TagIndex {
    /// No tags yet, and nothing is written before [`TagIndex::load()`].
    pub(crate) fn new(files: Arc<Files>, writes: IndexWrites) -> Self {
        let shared =
            Shared { files, state: Mutex::default(), changed: Condvar::new(), writing: Mutex::default() };
        Self { shared: Arc::new(shared), writes, writer: Mutex::default() }
    }

    /// Takes what the files say, and writes the index.
    pub(crate) fn load(
        &self,
        tags: impl IntoIterator<Item = (RepositoryName, Tag, TagRecord)>,
    ) -> Result<(), StorageError> {
        let mut state = self.shared.state();
        state.tags.clear();
        for (repository, tag, record) in tags {
            state.sequence = state.sequence.max(record.sequence);
            state.tags.entry(repository).or_default().insert(tag, record);
        }
        state.loaded = true;
        state.changes += 1;
        drop(state);
        self.shared.write()
    }

    /// The place of the next push of a tag in the order of all of them.
    pub(crate) fn next_sequence(&self) -> u64 {
        let mut state = self.shared.state();
        state.sequence += 1;
        state.sequence
    }

    /// The tag's file says this now.
    pub(crate) fn set(&self, repository: &RepositoryName, tag: &Tag, record: TagRecord) {
        self.change(|state| {
            state.tags.entry(repository.clone()).or_default().insert(tag.clone(), record);
        });
    }

    /// The tag's file is gone.
    pub(crate) fn remove(&self, repository: &RepositoryName, tag: &Tag) {
        self.change(|state| {
            if let Some(tags) = state.tags.get_mut(repository) {
                tags.remove(tag);
                if tags.is_empty() {
                    state.tags.remove(repository);
                }
            }
        });
    }

    /// What a tag points at.
    pub(crate) fn target(&self, repository: &RepositoryName, tag: &Tag) -> Option<Digest> {
        self.shared.state().tags.get(repository)?.get(tag).map(|record| record.digest.clone())
    }

    /// The repository's tags that point at the manifest.
    pub(crate) fn pointing_at(&self, repository: &RepositoryName, digest: &Digest) -> Vec<Tag> {
        let state = self.shared.state();
        let tags = state.tags.get(repository).into_iter().flatten();
        tags.filter(|(_, record)| record.digest == *digest).map(|(tag, _)| tag.clone()).collect()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.shared.state();
        change(&mut state);
        state.changes += 1;
        drop(state);
        if self.writes == IndexWrites::OnClose {
            return;
        }
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.is_none() {
            let shared = Arc::clone(&self.shared);
            match thread::Builder::new().name("registry-index".into()).spawn(move || shared.run()) {
                Ok(thread) => *writer = Some(thread),
                // The next change tries again, and closing writes in any case.
                Err(error) => tracing::warn!(error = &error as &dyn Error, "index.json waits for a thread"),
            }
        }
        self.shared.changed.notify_all();
    }
}

impl Drop for TagIndex {
    fn drop(&mut self) {
        self.shared.state().stop = true;
        self.shared.changed.notify_all();
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the thread that writes index.json has panicked");
        }
        if let Err(error) = self.shared.write() {
            tracing::warn!(error = &error as &dyn Error, "index.json could not be written on close");
        }
    }
}

impl fmt::Debug for TagIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TagIndex").field("writes", &self.writes).finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes behind changes until the end.
    fn run(&self) {
        loop {
            let idle = |state: &mut State| state.changes == state.written && !state.stop;
            let state = self.changed.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
            if state.stop {
                return;
            }
            drop(state);
            let begun = Instant::now();
            let result = self.write();
            let mut pause = (begun.elapsed() * PAUSE.0).min(PAUSE.1);
            if let Err(error) = result {
                // The tags themselves are written; this file is derived, and tried again.
                tracing::warn!(error = &error as &dyn Error, "index.json could not be written");
                pause = PAUSE.1;
            }
            let state = self.state();
            drop(self.changed.wait_timeout_while(state, pause, |state| !state.stop));
        }
    }

    /// Writes the file if there is anything new.
    fn write(&self) -> Result<(), StorageError> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, changes) = {
            let state = self.state();
            if !state.loaded || state.changes == state.written {
                return Ok(());
            }
            (document(&state)?, state.changes)
        };
        self.files.replace(&Place::index(), &bytes)?;
        self.state().written = changes;
        Ok(())
    }
}

fn document(state: &State) -> Result<Vec<u8>, StorageError> {
    let rows = state.tags.iter().flat_map(|(repository, tags)| {
        tags.iter().map(move |(tag, record)| Row {
            media_type: &record.media_type,
            digest: &record.digest,
            size: record.size,
            annotations: BTreeMap::from([(REF_NAME, format!("{repository}:{tag}"))]),
        })
    });
    let document =
        Document { schema_version: 2, media_type: media_type::IMAGE_INDEX, manifests: rows.collect() };
    serde_json::to_vec(&document)
        .map_err(|source| StorageError::Malformed { path: (&Place::index()).into(), source })
}
