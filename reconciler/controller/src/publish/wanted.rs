// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is to be published, and what of it differs from what is. Costs what a fleet takes to be gone through and what
//! moved takes to be rendered: not for a thread on which machines wait for answers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use shoal_schema::Sha256;
use shoal_schema::kinds::ApiVersion;
use shoal_schema::status::{ConditionType, SUMMARY_PATH, ServerStatus, StatusSummary};

use super::Written;
use crate::controller::{Controller, without_log};
use crate::rows::ServerRow;

/// What is known of the branch.
#[derive(Default)]
pub struct Published {
    /// Path → digest of what stands there.
    pub(crate) files: HashMap<String, Sha256>,
    /// What each server's file would be, as of the status that it was last judged by: rendering is what costs.
    rendered: HashMap<String, Rendered>,
}

struct Rendered {
    status: Arc<ServerStatus>,
    path: String,
    digest: Sha256,
}

/// What the controller knows at one moment, to be compared without it.
pub(crate) struct Known {
    rows: Vec<Arc<ServerRow>>,
    /// Without its counts.
    summary: StatusSummary,
}

/// What is to be published now.
pub(super) struct Wanted {
    summary: StatusSummary,
    /// Path → status.
    servers: BTreeMap<String, Arc<ServerStatus>>,
}

impl Wanted {
    /// The content of a file.
    fn render(&self, path: &str) -> Option<Vec<u8>> {
        if path == SUMMARY_PATH {
            Some(pretty(&self.summary))
        } else {
            self.servers.get(path).map(|s| render(s))
        }
    }

    /// Whether something that is wanted is in the place of this path: itself, or a file where this is below a
    /// directory, or the other way round.
    fn takes(&self, path: &str) -> bool {
        let below = format!("{path}/");
        path.split('/').next() == Some(SUMMARY_PATH)
            || path.match_indices('/').any(|(end, _)| self.servers.contains_key(&path[..end]))
            || self.servers.contains_key(path)
            || self.servers.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below))
    }

    /// The commit of the watched branch that all of it is about.
    pub(super) fn source(&self) -> Option<String> {
        self.summary.commit.clone()
    }

    /// These files; nothing where one goes.
    pub(super) fn files(&self, paths: &[String]) -> BTreeMap<String, Option<Vec<u8>>> {
        paths.iter().map(|path| (path.clone(), self.render(path))).collect()
    }

    /// Every file.
    pub(super) fn all(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let servers = self.servers.iter().map(|(path, status)| (path.clone(), Some(render(status))));
        servers.chain([(SUMMARY_PATH.to_owned(), Some(pretty(&self.summary)))]).collect()
    }
}

/// One word for a condition.
pub(crate) fn condition_word(kind: ConditionType) -> &'static str {
    match kind {
        ConditionType::Ready => "ready",
        ConditionType::Reconciling => "reconciling",
        ConditionType::Stalled => "stalled",
        ConditionType::Drifted => "drifted",
        ConditionType::Suspended => "suspended",
    }
}

/// Where a server's status stands: sharded like the desired files.
pub fn status_path(row: &ServerRow) -> String {
    let folder = row.file.rsplit_once('/').map_or("servers", |(folder, _)| folder);
    let folder = if folder.starts_with("servers") { folder } else { "servers" };
    format!("{folder}/{}.json", row.status.name)
}

impl Controller {
    /// What is known now.
    pub(super) fn known(&self) -> Known {
        let world = self.world();
        let guards = world.plan.as_ref().map(|plan| plan.guards.iter().map(|guard| guard.message.clone()));
        let summary = StatusSummary {
            api_version: ApiVersion::V1,
            ledger: world.ledger.id.clone(),
            counter: world.ledger.counter,
            writer: format!("shoal {}", self.settings.version),
            // A start by itself is no news.
            incarnation: if world.ledger.counter > world.counter_found {
                self.incarnation.clone()
            } else {
                world.incarnation_found.clone()
            },
            commit: world.commit.clone(),
            refused: world.refused.clone(),
            counts: BTreeMap::new(),
            paused: world.control.paused,
            guards: guards.map(Iterator::collect).unwrap_or_default(),
        };
        Known { rows: world.servers.values().cloned().collect(), summary }
    }
}

impl Published {
    /// What differs from what is published: path → digest, nothing where the file goes; and all that is wanted.
    pub(super) fn compare(&mut self, known: Known) -> (BTreeMap<String, Option<Sha256>>, Wanted) {
        let wanted = self.wanted(known);
        let mut changed: BTreeMap<String, Option<Sha256>> = BTreeMap::new();
        let mut there = 0;
        let summary = (SUMMARY_PATH, Sha256::of(&pretty(&wanted.summary)));
        let servers = self.rendered.values().map(|rendered| (rendered.path.as_str(), &rendered.digest));
        for (path, digest) in servers.chain([(summary.0, &summary.1)]) {
            let published = self.files.get(path);
            there += usize::from(published.is_some());
            if published != Some(digest) {
                changed.insert(path.to_owned(), Some(digest.clone()));
            }
        }
        if self.files.len() > there {
            let gone = |path: &&String| !wanted.takes(path);
            changed.extend(self.files.keys().filter(gone).map(|path| (path.clone(), None)));
        }
        (changed, wanted)
    }

    /// Notes what stands there from now on.
    pub(super) fn wrote(&mut self, changed: BTreeMap<String, Option<Sha256>>) -> Written {
        let mut written = Written::default();
        for (path, digest) in changed {
            if let Some(digest) = digest {
                written.files += 1;
                self.files.insert(path, digest);
            } else {
                written.removed += 1;
                self.files.remove(&path);
            }
        }
        written
    }

    /// Takes over what is known. Only what moved is rendered.
    fn wanted(&mut self, known: Known) -> Wanted {
        let Known { rows, mut summary } = known;
        let mut servers = BTreeMap::new();
        for row in &rows {
            for condition in row.status.conditions.iter().filter(|condition| condition.status) {
                let word = condition_word(condition.kind);
                match summary.counts.get_mut(word) {
                    Some(count) => *count += 1,
                    None => drop(summary.counts.insert(word.to_owned(), 1)),
                }
            }
            let path = status_path(row);
            match self.rendered.get_mut(&row.status.name) {
                Some(rendered) if Arc::ptr_eq(&rendered.status, &row.status) => {
                    rendered.path.clone_from(&path);
                }
                _ => {
                    let digest = Sha256::of(&render(&row.status));
                    let rendered = Rendered { status: Arc::clone(&row.status), path: path.clone(), digest };
                    self.rendered.insert(row.status.name.clone(), rendered);
                }
            }
            servers.insert(path, Arc::clone(&row.status));
        }
        if self.rendered.len() > rows.len() {
            let names: BTreeSet<&str> = rows.iter().map(|row| row.status.name.as_str()).collect();
            self.rendered.retain(|name, _| names.contains(name.as_str()));
        }
        Wanted { summary, servers }
    }
}

/// A server's file: its status without excerpts of logs.
fn render(status: &ServerStatus) -> Vec<u8> {
    if status.last_error.is_none() {
        return pretty(status);
    }
    let mut status = status.clone();
    status.last_error = status.last_error.map(without_log);
    pretty(&status)
}

fn pretty<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("status has string keys and no foreign maps");
    bytes.push(b'\n');
    bytes
}
