// SPDX-License-Identifier: AGPL-3.0-or-later
//! The `shoal` binary: hands the process's arguments, environment, terminals and clock to the
//! library, and nothing else.

use std::io::{IsTerminal as _, stderr, stdin, stdout};
use std::process::ExitCode;

use shoal::{Host, Terminals};

/// Ten thousand servers are many small things on several threads: see docs/adr/0027.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // One provider for the process. A second call cannot happen: this is the first statement.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let host = Host {
        args: std::env::args_os().collect(),
        env: std::env::vars_os().collect(),
        now: jiff::Timestamp::now,
        terminals: Terminals {
            input: stdin().is_terminal(),
            output: stdout().is_terminal(),
            errors: stderr().is_terminal(),
        },
        output: Box::new(stdout()),
        errors: Box::new(stderr()),
    };
    ExitCode::from(shoal::main(host))
}
