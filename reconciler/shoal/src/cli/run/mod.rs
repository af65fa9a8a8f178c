// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal run`: the controller.

mod flags;
mod json;
pub(super) mod logs;
mod serve;
mod watcher;

use std::path::PathBuf;
use std::sync::Arc;

use shoal_controller::settings::Clock;

use crate::error::Outcome;
use crate::host::Context;
use crate::settings::{Built, Faults, Layers, build};
use flags::SettingFlags;

/// Run the controller
///
/// Watches the inventory's branch, plans, carries out what is agreed to, serves media to BMCs,
/// answers machines and people, and publishes status. Every setting has a name in the environment;
/// a flag outweighs the environment, and that outweighs the file that --config names.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal run --repo https://git.example.org/fleet.git --git-token-file /etc/shoal/git.token \\
            --age-key-file /etc/shoal/age.key --maintenance-iso /var/lib/shoal/static/isos/m.iso \\
            --media-addr 10.0.0.5:8081 --https-addr 10.0.0.5:8443 --basic-user ada
  shoal run --config /etc/shoal/shoal.env

SIGTERM and SIGINT: nothing new is started, what is under way on a BMC finishes, status is
published once more; a second signal ends at once. SIGHUP: certificates are read again, and Git
is asked now.

Exit codes: 0 stopped as asked, 78 wrong settings, 69 it cannot listen or open its files.")]
pub(crate) struct Args {
    /// File with NAME=value lines, below the environment and above the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the addresses that are listened on as one line of JSON, once they are
    #[arg(long)]
    print_addresses: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

/// The wall clock that the process was given.
struct HostClock(fn() -> jiff::Timestamp);

impl Clock for HostClock {
    fn now(&self) -> jiff::Timestamp {
        (self.0)()
    }
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let mut faults = Faults::default();
        let layers = Layers::read(&self.settings.0, context.env(), self.config.as_deref(), &mut faults)?;
        let logs = logs::choose(&layers, context.terminals().errors, &mut faults);
        let clock = Arc::new(HostClock(context.clock()));
        let Built { settings, mut notes } = build(&layers, clock, faults)?;
        notes.extend(Layers::lookalikes(context.env()));
        if let Some(logs) = logs {
            logs.begin(context.error_colour())?;
        }
        for note in notes {
            tracing::warn!("{note}");
        }
        watcher::let_in(context);
        serve::until_stopped(context, settings, self.print_addresses)
    }
}
