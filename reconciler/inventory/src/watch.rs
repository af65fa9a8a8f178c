// SPDX-License-Identifier: AGPL-3.0-or-later
//! Notices that a plain directory changed.
//!
//! Guarantees: a change below the root, of whatever is not hidden, leads to a call of `wake` once
//! things have been quiet for a while. Lost events (a full queue) lead to one too.
//! What it does not do: say what changed. Whoever is woken reads everything again.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use notify::{Config, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, NoCache, new_debouncer_opt};

use crate::source::SourceError;

/// Watches a directory until it is dropped.
pub struct DirectoryWatcher {
    _debouncer: Debouncer<RecommendedWatcher, NoCache>,
}

impl DirectoryWatcher {
    /// Calls `wake`, on a thread of its own, when something below `root` changed and nothing did
    /// for `quiet`.
    pub fn start(
        root: &Path,
        quiet: Duration,
        mut wake: impl FnMut() + Send + 'static,
    ) -> Result<Self, SourceError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| SourceError::Failed {
            action: "watch",
            subject: root.display().to_string(),
            source,
        };
        // Events come with real paths: hidden parts of the way to the root must not count.
        let real: PathBuf = root.canonicalize().map_err(|error| failed(error.into()))?;
        let below = real.clone();
        let handler = move |result: DebounceEventResult| {
            let counts = match result {
                Ok(events) => events.iter().any(|event| {
                    !event.kind.is_access()
                        && (event.need_rescan() || event.paths.iter().any(|path| !is_hidden(&below, path)))
                }),
                // Events were lost, or the root is gone: look.
                Err(_) => true,
            };
            if counts {
                wake();
            }
        };
        let config = Config::default().with_follow_symlinks(false);
        let mut debouncer =
            new_debouncer_opt::<_, RecommendedWatcher, NoCache>(quiet, None, handler, NoCache, config)
                .map_err(|error| failed(error.into()))?;
        debouncer.watch(&real, RecursiveMode::Recursive).map_err(|error| failed(error.into()))?;
        Ok(Self { _debouncer: debouncer })
    }
}

/// Whether a path leads through something hidden below the root, such as `.git`.
fn is_hidden(root: &Path, path: &Path) -> bool {
    path.strip_prefix(root).is_ok_and(|inner| {
        inner
            .components()
            .any(|part| matches!(part, Component::Normal(name) if name.as_encoded_bytes().starts_with(b".")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::mpsc;

    /// Long enough for a machine under load; a test that passes does not wait for it.
    const PATIENCE: Duration = Duration::from_secs(30);
    const QUIET: Duration = Duration::from_millis(20);

    fn watched() -> (tempfile::TempDir, DirectoryWatcher, mpsc::Receiver<()>) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("servers")).unwrap();
        fs::create_dir(root.path().join(".git")).unwrap();
        let (sender, receiver) = mpsc::channel();
        let watcher = DirectoryWatcher::start(root.path(), QUIET, move || {
            // The test may be over already.
            let _ = sender.send(());
        })
        .unwrap();
        (root, watcher, receiver)
    }

    #[test]
    fn a_change_wakes_even_in_a_directory_that_came_later() {
        let (root, _watcher, woken) = watched();
        fs::write(root.path().join("servers/a.yaml"), "a: 1\n").unwrap();
        woken.recv_timeout(PATIENCE).unwrap();
        fs::create_dir(root.path().join("servers/rack-b")).unwrap();
        woken.recv_timeout(PATIENCE).unwrap();
        fs::write(root.path().join("servers/rack-b/b.yaml"), "b: 1\n").unwrap();
        woken.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn what_is_hidden_does_not_wake() {
        let (root, _watcher, woken) = watched();
        fs::write(root.path().join(".git/index"), "x").unwrap();
        // The later change proves that the earlier one had its chance: events keep their order.
        fs::write(root.path().join("servers/a.yaml"), "a: 1\n").unwrap();
        woken.recv_timeout(PATIENCE).unwrap();
        assert!(is_hidden(root.path(), &root.path().join(".git/index")));
        assert!(is_hidden(root.path(), &root.path().join("servers/.a.swp")));
        assert!(!is_hidden(root.path(), &root.path().join("servers/a.yaml")));
        assert!(!is_hidden(Path::new("/home/.x"), Path::new("/home/.x/servers/a.yaml")));
    }

    #[test]
    fn a_directory_that_is_not_there_cannot_be_watched() {
        let error = DirectoryWatcher::start(Path::new("/nonexistent/x"), QUIET, || {}).err().unwrap();
        assert_eq!(error.to_string(), "cannot watch /nonexistent/x");
    }
}
