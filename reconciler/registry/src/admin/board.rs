// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which maintenance runs, and how the last ones ended. One collection at a time, dry or not, and one scrub,
//! whoever asked for it: two of a kind would only wait for each other. A scrub of hours keeps no collection
//! waiting, which a disk that fills up may need soon.

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
    running: Vec<Task>,
    ended: VecDeque<Task>,
}

/// A task that runs. Whoever drops it without an end has failed.
pub(crate) struct Run {
    board: Arc<Board>,
    id: u64,
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

    /// Begins a task, unless one runs that would be in its way: that one is the error then.
    pub(crate) fn begin(self: &Arc<Self>, kind: TaskKind, by: &str) -> Result<(Task, Run), Box<Task>> {
        let started = self.clock.now();
        let mut state = self.state();
        if let Some(running) = state.running.iter().find(|running| is_scrub(running.kind) == is_scrub(kind)) {
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
        state.running.push(task.clone());
        let run = Run { board: Arc::clone(self), id: task.id, open: true };
        Ok((task, run))
    }

    /// As it stands.
    pub(crate) fn tasks(&self) -> Tasks {
        let state = self.state();
        Tasks { running: state.running.clone(), ended: state.ended.iter().cloned().collect() }
    }

    fn end(&self, id: u64, end: End) {
        let ended = self.clock.now();
        let mut state = self.state();
        let Some(at) = state.running.iter().position(|task| task.id == id) else { return };
        let mut task = state.running.remove(at);
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
        if let Some(task) = self.board.state().running.iter_mut().find(|task| task.id == self.id) {
            task.progress = progress;
        }
    }

    /// Ends it. The next one of its kind can begin.
    pub(crate) fn end(mut self, end: End) {
        self.open = false;
        self.board.end(self.id, end);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.open {
            self.board.end(self.id, End::Failed("it broke off; the registry's log says more".to_owned()));
        }
    }
}

fn is_scrub(kind: TaskKind) -> bool {
    match kind {
        TaskKind::Scrub => true,
        TaskKind::Gc | TaskKind::GcDryRun => false,
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
    fn a_second_task_of_a_kind_is_refused_while_one_runs_and_told_which() {
        use TaskKind::{Gc, GcDryRun, Scrub};
        for (runs, wanted) in [(Scrub, Scrub), (Gc, Gc), (Gc, GcDryRun), (GcDryRun, Gc), (GcDryRun, GcDryRun)]
        {
            let board = board();
            let (first, run) = board.begin(runs, "ada").unwrap();
            let refused = board.begin(wanted, "bob").err().unwrap();
            assert_eq!((refused.id, refused.kind, refused.by.as_str()), (first.id, runs, "ada"));
            run.end(End::Stopped(Scrubbed::default()));
            assert_eq!(board.begin(wanted, "bob").unwrap().0.id, 2);
        }
    }

    #[test]
    fn a_scrub_and_a_collection_run_beside_each_other_and_end_by_themselves() {
        let board = board();
        let (scrub, scrubbing) = board.begin(TaskKind::Scrub, "schedule").unwrap();
        let (gc, collecting) = board.begin(TaskKind::Gc, "schedule").unwrap();
        collecting.progress(HALF);
        let ids = |tasks: &[Task]| tasks.iter().map(|task| task.id).collect::<Vec<_>>();
        let tasks = board.tasks();
        assert_eq!(ids(&tasks.running), [scrub.id, gc.id]);
        assert_eq!((tasks.running[0].progress, tasks.running[1].progress), (Progress::default(), HALF));
        collecting.end(End::Collected(Collected::default()));
        let tasks = board.tasks();
        assert_eq!((ids(&tasks.running), ids(&tasks.ended)), (vec![scrub.id], vec![gc.id]));
        assert_eq!(tasks.ended[0].kind, TaskKind::Gc);
        let (next, collecting) = board.begin(TaskKind::GcDryRun, "ada").unwrap();
        scrubbing.end(End::Scrubbed(Scrubbed::default()));
        assert_eq!(ids(&board.tasks().running), [next.id]);
        drop(collecting);
        assert_eq!(ids(&board.tasks().ended), [next.id, scrub.id, gc.id]);
    }

    #[test]
    fn a_task_that_is_dropped_has_failed_and_blocks_nobody() {
        let board = board();
        let (_, run) = board.begin(TaskKind::Gc, "schedule").unwrap();
        drop(run);
        let tasks = board.tasks();
        assert_eq!(tasks.running, []);
        assert_eq!(tasks.ended[0].state, TaskState::Failed);
        assert!(tasks.ended[0].error.as_ref().unwrap().contains("log"));
        assert!(board.begin(TaskKind::Gc, "schedule").is_ok());
    }

    #[test]
    fn progress_is_seen_while_it_runs() {
        let board = board();
        let (_, run) = board.begin(TaskKind::Scrub, "ada").unwrap();
        run.progress(HALF);
        assert_eq!(board.tasks().running[0].progress, HALF);
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
