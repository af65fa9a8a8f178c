// SPDX-License-Identifier: AGPL-3.0-or-later
//! Opening a storage: lock, layout, leftovers of a crash, and taking over what another tool wrote.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, OFlags};
use serde::{Deserialize, Serialize};
use shoal_oci::{Digest, RepositoryName, Tag};

use crate::disk::{Files, Root};
use crate::index::TagIndex;
use crate::layout::{ALGORITHMS, Place};
use crate::repository::gate::Gate;
use crate::repository::records::{Found, TagRecord};
use crate::{Inner, Options, Storage, StorageError};

/// What an interrupted first opening leaves, and what file systems put into their own root.
const HARMLESS: [&str; 3] = ["lock", "temp", "lost+found"];
/// The version of the layout of an OCI image layout (image-spec, oci-layout file).
const OCI_VERSION: &str = "1.0.0";
/// The version of everything beside it.
const VERSION: u32 = 1;
/// Marker files are not longer than this.
const MARKER_LIMIT: u64 = 64 * 1024;

/// `oci-layout`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct OciLayout {
    image_layout_version: String,
}

/// `shoal-registry.json`.
#[derive(Deserialize, Serialize)]
struct Marker {
    version: u32,
}

impl Storage {
    /// Opens the storage in a directory, which is made if it is not there. An empty directory becomes a storage,
    /// an OCI image layout of another tool is taken over. Removes what an interrupted operation left.
    ///
    /// # Errors
    /// [`StorageError::Locked`], [`StorageError::NotALayout`], [`StorageError::Version`], [`StorageError::Owner`];
    /// those of the system.
    pub fn open(root: &Path, options: Options) -> Result<Self, StorageError> {
        let failed = |operation| move |error| StorageError::io(operation, root, error);
        fs::create_dir_all(root).map_err(failed("make the directory"))?;
        let root = Root::open(root).map_err(failed("open"))?;
        // Before anything is written: a directory with other things in it stays as it is.
        let is_layout = check_layout(&root)?;
        if is_layout {
            check_owner(&root, rustix::process::geteuid().as_raw())?;
        }
        let lock = lock(&root)?;
        let files = Arc::new(Files::new(root, Arc::clone(&options.disk)));
        let ours = prepare(&files, is_layout)?;
        let index = TagIndex::new(Arc::clone(&files), options.index);
        let storage = Self {
            inner: Arc::new(Inner {
                files,
                options,
                gate: Gate::default(),
                index,
                pool: Arc::default(),
                sizes: crate::usage::Sizes::default(),
                estimates: crate::quota::Estimates::default(),
                sums: crate::sums::Cache::default(),
                checks: crate::blob::Checks::default(),
                fresh: crate::blob::Fresh::default(),
                uploads: crate::upload::Sessions::default(),
                _lock: lock,
            }),
        };
        if !ours {
            let adopted = storage.adopt()?;
            if adopted > 0 {
                tracing::info!(manifests = adopted, "content of an OCI image layout was taken over");
            }
            // Last: a crash before this takes everything over again.
            let marker = serde_json::to_vec(&Marker { version: VERSION });
            let marker = marker.map_err(malformed(&Place::marker()))?;
            storage.inner.files.put(&Place::marker(), &marker)?;
        }
        storage.inner.index.load(storage.tags_on_disk()?)?;
        Ok(storage)
    }

    /// The directory that it is in.
    pub fn root(&self) -> &Path {
        self.inner.files.root().path()
    }

    /// Every tag, as its file says.
    fn tags_on_disk(&self) -> Result<Vec<(RepositoryName, Tag, TagRecord)>, StorageError> {
        let mut tags = Vec::new();
        for repository in self.repositories()? {
            for tag in self.all_tags(&repository)? {
                match self.record::<TagRecord>(&Place::tag(&repository, &tag))? {
                    Found::Record(record) => tags.push((repository.clone(), tag, record)),
                    Found::Nothing => {}
                    Found::Damaged(error) => tracing::warn!(
                        %repository, %tag,
                        error = &error as &dyn std::error::Error,
                        "a tag cannot be read: push it again"
                    ),
                }
            }
        }
        Ok(tags)
    }
}

/// Whether an OCI image layout is there already. A directory with anything else in it is refused.
fn check_layout(root: &Root) -> Result<bool, StorageError> {
    let read = |place: &Place| {
        root.read(place, MARKER_LIMIT).map_err(|error| StorageError::io("read", place, error))
    };
    let wrong = |found: String| StorageError::Version { root: root.path().to_owned(), found };
    let Some(layout) = read(&Place::oci_layout())? else {
        let top = Place::root();
        let entries = root.list(&top).map_err(|error| StorageError::io("list", root.path(), error))?;
        return match entries.iter().find(|entry| !HARMLESS.iter().any(|name| entry.name == **name)) {
            None => Ok(false),
            Some(entry) => Err(StorageError::NotALayout {
                root: root.path().to_owned(),
                found: entry.name.display().to_string(),
            }),
        };
    };
    match serde_json::from_slice::<OciLayout>(&layout) {
        Ok(layout) if layout.image_layout_version == OCI_VERSION => {}
        Ok(layout) => return Err(wrong(format!("imageLayoutVersion is {}", layout.image_layout_version))),
        Err(_) => return Err(wrong("its oci-layout file cannot be read".to_owned())),
    }
    match read(&Place::marker())?.map(|marker| serde_json::from_slice::<Marker>(&marker)) {
        None | Some(Ok(Marker { version: VERSION })) => Ok(true),
        Some(Ok(Marker { version })) => Err(wrong(format!("version {version}"))),
        Some(Err(_)) => Err(wrong("its shoal-registry.json cannot be read".to_owned())),
    }
}

/// Refuses a storage of another user than `user`: files that this one made there the owner could not read.
fn check_owner(root: &Root, user: u32) -> Result<(), StorageError> {
    let place = Place::oci_layout();
    let owner = root.open_file(&place).and_then(|file| file.metadata());
    let owner = owner.map_err(|error| StorageError::io("look at", &place, error))?.uid();
    if owner == user {
        return Ok(());
    }
    Err(StorageError::Owner { root: root.path().to_owned(), owner: user_name(owner) })
}

/// The name of a user as `sudo -u` takes it. Where the accounts do not say: the number.
fn user_name(user: u32) -> String {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("'#{user}'"))
}

/// Takes the lock, or says who has it.
fn lock(root: &Root) -> Result<File, StorageError> {
    let place = Place::lock();
    let failed = |error: io::Error| StorageError::io("open", &place, error);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(root.dir(), place.as_path(), flags, Mode::from_raw_mode(0o640));
    let mut file = File::from(opened.map_err(|error| failed(error.into()))?);
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            // Only for the message: whatever cannot be read is left out of it.
            let read = (&file).take(32).read_to_string(&mut holder);
            let holder = read.ok().and_then(|_| holder.trim().parse().ok());
            return Err(StorageError::Locked { root: root.path().to_owned(), holder });
        }
        Err(error) => return Err(StorageError::io("lock", &place, error.into())),
    }
    // For people and for the message above; a full disk is no reason not to start.
    let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    if let Err(error) = noted {
        tracing::debug!(error = &error as &dyn std::error::Error, "the lock does not say who holds it");
    }
    Ok(file)
}

/// Makes the directories, removes what an interrupted operation left. Returns whether the layout is one of ours.
fn prepare(files: &Files, is_layout: bool) -> Result<bool, StorageError> {
    // First the file that says what this is: a directory without it and with others in it is refused.
    files.make_dirs(&Place::temp())?;
    for entry in files.list(&Place::temp())? {
        if let Some(place) = Place::temp().child(&entry.name).filter(|_| !entry.is_dir) {
            files.remove(&place)?;
        }
    }
    if !is_layout {
        let layout = OciLayout { image_layout_version: OCI_VERSION.to_owned() };
        let layout = serde_json::to_vec(&layout).map_err(malformed(&Place::oci_layout()))?;
        files.put(&Place::oci_layout(), &layout)?;
    }
    for place in Place::fixed() {
        files.make_dirs(&place)?;
    }
    remove_stray_sums(files)?;
    Ok(files.stat(&Place::marker())?.is_some())
}

/// Removes checksums of content that is not there: of an upload that did not get into place.
fn remove_stray_sums(files: &Files) -> Result<(), StorageError> {
    for algorithm in ALGORITHMS {
        for entry in files.list(&Place::all_sums(algorithm))? {
            let digest =
                entry.name.to_str().and_then(|hex| Digest::parse(&format!("{algorithm}:{hex}")).ok());
            if let Some(digest) = digest
                && files.stat(&Place::blob(&digest))?.is_none()
            {
                files.remove(&Place::sums(&digest))?;
            }
        }
    }
    Ok(())
}

fn malformed(place: &Place) -> impl FnOnce(serde_json::Error) -> StorageError + use<> {
    let path = place.into();
    move |source| StorageError::Malformed { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storage_of_another_user_is_refused_and_the_error_says_who_may() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("oci-layout"), "{}").unwrap();
        let root = Root::open(dir.path()).unwrap();
        let user = rustix::process::geteuid().as_raw();
        check_owner(&root, user).unwrap();
        let error = check_owner(&root, user + 1).unwrap_err();
        assert!(matches!(error, StorageError::Owner { .. }), "{error}");
        let advice = format!("run it as its owner: sudo -u {} shoal ", user_name(user));
        assert!(error.to_string().contains(&advice), "{error}");
    }

    #[test]
    fn a_user_is_named_as_the_accounts_do_and_by_number_otherwise() {
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(u32::MAX - 7), "'#4294967288'");
    }
}
