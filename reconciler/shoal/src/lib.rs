// SPDX-License-Identifier: AGPL-3.0-or-later
//! The command line of Shoal, and the start of its controller.
//!
//! * [`cli`]: one file per command. * [`docs`]: the generated references.
//!
//! Guarantees: data goes to standard output, talk to standard error; every failure has a kind, a
//! stable code and, where something can be done, a hint; the exit code follows from the kind.
//! The environment, the clock and the terminals are handed in with [`Host`].
//! Assumptions: one call of [`main`] per process, for it takes the signals.

pub mod cli;
mod client;
pub mod docs;
mod error;
mod host;
mod output;
mod repo;
mod settings;

use std::time::Duration;

use clap::Parser as _;

pub use error::Kind;
pub use host::{Host, Terminals};

use cli::Cli;
use error::CliError;
use host::Context;

/// The version of Shoal, as plans and status carry it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs one command to its end and answers with the exit code.
pub fn main(host: Host) -> u8 {
    let cli = match Cli::try_parse_from(&host.args) {
        Ok(cli) => cli,
        Err(error) => return usage(host, &error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let mut errors = host.errors;
            let error = CliError::internal("runtime", "cannot start the runtime").because(error);
            let _ = errors.write_all(error.render(false).as_bytes());
            return error.exit_code();
        }
    };
    let context = Context::new(host, runtime.handle().clone(), cli.color);
    let interrupts = context.interrupts().clone();
    let code = runtime.block_on(async {
        let command = tokio::task::spawn_blocking(move || {
            let result = cli.command.perform(&context);
            context.finish(result)
        });
        tokio::select! {
            code = command => code.unwrap_or(Kind::Internal.exit_code()),
            code = interrupts.wait() => code,
        }
    });
    // Whoever is left waits for a machine that does not answer; nobody waits for them.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

/// Help and version are data; what was typed wrongly is an error like any other. clap's own exit
/// code, 2, would mean "there are changes".
fn usage(host: Host, error: &clap::Error) -> u8 {
    let wanted = !error.use_stderr();
    let Host { mut output, mut errors, terminals, env, .. } = host;
    let terminal = if wanted { terminals.output } else { terminals.errors };
    let colour = terminal && host::may_colour(&host::Env::new(env));
    let text = if colour { error.render().ansi().to_string() } else { error.render().to_string() };
    let sink = if wanted { &mut output } else { &mut errors };
    let _ = sink.write_all(text.as_bytes());
    let _ = sink.flush();
    if wanted { 0 } else { Kind::User.exit_code() }
}
