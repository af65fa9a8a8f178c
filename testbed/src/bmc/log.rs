// SPDX-License-Identifier: AGPL-3.0-or-later
//! What happened to a BMC, kept outside of what it says over Redfish.
//!
//! Two kinds of records in one order: requests that came in, and events that they (or the machine) caused. Tests and
//! demos take their verdict from here, not from what the program under test claims.
//!
//! Guarantees: records are numbered without gaps; a full ring forgets the oldest; values of properties that carry
//! secrets are never kept. Media URLs are kept: which image a BMC was given is the point of the log.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::machine::{BootDevice, BootMode, StopCause};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts the records of this BMC, from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum What {
    /// A request and its answer.
    Request(RequestRecord),
    /// A change of state.
    Event(Event),
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Status; 0 when the connection was closed without one.
    pub status: u16,
    /// How the client showed who it is.
    pub auth: AuthKind,
    /// Milliseconds on the BMC's clock.
    pub took_ms: u64,
    /// Body of a writing request, secrets taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Fault rules that fired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// How a client showed who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    /// Not at all.
    None,
    /// HTTP Basic, accepted.
    Basic,
    /// A session token, accepted.
    Session,
    /// Something that was refused.
    Refused,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The machine has power.
    PoweredOn,
    /// The machine has no power any more.
    PoweredOff,
    /// A reset action was accepted.
    Reset {
        /// `ResetType`.
        kind: String,
    },
    /// What was running stopped.
    Stopped {
        /// Why.
        cause: StopCause,
    },
    /// Firmware handed over.
    Boot {
        /// Counts the boots.
        boot: u64,
        /// Where from.
        device: BootDevice,
        /// Image URL, when from virtual media.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<String>,
        /// Firmware mode.
        mode: BootMode,
        /// Whether an override was the reason.
        overridden: bool,
    },
    /// The machine reported progress.
    Progress {
        /// `BootProgress.LastState`.
        state: super::machine::BootProgress,
    },
    /// The boot override was set over Redfish.
    OverrideSet {
        /// `BootSourceOverrideEnabled`.
        enabled: String,
        /// `BootSourceOverrideTarget`.
        target: String,
        /// Firmware mode.
        mode: BootMode,
    },
    /// A one-time override was used up.
    OverrideConsumed {
        /// Its target.
        target: String,
    },
    /// An image was inserted.
    Inserted {
        /// Slot index.
        slot: usize,
        /// Slot id.
        id: String,
        /// Image URL.
        image: String,
    },
    /// An image could not be inserted.
    InsertFailed {
        /// Slot index.
        slot: usize,
        /// Image URL.
        image: String,
        /// Why.
        reason: String,
    },
    /// An image was ejected.
    Ejected {
        /// Slot index.
        slot: usize,
        /// Slot id.
        id: String,
        /// Image URL.
        image: String,
        /// Whether the machine was running.
        while_running: bool,
    },
    /// A session was opened.
    SessionOpened {
        /// Session id.
        id: String,
    },
    /// A session ended.
    SessionClosed {
        /// Session id.
        id: String,
        /// Whether it ran out instead of being closed.
        expired: bool,
    },
    /// The BMC itself restarted.
    ManagerReset,
}

/// The ring of one BMC.
#[derive(Debug)]
pub(crate) struct RequestLog {
    capacity: usize,
    next: u64,
    ring: VecDeque<Record>,
}

impl RequestLog {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, next: 1, ring: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, at: Timestamp, what: What) -> Record {
        let record = Record { seq: self.next, at, what };
        self.next += 1;
        if self.ring.len() >= self.capacity {
            self.ring.pop_front();
        }
        if self.capacity > 0 {
            self.ring.push_back(record.clone());
        }
        record
    }

    /// Records with a higher number than `after`.
    pub(crate) fn since(&self, after: u64) -> Vec<Record> {
        self.ring.iter().filter(|record| record.seq > after).cloned().collect()
    }
}

/// Why the log file could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("open the request log {path}")]
pub struct LogFileError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

/// A JSON Lines file that all BMCs of a farm append to; each line carries the BMC's index.
pub(crate) struct LogFile {
    file: Mutex<File>,
}

impl LogFile {
    pub(crate) fn open(path: &Path) -> Result<Self, LogFileError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.map(|file| Self { file: Mutex::new(file) })
            .map_err(|source| LogFileError { path: path.to_owned(), source })
    }

    pub(crate) fn append(&self, bmc: usize, record: &Record) {
        #[derive(Serialize)]
        struct Line<'a> {
            bmc: usize,
            #[serde(flatten)]
            record: &'a Record,
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written =
            serde_json::to_vec(&Line { bmc, record }).map_err(std::io::Error::from).and_then(|mut line| {
                line.push(b'\n');
                file.write_all(&line)
            });
        if let Err(error) = written {
            tracing::error!(bmc, %error, "request log not written");
        }
    }
}

/// The body without what must not be kept.
pub(crate) fn redacted(body: &Value) -> Value {
    match body {
        Value::Object(map) => Value::Object(map.iter().map(redacted_member).collect::<Map<_, _>>()),
        Value::Array(items) => Value::Array(items.iter().map(redacted).collect()),
        other => other.clone(),
    }
}

fn redacted_member((name, value): (&String, &Value)) -> (String, Value) {
    let lower = name.to_ascii_lowercase();
    let secret = ["password", "token", "secret", "key"].iter().any(|word| lower.contains(word));
    let value = if secret && !value.is_null() { Value::from("(redacted)") } else { redacted(value) };
    (name.clone(), value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_full_ring_forgets_the_oldest_and_keeps_counting() {
        let mut log = RequestLog::new(2);
        for _ in 0..3 {
            log.push(Timestamp::UNIX_EPOCH, What::Event(Event::PoweredOn));
        }
        let numbers: Vec<u64> = log.since(0).iter().map(|record| record.seq).collect();
        assert_eq!(numbers, [2, 3]);
        assert_eq!(log.since(2).len(), 1);
    }

    #[test]
    fn secrets_leave_no_trace_in_a_body() {
        let body =
            json!({"UserName": "root", "Password": "hunter2", "Oem": {"X": [{"AuthToken": "hunter2"}]}});
        let kept = redacted(&body).to_string();
        assert!(!kept.contains("hunter2"), "{kept}");
        assert!(kept.contains("root"));
    }

    #[test]
    fn a_record_reads_back_from_its_json() {
        let record = Record {
            seq: 1,
            at: Timestamp::UNIX_EPOCH,
            what: What::Event(Event::Boot {
                boot: 1,
                device: BootDevice::Cd { slot: 0 },
                image: Some("http://127.0.0.1/a.iso".to_owned()),
                mode: BootMode::Uefi,
                overridden: true,
            }),
        };
        let json = serde_json::to_string(&record).expect("serialisable");
        assert_eq!(serde_json::from_str::<Record>(&json).expect("own output"), record);
    }
}
