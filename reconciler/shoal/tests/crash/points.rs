// SPDX-License-Identifier: AGPL-3.0-or-later
//! The points of a run at which the controller can be killed, and the one who kills it there.
//!
//! A point is a commit of the database, a request that changes something on a BMC, or a push to the status branch; each
//! is met twice, before it is done and after. It has a name that says what is done, and a number among those of its name.
//!
//! Guarantees: whoever is at a point waits there; who is killed there is dead, with everything closed, before the
//! request or the commit goes on. What a dead controller left under way is no point.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use shoal_testbed::bmc::{Deed, Moment, Witness};
use shoal_testbed_site::kill_child;

use crate::forge::{Doorkeeper, Room};
use crate::names::{what_is_asked, what_is_written};
use crate::power::Power;

/// A point of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    /// What is done there.
    pub(crate) what: String,
    /// Counts the points of this name, from 1.
    pub(crate) number: usize,
    /// Whether it is done already.
    pub(crate) after: bool,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = if self.after { "after" } else { "before" };
        write!(f, "{moment} {} #{}", self.what, self.number)
    }
}

/// What is done at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing.
    GoOn,
    /// The controller is killed.
    Kill,
    /// The disk of its database is full from here on.
    FillDisk,
    /// The disk of the Git server is full from here on.
    FillServer,
}

/// What is done at a point; the number says how many controllers there have been, this one among them.
pub(crate) type Plan = Box<dyn FnMut(&Point, u64) -> Act + Send>;

/// Whether so many of the points that two lives had may be missing in others. What is published or committed at once is
/// a matter of moments, so that one life has a push more than the next; a name that never comes again is a mistake of
/// the test.
pub(crate) fn may_be_missed(missed: usize, counted: usize) -> bool {
    missed * 10 <= counted
}

/// Everybody who meets the controller at a point. Clones are the same.
#[derive(Clone)]
pub(crate) struct Points {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    plan: Plan,
    /// The controller that lives.
    pid: Option<u32>,
    /// Controllers so far.
    births: u64,
    met: Vec<Point>,
    counts: BTreeMap<(String, bool), usize>,
    kills: Vec<Point>,
    /// What is full now: the disk, or the server.
    full: Option<Act>,
    /// Where something filled up.
    filled: Option<Point>,
    /// The power, where it goes some time.
    power: Option<Power>,
}

impl Points {
    /// Listens for controllers at a socket, for as long as the ear is kept.
    pub(crate) fn listen(socket: &Path, plan: Plan) -> (Self, Ear) {
        let shared = Shared {
            plan,
            pid: None,
            births: 0,
            met: Vec::new(),
            counts: BTreeMap::new(),
            kills: Vec::new(),
            full: None,
            filled: None,
            power: None,
        };
        let points = Self { shared: Arc::new(Mutex::new(shared)) };
        let listener = UnixListener::bind(socket).expect("a socket");
        let ear = Ear { socket: socket.to_owned(), closed: Arc::default() };
        let (own, closed) = (points.clone(), Arc::clone(&ear.closed));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                if closed.load(Ordering::Acquire) {
                    return;
                }
                let own = own.clone();
                std::thread::spawn(move || own.hear(stream));
            }
        });
        (points, ear)
    }

    /// All that were met so far.
    pub(crate) fn met(&self) -> Vec<Point> {
        self.lock().met.clone()
    }

    /// Where it was killed.
    pub(crate) fn kills(&self) -> Vec<Point> {
        self.lock().kills.clone()
    }

    /// Nobody is killed any more.
    pub(crate) fn spare(&self) {
        self.lock().plan = Box::new(|_, _| Act::GoOn);
    }

    /// Whether there is a controller that was not killed here.
    pub(crate) fn lives(&self) -> bool {
        self.lock().pid.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one controller for as long as it lives.
    fn hear(&self, stream: UnixStream) {
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        let mut pid = None;
        while lines.read_line(&mut line).is_ok_and(|count| count > 0) {
            // Who is killed while it speaks leaves half a line.
            let Ok(said) = serde_json::from_str::<Value>(&line) else { break };
            if let Some(told) = said["pid"].as_u64() {
                pid = u32::try_from(told).ok();
                let mut shared = self.lock();
                shared.pid = pid;
                shared.births += 1;
            } else if let Some(moment) = said["commit"].as_str() {
                self.meet(what_is_written(&said["writes"]), moment == "after");
            }
            let full = match said["disk"].as_str() {
                Some(operation) => self.disk(operation),
                None => false,
            };
            line.clear();
            if lines.get_mut().write_all(if full { b"full\n" } else { b"go\n" }).is_err() {
                break;
            }
        }
        let mut shared = self.lock();
        if shared.pid == pid {
            shared.pid = None;
        }
    }

    /// Something is done to the database file. Whether there is no room for it.
    fn disk(&self, operation: &str) -> bool {
        let mut shared = self.lock();
        let goes = shared.power.as_mut().is_some_and(|power| power.goes(operation));
        if goes && let Some(pid) = shared.pid.take() {
            let number = shared.kills.len();
            shared.kills.push(Point { what: format!("{operation} as the power goes"), number, after: false });
            kill_child(pid).expect("it can be killed");
            if let Some(mut power) = shared.power.take() {
                power.tear();
            }
        }
        shared.full == Some(Act::FillDisk)
    }

    /// The power goes once.
    pub(crate) fn cut_power(&self, power: Power) {
        self.lock().power = Some(power);
    }

    /// Somebody is at a point.
    fn meet(&self, what: String, after: bool) {
        let mut shared = self.lock();
        let Some(pid) = shared.pid else { return };
        let count = shared.counts.entry((what.clone(), after)).or_default();
        *count += 1;
        let point = Point { what, number: *count, after };
        shared.met.push(point.clone());
        let born = shared.births;
        match (shared.plan)(&point, born) {
            Act::GoOn => {}
            Act::Kill => {
                shared.pid = None;
                shared.kills.push(point);
                kill_child(pid).expect("it can be killed");
            }
            full @ (Act::FillDisk | Act::FillServer) => {
                shared.full = Some(full);
                shared.filled = Some(point);
            }
        }
    }

    /// Where a disk filled up, if one did.
    pub(crate) fn filled(&self) -> Option<Point> {
        self.lock().filled.clone()
    }

    /// There is room everywhere.
    pub(crate) fn make_room(&self) {
        self.lock().full = None;
    }

    /// Kills the controller of this number, if that is the one that lives.
    pub(crate) fn kill(&self, born: u64) {
        let mut shared = self.lock();
        if shared.births != born {
            return;
        }
        if let Some(pid) = shared.pid.take() {
            let number = shared.kills.len();
            shared.kills.push(Point { what: "no point".to_owned(), number, after: true });
            kill_child(pid).expect("it can be killed");
        }
    }

    /// How many controllers there have been.
    pub(crate) fn births(&self) -> u64 {
        self.lock().births
    }
}

/// Listens at a socket until it is dropped.
pub(crate) struct Ear {
    socket: PathBuf,
    closed: Arc<AtomicBool>,
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the accept.
        drop(UnixStream::connect(&self.socket));
    }
}

impl Doorkeeper for Points {
    fn push(&self, after: bool) -> Room {
        self.meet("push of the status".to_owned(), after);
        if self.lock().full == Some(Act::FillServer) { Room::None } else { Room::Enough }
    }
}

#[async_trait]
impl Witness for Points {
    async fn sees(&self, moment: Moment, deed: &Deed) {
        let (points, what) = (self.clone(), what_is_asked(deed));
        let Some(what) = what else { return };
        let met = tokio::task::spawn_blocking(move || points.meet(what, moment == Moment::After));
        met.await.expect("nobody panics at a point");
    }
}
