// SPDX-License-Identifier: AGPL-3.0-or-later
//! The media of active jobs: what a capability opens, and the bytes behind it.
//!
//! Guarantees: a capability opens one medium of one attempt, while that attempt lasts; task media are
//! built from the job when asked for and never kept on disk; the maintenance ISO is the one whose
//! digest the job pinned.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use sha2::Digest as _;
use shoal_core::job::{Job, Medium, Phase, Rung};
use shoal_schema::{JobId, Sha256};
use shoal_taskiso::{Composed, DEFAULT_RAW_MULTIPLE, Iso, ReadAt};

use crate::controller::Controller;
use crate::hex::hex;
use crate::jobs::task::{TaskError, build_task};

/// The maintenance ISO, open since the start, and the task media in memory.
pub struct MediaShelf {
    maintenance: Arc<File>,
    digest: Sha256,
    path: PathBuf,
    built: Mutex<HashMap<(JobId, u32), Arc<Iso>>>,
    raw: Mutex<HashMap<(JobId, u32), Arc<Iso>>>,
    opened: Mutex<HashMap<String, (JobId, u32, Medium)>>,
}

/// The maintenance ISO cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// It cannot be read.
    #[error("cannot read the maintenance ISO {path}")]
    Read {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no ISO 9660 image.
    #[error("{path} is no ISO 9660 image")]
    NotIso {
        /// The file.
        path: PathBuf,
    },
}

/// A medium cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum MediumError {
    /// The task medium cannot be built.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The maintenance ISO on disk is not the one that the job pinned.
    #[error("the maintenance ISO {path} is another one than the job started with")]
    OtherIso {
        /// The file.
        path: PathBuf,
    },
    /// The single image cannot be composed.
    #[error("cannot compose the single image")]
    Compose(#[source] shoal_taskiso::ComposeError),
    /// The raw image cannot be made.
    #[error("cannot make the raw task image")]
    Raw(#[source] shoal_taskiso::RawImageError),
}

/// A medium's bytes.
pub struct Body {
    /// Reads anywhere.
    pub source: Arc<dyn ReadAt + Send + Sync>,
    /// A strong entity tag, without quotes.
    pub etag: String,
    /// Its media type.
    pub content_type: &'static str,
}

impl MediaShelf {
    /// Opens the maintenance ISO and computes its digest.
    pub fn open(path: &Path) -> Result<Self, ShelfError> {
        let read = |source| ShelfError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let mut head = [0_u8; 5];
        let n = ReadAt::read_at(&file, 16 * 2048 + 1, &mut head).map_err(read)?;
        if n != 5 || &head != b"CD001" {
            return Err(ShelfError::NotIso { path: path.to_owned() });
        }
        let digest = digest_of(&file).map_err(read)?;
        Ok(Self {
            maintenance: Arc::new(file),
            digest,
            path: path.to_owned(),
            built: Mutex::default(),
            raw: Mutex::default(),
            opened: Mutex::default(),
        })
    }

    /// The digest that new jobs pin.
    pub fn digest(&self) -> &Sha256 {
        &self.digest
    }

    fn known(&self, capability: &str) -> Option<(JobId, u32, Medium)> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(capability).cloned()
    }

    /// Forgets what belongs to jobs that are over and to attempts that were followed by others.
    fn prune(&self, jobs: &HashMap<JobId, u32>) {
        let live = |id: &JobId, attempt: u32| jobs.get(id) == Some(&attempt);
        for built in [&self.built, &self.raw] {
            built.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, n), _| live(id, *n));
        }
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, (id, n, _)| live(id, *n));
    }
}

impl Controller {
    /// The job and medium that a capability opens now.
    pub fn open_capability(&self, capability: &str) -> Option<(Arc<Job>, Medium)> {
        if let Some((id, attempt, medium)) = self.media.known(capability) {
            let job = self.world().jobs.get(&id).cloned()?;
            return (job.attempt == attempt && serves(&job)).then_some((job, medium));
        }
        let active: Vec<Arc<Job>> = {
            let world = self.world();
            world.active.values().filter_map(|id| world.jobs.get(id)).cloned().collect()
        };
        self.media.prune(&active.iter().map(|job| (job.id.clone(), job.attempt)).collect());
        for job in active.into_iter().filter(|job| serves(job)) {
            for medium in [Medium::Boot, Medium::Task] {
                if self.keys.opens(&job, medium, capability) {
                    let mut opened = self.media.opened.lock().unwrap_or_else(PoisonError::into_inner);
                    opened.insert(capability.to_owned(), (job.id.clone(), job.attempt, medium));
                    return Some((job, medium));
                }
            }
        }
        None
    }

    /// The bytes of a medium of a job's current attempt.
    pub fn medium(&self, job: &Job, medium: Medium) -> Result<Body, MediumError> {
        const ISO: &str = "application/x-iso9660-image";
        let rung = job.route.as_ref().map(|route| route.rung);
        match (medium, rung) {
            (Medium::Task, Some(Rung::CdUsb)) => {
                let raw = self.task_raw(job)?;
                let etag = format!("sha256:{}", raw.sha256_hex());
                Ok(Body {
                    etag,
                    source: Arc::new(raw.bytes.clone()),
                    content_type: "application/octet-stream",
                })
            }
            (Medium::Task, _) => {
                let iso = self.task_iso(job)?;
                let etag = format!("sha256:{}", iso.sha256_hex());
                Ok(Body { etag, source: Arc::new(iso.bytes.clone()), content_type: ISO })
            }
            (Medium::Boot, rung) => {
                if job.maintenance_iso != self.media.digest {
                    return Err(MediumError::OtherIso { path: self.media.path.clone() });
                }
                let maintenance = Arc::clone(&self.media.maintenance);
                if !rung.is_some_and(Rung::is_composed) {
                    let etag = self.media.digest.to_string();
                    return Ok(Body { etag, source: Arc::new(FileSource(maintenance)), content_type: ISO });
                }
                let iso = self.task_iso(job)?;
                let etag = format!("{}+{}", self.media.digest, iso.sha256_hex());
                let composed = Composed::new(FileSource(maintenance), &iso).map_err(MediumError::Compose)?;
                Ok(Body { etag, source: Arc::new(composed), content_type: ISO })
            }
        }
    }

    /// The task medium of a job's current attempt as a raw disk.
    fn task_raw(&self, job: &Job) -> Result<Arc<Iso>, MediumError> {
        let key = (job.id.clone(), job.attempt);
        if let Some(known) = self.media.raw.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(known));
        }
        let iso = self.task_iso(job)?;
        let raw = Arc::new(shoal_taskiso::raw_image(&iso, DEFAULT_RAW_MULTIPLE).map_err(MediumError::Raw)?);
        self.media.raw.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&raw));
        Ok(raw)
    }

    /// The task medium of a job's current attempt.
    pub fn task_iso(&self, job: &Job) -> Result<Arc<Iso>, TaskError> {
        let key = (job.id.clone(), job.attempt);
        if let Some(known) = self.media.built.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(known));
        }
        let began = Instant::now();
        let iso = Arc::new(build_task(self, job)?);
        self.metrics.iso_built("task", began.elapsed(), iso.bytes.len() as u64);
        self.media.built.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&iso));
        Ok(iso)
    }

    /// Where BMCs find media for a job, in the order in which they are tried.
    pub fn media_bases(&self, job: &Job) -> Vec<String> {
        self.bases_of(&job.server)
    }

    /// Where the BMC of a server finds media.
    pub(crate) fn bases_of(&self, server: &str) -> Vec<String> {
        let (fleet, labels) = {
            let world = self.world();
            let labels = world
                .inventory
                .servers
                .get(server)
                .map(|server| server.value.metadata.labels.clone())
                .unwrap_or_default();
            (Arc::clone(&world.fleet), labels)
        };
        let fits = |wanted: &std::collections::BTreeMap<String, String>| {
            wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
        };
        let from_git: Vec<String> =
            fleet.media_urls.iter().filter(|url| fits(&url.labels)).map(|url| url.url.clone()).collect();
        if from_git.is_empty() { self.settings.media_urls.clone() } else { from_git }
    }

    /// Every address under which media are given out, to know our own in a slot.
    pub fn all_media_bases(&self) -> Vec<String> {
        let fleet = Arc::clone(&self.world().fleet);
        let from_git = fleet.media_urls.iter().map(|url| url.url.clone());
        from_git.chain(self.settings.media_urls.iter().cloned()).collect()
    }

    /// Where a host finds the controller.
    pub fn callback_url(&self, server: &str) -> Option<String> {
        let world = self.world();
        let labels = world.inventory.servers.get(server).map(|s| s.value.metadata.labels.clone());
        let labels = labels.unwrap_or_default();
        let fleet = &world.fleet;
        fleet
            .callback_urls
            .iter()
            .find(|url| url.labels.iter().all(|(key, value)| labels.get(key) == Some(value)))
            .map(|url| url.url.clone())
            .or_else(|| fleet.callback_url.clone())
            .or_else(|| self.settings.callback_url.clone())
    }
}

/// Media are there from their insertion until they are taken out.
fn serves(job: &Job) -> bool {
    !matches!(job.phase, Phase::Queued | Phase::Discover | Phase::PowerOff | Phase::Backoff | Phase::Complete)
}

/// A file that several readers share.
struct FileSource(Arc<File>);

impl ReadAt for FileSource {
    fn len(&self) -> u64 {
        ReadAt::len(&*self.0)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        ReadAt::read_at(&*self.0, offset, buf)
    }
}

fn digest_of(file: &File) -> io::Result<Sha256> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0_u8; 1 << 20];
    let mut offset = 0;
    loop {
        let n = ReadAt::read_at(file, offset, &mut buffer)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        offset += n as u64;
    }
    let hex = hex(&hasher.finalize());
    Ok(Sha256::parse(&format!("sha256:{hex}")).expect("64 hex digits were written"))
}

/// Reads a range in one piece.
pub(crate) fn read_range(source: &dyn ReadAt, offset: u64, len: usize) -> io::Result<Bytes> {
    let mut buffer = vec![0_u8; len];
    let mut filled = 0;
    while filled < len {
        let n = source.read_at(offset + filled as u64, &mut buffer[filled..])?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += n;
    }
    Ok(buffer.into())
}
