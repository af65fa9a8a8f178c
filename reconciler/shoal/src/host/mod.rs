// SPDX-License-Identifier: AGPL-3.0-or-later
//! What surrounds a command: arguments, environment, clock, terminals, signals, temporary files.

mod context;
mod env;
mod interrupts;
mod private_file;
mod progress;
mod signals;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;

pub(crate) use context::{Colour, Context, may_colour};
pub(crate) use env::Env;
pub(crate) use interrupts::{Interrupts, ScratchDir};
pub(crate) use private_file::{read_private, read_text, write_private_new, write_whole};
pub(crate) use progress::Progress;
pub(crate) use signals::{Signals, Told};

/// What a process is given.
pub struct Host {
    /// The command line, the program's name first.
    pub args: Vec<OsString>,
    /// The environment.
    pub env: BTreeMap<OsString, OsString>,
    /// The wall clock.
    pub now: fn() -> jiff::Timestamp,
    /// What is a terminal.
    pub terminals: Terminals,
    /// Standard output: data.
    pub output: Box<dyn Write + Send>,
    /// Standard error: talk.
    pub errors: Box<dyn Write + Send>,
}

/// What is a terminal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminals {
    /// Standard input.
    pub input: bool,
    /// Standard output.
    pub output: bool,
    /// Standard error.
    pub errors: bool,
}
