// SPDX-License-Identifier: AGPL-3.0-or-later
//! A database that no controller has open: where it is, and what to say when it cannot be opened.

use std::collections::BTreeMap;
use std::path::PathBuf;

use shoal_store::OpenError;

use crate::error::{CliError, exit};
use crate::host::Context;
use crate::settings::{Faults, Layers, database};

/// Which database.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct DatabaseArgs {
    /// The database file itself, of a controller that does not run
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    database: Option<PathBuf>,
    /// Settings of the controller that does not run: its database is meant
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DatabaseArgs {
    /// Whether a flag names one.
    pub(super) fn is_given(&self) -> bool {
        self.database.is_some() || self.config.is_some()
    }

    /// Where it is: as told, or where a controller with these settings would have it.
    pub(crate) fn path(&self, context: &Context) -> Result<PathBuf, CliError> {
        if let Some(path) = &self.database {
            return Ok(path.clone());
        }
        let mut faults = Faults::default();
        let layers = Layers::read(&BTreeMap::new(), context.env(), self.config.as_deref(), &mut faults)?;
        database(&layers, faults)
    }
}

/// A database that cannot be opened. `running`: what to do where a controller has it.
pub(crate) fn not_opened(error: OpenError, running: &str) -> CliError {
    let message = error.to_string();
    let failed = |code: &str| CliError::user(code, message.clone());
    match &error {
        OpenError::Locked { .. } => failed("database.locked").exit(exit::LOCKED).hint(running),
        OpenError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            let failed =
                failed("database.missing").hint("--database names the file, --config the settings that do");
            failed.because(error)
        }
        OpenError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            failed("database.permission").hint("run it as root, or as the controller's user").because(error)
        }
        OpenError::Io { .. } => failed("database.io").because(error),
        OpenError::NoDirectory { .. }
        | OpenError::NotAFile { .. }
        | OpenError::Newer { .. }
        | OpenError::NotOurs { .. }
        | OpenError::Damaged { .. }
        | OpenError::Backup { .. }
        | OpenError::Upgrade { .. } => failed("database.unusable").because(error),
    }
}
