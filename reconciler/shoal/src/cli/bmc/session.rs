// SPDX-License-Identifier: AGPL-3.0-or-later
//! A command that is interrupted leaves no session on the BMC behind: BMCs have few of them, and keep
//! them for half an hour.
//!
//! # Caveats
//! A login whose answer never came may have opened one that nobody knows the name of.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use shoal_redfish::{CallObserver, CallRecord, Op};
use tokio::sync::watch;

use crate::error::CliError;
use crate::host::{Context, Signals, Told};

/// How long an interrupted command waits for its session to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a session is open, as the calls tell.
pub(super) struct Sessions {
    is_open: watch::Sender<bool>,
    next: Arc<dyn CallObserver>,
}

impl CallObserver for Sessions {
    fn call(&self, record: &CallRecord) {
        let is_success = record.code.is_some_and(|code| (200..300).contains(&code));
        match (record.op, record.method) {
            (Op::Login, "POST") if is_success => {
                self.is_open.send_replace(true);
            }
            // Whatever the answer is, nothing more can be done.
            (Op::Logout, _) if record.code.is_some() => {
                self.is_open.send_replace(false);
            }
            _ => {}
        }
        self.next.call(record);
    }
}

/// Waits for what is done with a BMC, and for signals.
pub(super) struct Stoppable<'a> {
    context: &'a Context,
    signals: Signals,
    sessions: Arc<Sessions>,
}

/// A signal came; this is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopped(pub(super) u8);

impl<'a> Stoppable<'a> {
    /// Takes signals over from here on. `next` hears of every call, too.
    pub(super) fn new(context: &'a Context, next: Arc<dyn CallObserver>) -> Result<Self, CliError> {
        let sessions = Arc::new(Sessions { is_open: watch::Sender::new(false), next });
        Ok(Self { context, signals: Signals::listen(context)?, sessions })
    }

    /// Hears of every call.
    pub(super) fn observer(&self) -> Arc<dyn CallObserver> {
        Arc::clone(&self.sessions) as Arc<dyn CallObserver>
    }

    /// Waits for `work`, or gives it up on a signal.
    pub(super) fn wait<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stopped> {
        let signals = &mut self.signals;
        self.context.wait(async {
            tokio::select! {
                done = work => Ok(done),
                code = told(signals) => Err(Stopped(code)),
            }
        })
    }

    /// After work was given up, and its client dropped, which ends its session: waits for that, unless
    /// another signal comes.
    pub(super) fn end(&mut self) {
        let (signals, mut is_open) = (&mut self.signals, self.sessions.is_open.subscribe());
        if !*is_open.borrow() {
            return;
        }
        self.context.say("stopped: the session on the bmc is being closed");
        self.context.wait(async {
            tokio::select! {
                _ = tokio::time::timeout(PATIENCE, is_open.wait_for(|is_open| !is_open)) => {}
                _ = told(signals) => {}
            }
        });
    }
}

/// The exit code of the next signal.
async fn told(signals: &mut Signals) -> u8 {
    match signals.next().await {
        Told::Stop(code) => code,
        Told::Reload => 129,
    }
}
