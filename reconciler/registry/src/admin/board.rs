// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which maintenance runs, and how the last ones ended. One at a time, whoever asked for it: two
//! collections would only wait for each other, and a scrub beside one would read what is being removed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shoal_registry_storage::Clock;

use crate::api::{Collected, Progress, Scrubbed, Task, TaskKind, TaskState, Tasks};

/// So many ended tasks are remembered.
const REMEMBERED: usize = 16;

/// What runs and what ran. Gone with the process: what happened is in the audit events.
pub(crate) struct Board {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: u64,
    running: Option<Task>,
    ended: VecDeque<Task>,
}

/// The task that runs. Whoever drops it without an end has failed.
pub(crate) struct Run {
    board: Arc<Board>,
    open: bool,
}

/// How a task ended.
pub(crate) enum End {
    /// A collection, real or not.
    Collected(Collected),
    /// A scrub that read everything.
    Scrubbed(Scrubbed),
    /// A scrub that was told to stop, and what it found until then.
    Stopped(Scrubbed),
    /// Why it failed.
    Failed(String),
}

// === impl Board ===

impl Board {
    /// Nothing runs.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::default() })
    }

    /// Begins a task, unless one runs: that one is the error then.
    pub(crate) fn begin(self: &Arc<Self>, kind: TaskKind, by: &str) -> Result<(Task, Run), Box<Task>> {
        let started = self.clock.now();
        let mut state = self.state();
        if let Some(running) = &state.running {
            return Err(Box::new(running.clone()));
        }
        state.begun += 1;
        let task = Task {
            id: state.begun,
            kind,
            by: by.to_owned(),
            state: TaskState::Running,
            started,
            ended: None,
            progress: Progress::default(),
            error: None,
            collected: None,
            scrubbed: None,
        };
        state.running = Some(task.clone());
        Ok((task, Run { board: Arc::clone(self), open: true }))
    }

    /// As it stands.
    pub(crate) fn tasks(&self) -> Tasks {
        let state = self.state();
        Tasks { running: state.running.clone(), ended: state.ended.iter().cloned().collect() }
    }

    fn end(&self, end: End) {
        let ended = self.clock.now();
        let mut state = self.state();
        let Some(mut task) = state.running.take() else { return };
        task.ended = Some(ended);
        match end {
            End::Collected(collected) => (task.state, task.collected) = (TaskState::Done, Some(collected)),
            End::Scrubbed(scrubbed) => (task.state, task.scrubbed) = (TaskState::Done, Some(scrubbed)),
            End::Stopped(scrubbed) => (task.state, task.scrubbed) = (TaskState::Stopped, Some(scrubbed)),
            End::Failed(error) => (task.state, task.error) = (TaskState::Failed, Some(error)),
        }
        // The list of what was taken out can be long: one is enough to keep.
        for older in &mut state.ended {
            if let Some(collected) = &mut older.collected
                && task.collected.is_some()
            {
                collected.removed = Vec::new();
            }
        }
        state.ended.push_front(task);
        state.ended.truncate(REMEMBERED);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Run ===

impl Run {
    /// Says how far it is.
    pub(crate) fn progress(&self, progress: Progress) {
        if let Some(task) = &mut self.board.state().running {
            task.progress = progress;
        }
    }

    /// Ends it. The next one can begin.
    pub(crate) fn end(mut self, end: End) {
        self.open = false;
        self.board.end(end);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.open {
            self.board.end(End::Failed("it broke off; the registry's log says more".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::api::Stage;

    #[derive(Debug)]
    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
    }

    const HALF: Progress = Progress { stage: Stage::Check, done: 3, of: Some(9), bytes: 12 };

    fn board() -> Arc<Board> {
        Board::new(Arc::new(Fixed))
    }

    #[test]
    fn a_second_task_is_refused_while_one_runs_and_told_which() {
        let board = board();
        let (first, run) = board.begin(TaskKind::Scrub, "ada").unwrap();
        let refused = board.begin(TaskKind::Gc, "bob").err().unwrap();
        assert_eq!((refused.id, refused.kind, refused.by.as_str()), (first.id, TaskKind::Scrub, "ada"));
        run.end(End::Scrubbed(Scrubbed::default()));
        assert_eq!(board.begin(TaskKind::Gc, "bob").unwrap().0.id, 2);
    }

    #[test]
    fn a_task_that_is_dropped_has_failed_and_blocks_nobody() {
        let board = board();
        let (_, run) = board.begin(TaskKind::Gc, "schedule").unwrap();
        drop(run);
        let tasks = board.tasks();
        assert_eq!(tasks.running, None);
        assert_eq!(tasks.ended[0].state, TaskState::Failed);
        assert!(tasks.ended[0].error.as_ref().unwrap().contains("log"));
        assert!(board.begin(TaskKind::Gc, "schedule").is_ok());
    }

    #[test]
    fn progress_is_seen_while_it_runs() {
        let board = board();
        let (_, run) = board.begin(TaskKind::Scrub, "ada").unwrap();
        run.progress(HALF);
        assert_eq!(board.tasks().running.unwrap().progress, HALF);
        run.end(End::Stopped(Scrubbed { checked: 3, ..Scrubbed::default() }));
        assert_eq!(board.tasks().ended[0].state, TaskState::Stopped);
    }

    #[test]
    fn only_the_last_tasks_are_remembered_and_only_one_list_of_what_went() {
        let board = board();
        let row = crate::api::Removed {
            kind: "blob".to_owned(),
            name: "x".to_owned(),
            bytes: 1,
            why: "nothing refers to it".to_owned(),
        };
        for _ in 0..REMEMBERED + 3 {
            let (_, run) = board.begin(TaskKind::Gc, "schedule").unwrap();
            run.end(End::Collected(Collected {
                removed: vec![row.clone()],
                count: 1,
                ..Collected::default()
            }));
        }
        let ended = board.tasks().ended;
        assert_eq!(ended.len(), REMEMBERED);
        assert_eq!(ended[0].id, REMEMBERED as u64 + 3, "the newest first");
        let lists: Vec<usize> = ended.iter().map(|t| t.collected.as_ref().unwrap().removed.len()).collect();
        assert_eq!(lists.iter().sum::<usize>(), 1);
        assert_eq!(lists[0], 1);
        assert!(ended.iter().all(|task| task.collected.as_ref().unwrap().count == 1));
    }
}
