// SPDX-License-Identifier: AGPL-3.0-or-later
//! The signals that a service knows.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Context;
use crate::error::CliError;

/// What a service is told from outside. From [`Signals::listen()`] on, no signal ends it by itself.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Stop. The exit code where it is said a second time.
    Stop(u8),
    /// Read files again.
    Reload,
}

impl Signals {
    /// Takes signals over.
    pub(crate) fn listen(context: &Context) -> Result<Self, CliError> {
        let on = |kind| {
            signal(kind)
                .map_err(|error| CliError::internal("signals", "cannot listen for signals").because(error))
        };
        let signals = context.wait(async {
            Ok::<_, CliError>(Self {
                terminate: on(SignalKind::terminate())?,
                interrupt: on(SignalKind::interrupt())?,
                hangup: on(SignalKind::hangup())?,
            })
        })?;
        context.interrupts().take_over();
        Ok(signals)
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop(143),
            _ = self.interrupt.recv() => Told::Stop(130),
            _ = self.hangup.recv() => Told::Reload,
        }
    }

    /// The next one that asks to stop.
    pub(crate) async fn stop(&mut self) -> u8 {
        loop {
            if let Told::Stop(code) = self.next().await {
                return code;
            }
        }
    }
}
