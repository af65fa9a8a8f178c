// SPDX-License-Identifier: AGPL-3.0-or-later
//! What every command is given.

use std::future::Future;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use tokio::runtime::Handle;

use super::{Env, Host, Interrupts, Progress, Terminals};
use crate::error::{CliError, Outcome};
use crate::output::clean;

/// When colour is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or the terminal is dumb.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What every command is given.
pub(crate) struct Context {
    env: Env,
    now: fn() -> jiff::Timestamp,
    terminals: Terminals,
    colour: Colour,
    output: Mutex<Box<dyn Write + Send>>,
    errors: Mutex<Box<dyn Write + Send>>,
    handle: Handle,
    interrupts: Interrupts,
}

impl Context {
    pub(crate) fn new(host: Host, handle: Handle, colour: Colour) -> Self {
        Self {
            env: Env::new(host.env),
            now: host.now,
            terminals: host.terminals,
            colour,
            output: Mutex::new(host.output),
            errors: Mutex::new(host.errors),
            handle,
            interrupts: Interrupts::default(),
        }
    }

    /// The environment.
    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    /// Now, by the wall clock.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        (self.now)()
    }

    /// The wall clock, for those who need it for longer.
    pub(crate) fn clock(&self) -> fn() -> jiff::Timestamp {
        self.now
    }

    /// What is a terminal.
    pub(crate) fn terminals(&self) -> Terminals {
        self.terminals
    }

    /// Where temporary files go.
    pub(crate) fn temp_dir(&self) -> PathBuf {
        self.env.path("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"))
    }

    /// Signals and temporary files.
    pub(crate) fn interrupts(&self) -> &Interrupts {
        &self.interrupts
    }

    /// Writes data.
    pub(crate) fn data(&self, text: &str) -> Result<(), CliError> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(CliError::closed_output)
    }

    /// Writes data that is no text.
    pub(crate) fn raw(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(bytes).and_then(|()| output.flush())
    }

    /// Writes data as JSON, piece by piece: a plan is as long as a fleet is large.
    pub(crate) fn json<T: serde::Serialize>(&self, value: &T) -> Result<(), CliError> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pieces = BufWriter::with_capacity(1 << 16, &mut *output);
        serde_json::to_writer_pretty(&mut pieces, value).map_err(|error| {
            if error.is_io() {
                CliError::closed_output(error.into())
            } else {
                CliError::internal("json", "cannot write the answer as JSON").because(error)
            }
        })?;
        pieces.write_all(b"\n").and_then(|()| pieces.flush()).map_err(CliError::closed_output)
    }

    /// Talks. Where nobody listens, nothing is lost.
    pub(crate) fn say(&self, text: &str) {
        self.write_talk(&clean(text));
    }

    fn write_talk(&self, text: &str) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = errors.write_all(text.as_bytes()).and_then(|()| errors.write_all(b"\n"));
        let _ = errors.flush();
    }

    /// Talks about something that is likely not what was meant.
    pub(crate) fn warn(&self, text: &str) {
        let (yellow, reset) = if self.error_colour() { ("\u{1b}[1;33m", "\u{1b}[0m") } else { ("", "") };
        self.write_talk(&format!("{yellow}warning{reset}: {}", clean(text)));
    }

    /// Whether data is coloured.
    pub(crate) fn data_colour(&self) -> bool {
        self.colours(self.terminals.output)
    }

    /// Whether talk is coloured.
    pub(crate) fn error_colour(&self) -> bool {
        self.colours(self.terminals.errors)
    }

    fn colours(&self, terminal: bool) -> bool {
        match self.colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && may_colour(&self.env),
        }
    }

    /// Something that may take a while; shown on a terminal once it took a second.
    pub(crate) fn progress(&self, what: impl Into<String>) -> Progress {
        Progress::begin(what.into(), self.terminals.errors, None)
    }

    /// The same of something that moves bytes, which are counted for it.
    pub(crate) fn transfer(&self, what: impl Into<String>, moved: &Arc<AtomicU64>) -> Progress {
        Progress::begin(what.into(), self.terminals.errors, Some(Arc::clone(moved)))
    }

    /// Waits for something asynchronous. Commands run on a thread where that is allowed.
    pub(crate) fn wait<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    /// Says what failed, and answers with the exit code.
    pub(crate) fn finish(&self, result: Outcome) -> u8 {
        match result {
            Ok(code) => code,
            Err(error) => {
                let text = error.render(self.error_colour());
                let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = errors.write_all(text.as_bytes()).and_then(|()| errors.flush());
                error.exit_code()
            }
        }
    }
}

/// Whether the environment lets a terminal have colour.
pub(crate) fn may_colour(env: &Env) -> bool {
    !env.is_set("NO_COLOR") && env.get("TERM").ok().flatten().as_deref() != Some("dumb")
}
