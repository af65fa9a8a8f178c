// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the tests of the storage share: a clock, content, a world that can crash, and what must hold after it did.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use shoal_oci::{Algorithm, Digest, RepositoryName};
use shoal_registry_storage::disk::{Fault, FaultDisk, Lost, Root, Tear};
use shoal_registry_storage::{Clock, IndexWrites, Options, PIECE, Storage, StorageError};

/// A clock that goes on when it is told to. Begins now, as files get the system's time.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Timestamp::now())))
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub(crate) fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

pub(crate) fn digest(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

/// Bytes in which no two pieces are the same and none is all zeros.
pub(crate) fn content(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 + at / 251 + seed * 97 + 1) as u8).collect()
}

/// Sizes that matter: nothing, little, exactly a piece, one byte more, several pieces.
pub(crate) const SIZES: [usize; 5] = [0, 100, PIECE, PIECE + 1, 2 * PIECE + 1000];

/// A directory with a storage in it.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<TestClock>,
}

impl World {
    /// In memory where that can be had: thousands of small directories are made and removed.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self { dir, clock: TestClock::new() }
    }

    /// Where temporary files usually are: on a real disk, mostly.
    pub(crate) fn on_disk() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock: TestClock::new() }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("oci")
    }

    pub(crate) fn options(&self) -> Options {
        Options { index: IndexWrites::OnClose, ..Options::new(self.clock.clone()) }
    }

    /// On a disk that syncs nothing: nobody pulls the plug of the machine that runs the tests.
    pub(crate) fn open(&self) -> Storage {
        self.open_on(&Arc::new(FaultDisk::new()))
    }

    pub(crate) fn open_real(&self) -> Storage {
        Storage::open(&self.root(), self.options()).unwrap()
    }

    pub(crate) fn open_on(&self, disk: &Arc<FaultDisk>) -> Storage {
        let disk = disk.clone();
        Storage::open(&self.root(), Options { disk, ..self.options() }).unwrap()
    }

    pub(crate) fn blob_file(&self, digest: &Digest) -> PathBuf {
        self.root().join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    pub(crate) fn sums_file(&self, digest: &Digest) -> PathBuf {
        self.root().join("sums").join(digest.algorithm().as_str()).join(digest.hex())
    }

    /// The names in a directory of the storage.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        names(&self.root().join(path))
    }
}

pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Uploads content in one go.
pub(crate) fn push(
    storage: &Storage,
    repository: &RepositoryName,
    content: &[u8],
) -> Result<Digest, StorageError> {
    let digest = digest(content);
    let id = storage.begin(repository, Algorithm::Sha256)?;
    let mut writer = storage.writer(repository, id)?;
    writer.write(content)?;
    assert_eq!(writer.finish(&digest)?, content.len() as u64);
    Ok(digest)
}

/// All of a blob; `None` if it is absent.
pub(crate) fn pull(
    storage: &Storage,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<Vec<u8>>, StorageError> {
    let Some(blob) = storage.blob(repository, digest)? else { return Ok(None) };
    let mut content = Vec::new();
    loop {
        let piece = blob.piece_blocking(content.len() as u64, usize::MAX)?;
        if piece.is_empty() {
            break;
        }
        content.extend_from_slice(&piece);
    }
    assert_eq!(content.len() as u64, blob.size());
    Ok(Some(content))
}

/// Everything that may be lost when the world stops.
pub(crate) fn tears() -> Vec<Tear> {
    let contents = [Lost::Nothing, Lost::Length, Lost::Zeros, Lost::Half];
    let with = |names| contents.map(|content| Tear { content, names });
    [with(false), with(true)].concat()
}

/// What must hold whatever happened: only whole content under `blobs/`, whole checksums, no temporary files.
pub(crate) fn check(world: &World) {
    assert_eq!(world.names("temp"), Vec::<String>::new());
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        for hex in world.names(&format!("blobs/{algorithm}")) {
            let expected = Digest::parse(&format!("{algorithm}:{hex}")).unwrap();
            let content = fs::read(world.blob_file(&expected)).unwrap();
            assert_eq!(Digest::of(algorithm, &content), expected, "content under blobs/");
        }
        for hex in world.names(&format!("sums/{algorithm}")) {
            let of = Digest::parse(&format!("{algorithm}:{hex}")).unwrap();
            assert!(world.blob_file(&of).exists(), "checksums of content that is not there");
        }
    }
    assert_eq!(world.names("quarantine/corrupt"), Vec::<String>::new());
}

/// How an operation on a disk with a fault ended.
pub(crate) struct Ended<T> {
    pub(crate) world: World,
    pub(crate) disk: Arc<FaultDisk>,
    /// What the operation said; what it acknowledged must be there.
    pub(crate) result: Result<T, StorageError>,
    /// For messages: the fault and the step it hit.
    pub(crate) about: String,
}

/// A stop in each state that an operation goes through: before its first step, and after each one. (Before a
/// step is after the one before it.)
pub(crate) fn crash(state: u64) -> Fault {
    state.checked_sub(1).map_or(Fault::CrashBefore(0), Fault::CrashAfter)
}

/// Stops in every state, with what the power cut takes.
pub(crate) fn crashes(tears: &[Tear]) -> Vec<Kind> {
    tears.iter().map(|tear| (crash as fn(u64) -> Fault, *tear)).collect()
}

/// A disk that is full for one step, and one that stays full.
pub(crate) const FULL: [Kind; 2] =
    [(Fault::NoSpaceAt as fn(u64) -> Fault, WHOLE), (Fault::NoSpaceFrom as fn(u64) -> Fault, WHOLE)];

const WHOLE: Tear = Tear { content: Lost::Nothing, names: false };

/// A fault for the step of a number, and what is lost when the world stops.
pub(crate) type Kind = (fn(u64) -> Fault, Tear);

/// How much more than every day is tried: `SHOAL_CASES=8` tries eight times as much.
pub(crate) fn cases() -> u32 {
    std::env::var("SHOAL_CASES").map_or(1, |cases| cases.parse().expect("SHOAL_CASES is a number"))
}

/// Where choices begin: `SHOAL_SEED`, or another one each time. Printed, so that a failure can be repeated.
#[expect(clippy::print_stdout, reason = "what a failed test shows")]
pub(crate) fn seed() -> u64 {
    let seed = match std::env::var("SHOAL_SEED") {
        Ok(seed) => seed.parse().expect("SHOAL_SEED is a number"),
        Err(_) => RandomState::new().hash_one(()),
    };
    println!("SHOAL_SEED={seed}");
    seed
}

/// Runs an operation with a fault at every one of its steps, and with a stop after the last, and each end
/// through `check`. The storage is closed in between; `prepare` runs before the fault. Each step has one of
/// the kinds of faults in turn, or so many of them as [`cases()`] says; the end has all of them.
pub(crate) fn at_every_step<P, T>(
    kinds: &[Kind],
    prepare: impl Fn(&Storage) -> P,
    operate: impl Fn(&Storage, &P) -> Result<T, StorageError>,
    check: impl Fn(Ended<T>, P),
) -> u64 {
    let (seed, cases) = (seed(), cases() as usize);
    for step in 0.. {
        let mut is_end = false;
        for turn in 0..kinds.len() {
            if turn >= cases && !is_end {
                break;
            }
            let first = (seed.wrapping_add(step) % kinds.len() as u64) as usize;
            let (fault, tear) = kinds[(first + turn) % kinds.len()];
            is_end |= !at_step(fault(step), tear, &prepare, &operate, &check);
        }
        if is_end {
            return step;
        }
    }
    unreachable!("an operation has an end")
}

/// Runs an operation with a fault. `false`: it has no such step.
fn at_step<P, T>(
    fault: Fault,
    tear: Tear,
    prepare: &impl Fn(&Storage) -> P,
    operate: &impl Fn(&Storage, &P) -> Result<T, StorageError>,
    check: &impl Fn(Ended<T>, P),
) -> bool {
    let world = World::new();
    let disk = Arc::new(FaultDisk::new());
    let storage = world.open_on(&disk);
    let prepared = prepare(&storage);
    disk.arm(fault, tear);
    let result = operate(&storage, &prepared);
    let hit = match fault {
        Fault::CrashBefore(step)
        | Fault::CrashAfter(step)
        | Fault::NoSpaceAt(step)
        | Fault::NoSpaceFrom(step) => disk.steps().get(usize::try_from(step).unwrap()).cloned(),
        Fault::None | Fault::NoSpaceAfterBytes(_) => None,
    };
    let about = match &hit {
        Some(hit) => format!("{fault:?} at `{hit}`, {tear:?}"),
        None => {
            assert!(result.is_ok(), "without a fault it fails: {:?}", result.err());
            // The world stops right after the answer: what was not synced by then was not durable.
            disk.crash(&Root::open(&world.root()).unwrap());
            format!("after the last step, {tear:?}")
        }
    };
    drop(storage);
    check(Ended { world, disk, result, about }, prepared);
    hit.is_some()
}

/// How often each repository's content is on disk: once, however often it was pushed.
pub(crate) fn copies(world: &World) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for algorithm in ["sha256", "sha512"] {
        for hex in world.names(&format!("blobs/{algorithm}")) {
            *copies.entry(hex).or_default() += 1;
        }
    }
    copies
}
