// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lets a test stand beside the controller's database: it hears of every commit and of every write to the file, at a
//! socket that `SHOAL_WATCHER` names, and the controller waits for its answer. The test may kill it there.
//!
//! One line of JSON for each: `{"pid":…}` first, then `{"commit":"before","writes":[…]}`, `{"commit":"after",…}`,
//! `{"disk":"write"}`, `"length"`, `"sync"`. The answer is a line: `go`, or `full` for what finds no room.
//!
//! Guarantees: in a release the variable means nothing. What cannot be asked goes on.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use shoal_store::Write;
use shoal_store::watch::{Moment, Operation, Watcher, watch};

use crate::host::Context;
use crate::settings::table::WATCHER;

/// Lets whoever listens at the socket watch, where there is one and this is no release.
pub(super) fn let_in(context: &Context) {
    let Some(path) = context.env().path(WATCHER).filter(|_| cfg!(debug_assertions)) else { return };
    match UnixStream::connect(path) {
        Ok(stream) => {
            let peer = Peer(Mutex::new(BufReader::new(stream)));
            peer.ask(&json!({"pid": std::process::id()}));
            watch(peer);
        }
        Err(error) => tracing::warn!(%error, "nobody listens at the socket of the watcher"),
    }
}

struct Peer(Mutex<BufReader<UnixStream>>);

impl Peer {
    /// Says something and waits for the answer.
    fn ask(&self, said: &Value) -> String {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = String::new();
        let asked = writeln!(stream.get_mut(), "{said}").and_then(|()| stream.read_line(&mut answer));
        asked.map_or_else(|_| String::new(), |_| answer)
    }
}

impl Watcher for Peer {
    fn commit(&self, moment: Moment, writes: &[&Write]) {
        let moment = match moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        let writes: Vec<Value> = writes.iter().map(|write| shown(write)).collect();
        self.ask(&json!({"commit": moment, "writes": writes}));
    }

    fn disk(&self, operation: Operation) -> io::Result<()> {
        let operation = match operation {
            Operation::Write => "write",
            Operation::SetLen => "length",
            Operation::Sync => "sync",
        };
        if self.ask(&json!({"disk": operation})).trim() == "full" {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

/// Table, key, and the row where it is JSON.
fn shown(write: &Write) -> Value {
    let (table, key, value) = match write {
        Write::Put { table, key, value } => (table, key, Some(value)),
        Write::Delete { table, key } | Write::Add { table, key, .. } => (table, key, None),
    };
    let row = value.and_then(|value| serde_json::from_slice::<Value>(value).ok());
    json!({"table": table.name(), "key": String::from_utf8_lossy(key), "row": row})
}
