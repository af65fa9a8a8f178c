// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finds the one task medium.
//!
//! Media are recognised by their volume label, or by the footer of a composed image. The same medium may be in sight
//! twice (a CD that also shows up as USB); two that differ are refused, because nothing here can tell which is stale:
//! the label names the job but not the attempt.

use std::time::Duration;

use shoal_taskiso::ReadAt;
use shoal_taskiso::reader::{LocateError, ReadError, open_task};
use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::host::{Clock, Files, TaskMedia};
use crate::run_log::RunLog;

/// The name of the task on its medium.
pub const TASK_NAME: &str = "task.json";

/// Largest file read from a medium, in bytes.
const FILE_LIMIT: u64 = 16 << 20;

/// A task medium and what was read from it.
#[derive(Clone)]
pub struct TaskMedium {
    /// Where it is, for people: `/dev/sr1`.
    pub device: String,
    /// Its volume label.
    pub label: String,
    /// Bytes in front of the task volume; 0 unless it stands behind a maintenance ISO.
    pub offset: u64,
    /// The files asked for.
    pub files: Files,
}

/// One look at all devices.
#[derive(Default)]
pub struct Scan {
    /// Every task medium in sight.
    pub media: Vec<TaskMedium>,
    /// What went wrong with devices that may carry one.
    pub troubles: Vec<Trouble>,
}

/// Why a task medium could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Mounting is not allowed to this process.
    #[error("mount {device}: not allowed")]
    NotAllowed {
        /// The device.
        device: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The device or its mount failed.
    #[error("read {device}")]
    Device {
        /// The device.
        device: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It carries a task medium that is damaged.
    #[error("read the task medium in {device}")]
    Damaged {
        /// The device.
        device: String,
        /// What is wrong with it.
        #[source]
        source: LocateError,
    },
    /// A file of it cannot be read.
    #[error("read a file of the task medium in {device}")]
    File {
        /// The device.
        device: String,
        /// What is wrong with it.
        #[source]
        source: ReadError,
    },
}

/// Why there is no task medium to work with.
#[derive(Debug, thiserror::Error)]
pub enum MediumError {
    /// None in time.
    #[error("find the task medium: none after {seconds} s")]
    NotFound {
        /// How long it was looked for.
        seconds: u64,
    },
    /// There was one, and it could not be read.
    #[error("find the task medium: the one in sight cannot be read")]
    Unreadable(#[source] Trouble),
    /// Several that differ.
    #[error(
        "find the task medium: {count} different ones are in sight ({devices}), and only one can be meant"
    )]
    Several {
        /// How many.
        count: usize,
        /// Where.
        devices: String,
    },
}

impl MediumError {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } => Exit::MediumNotFound,
            Self::Unreadable(Trouble::NotAllowed { .. }) => Exit::NotRoot,
            Self::Unreadable(_) | Self::Several { .. } => Exit::MountFailed,
        }
    }

    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "medium_not_found",
            Self::Unreadable(_) => "medium_unreadable",
            Self::Several { .. } => "several_media",
        }
    }
}

/// Reads the task medium in `source`; nothing when there is none.
pub fn read<S: ReadAt>(device: &str, source: S, names: &[String]) -> Result<Option<TaskMedium>, Trouble> {
    let (location, volume) = match open_task(source) {
        Ok(found) => found,
        Err(LocateError::NoTask) => return Ok(None),
        Err(source) => return Err(Trouble::Damaged { device: device.to_owned(), source }),
    };
    let mut files = Files::new();
    for name in names {
        match volume.read(name, FILE_LIMIT) {
            Ok(content) => {
                files.insert(name.clone(), Zeroizing::new(content));
            }
            Err(ReadError::NotFound { .. }) => {}
            Err(source) => return Err(Trouble::File { device: device.to_owned(), source }),
        }
    }
    let (offset, label) = (location.offset, location.volume_id);
    Ok(Some(TaskMedium { device: device.to_owned(), label, offset, files }))
}

/// Waits until there is exactly one task medium.
pub async fn find<H: TaskMedia + Clock + ?Sized>(
    host: &H,
    names: &[String],
    wait: Duration,
    interval: Duration,
    log: &mut RunLog,
) -> Result<TaskMedium, MediumError> {
    let started = host.elapsed();
    loop {
        let Scan { mut media, mut troubles } = host.scan(names).await;
        // A stick that is being plugged in may fail at first: only what still fails in the end counts.
        let distinct = distinct(&media);
        match (distinct, media.pop()) {
            (1, Some(medium)) => {
                log.note("task medium found", format!("{} in {}", medium.label, medium.device));
                return Ok(medium);
            }
            (count @ 2.., Some(last)) => {
                let devices: Vec<&str> =
                    media.iter().map(|medium| medium.device.as_str()).chain([last.device.as_str()]).collect();
                return Err(MediumError::Several { count, devices: devices.join(", ") });
            }
            _ => {}
        }
        let left = wait.saturating_sub(host.elapsed().saturating_sub(started));
        if left.is_zero() {
            return Err(match troubles.pop() {
                Some(trouble) => MediumError::Unreadable(trouble),
                None => MediumError::NotFound { seconds: wait.as_secs() },
            });
        }
        host.sleep(interval.min(left)).await;
    }
}

/// How many different media there are.
fn distinct(media: &[TaskMedium]) -> usize {
    let task = |medium: &TaskMedium| medium.files.get(TASK_NAME).cloned();
    let mut seen: Vec<(&str, _)> = Vec::new();
    for medium in media {
        let key = (medium.label.as_str(), task(medium));
        if !seen.contains(&key) {
            seen.push(key);
        }
    }
    seen.len()
}
