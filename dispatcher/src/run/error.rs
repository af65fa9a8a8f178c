// SPDX-License-Identifier: AGPL-3.0-or-later
//! Why a run failed, and what that is called on the way out: exit code, unit, stable word.

use crate::disk::DiskError;
use crate::documents::DocumentError;
use crate::exit::Exit;
use crate::identity::IdentityError;
use crate::medium::MediumError;
use crate::output::files::FilesError;
use crate::permit::PermitError;
use crate::webhook::ClaimError;

/// The unit names of what has no unit of its own; `Step::of_unit` knows them.
const DISPATCHER: &str = "shoal-dispatcher.service";
const IDENTITY: &str = "identity.service";
const DISK: &str = "disk.service";
const PERMIT: &str = "permit.service";

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No task medium to work with.
    #[error(transparent)]
    Medium(#[from] MediumError),
    /// A document on it is not what it should be.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// This is not known to be the right machine.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The disk will not do.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The disk will not do, and the controller said no as well.
    #[error("asked for the permit with a disk that will not do; the controller: {code}: {message}")]
    DiskRefused {
        /// Why the disk will not do.
        #[source]
        disk: DiskError,
        /// The controller's word.
        code: String,
        /// The controller's sentence.
        message: String,
    },
    /// No permit.
    #[error(transparent)]
    Permit(#[from] PermitError),
    /// The files for the steps could not be made.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A file could not be read or written.
    #[error("keep {path} in the provision directory")]
    Output {
        /// The file, relative.
        path: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The outcome could not be kept.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The session could not be read or written.
    #[error("read or write the session")]
    Session {
        /// What serde said.
        #[source]
        source: serde_json::Error,
    },
    /// No task was read in this boot, so nobody knows whom to tell.
    #[error("read the session: no task was read in this boot")]
    NoSession,
    /// The targets that this OS ships are not known.
    #[error("list the targets that this system ships")]
    Targets(#[source] std::io::Error),
    /// The target is not one of them.
    #[error("start {target}: this system does not ship it")]
    UnknownTarget {
        /// The target.
        target: String,
    },
    /// systemd refused.
    #[error("start {target}")]
    Start {
        /// The target.
        target: String,
        /// What systemd said.
        #[source]
        source: std::io::Error,
    },
}

impl RunError {
    /// For `map_err`, with the file that was at hand.
    pub(crate) fn output(path: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Output { path, source }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Medium(error) => error.exit(),
            Self::Document(error) => error.exit(),
            Self::Identity(error) => error.exit(),
            Self::Disk(_) | Self::DiskRefused { .. } => Exit::Disk,
            Self::Permit(_) => Exit::PermitRefused,
            Self::Files(_) | Self::Output { .. } | Self::Claim(_) | Self::Session { .. } => Exit::Outputs,
            Self::NoSession => Exit::Unreported,
            Self::Targets(_) | Self::UnknownTarget { .. } | Self::Start { .. } => Exit::TargetRefused,
        }
    }

    /// The unit that the failure is reported as.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Identity(_) => IDENTITY,
            Self::Disk(_) | Self::DiskRefused { .. } => DISK,
            Self::Permit(_) => PERMIT,
            Self::Medium(_)
            | Self::Document(_)
            | Self::Files(_)
            | Self::Output { .. }
            | Self::Claim(_)
            | Self::Session { .. }
            | Self::NoSession
            | Self::Targets(_)
            | Self::UnknownTarget { .. }
            | Self::Start { .. } => DISPATCHER,
        }
    }

    /// A stable word.
    pub fn code(&self) -> &str {
        match self {
            Self::Medium(error) => error.code(),
            Self::Document(error) => error.code(),
            Self::Identity(error) => error.code(),
            Self::Disk(error) | Self::DiskRefused { disk: error, .. } => error.code(),
            Self::Permit(error) => error.code(),
            Self::Files(_) | Self::Output { .. } | Self::Claim(_) | Self::Session { .. } => {
                "output_unwritable"
            }
            Self::NoSession => "no_session",
            Self::Targets(_) | Self::UnknownTarget { .. } => "unknown_target",
            Self::Start { .. } => "target_refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use shoal_schema::step::Step;

    use super::*;

    #[test]
    fn every_unit_leads_to_its_step() {
        assert_eq!(Step::of_unit(IDENTITY), Step::WorkflowIdentity);
        assert_eq!(Step::of_unit(DISK), Step::WorkflowDisk);
        assert_eq!(Step::of_unit(PERMIT), Step::WorkflowPermit);
        assert_eq!(Step::of_unit(DISPATCHER), Step::WorkflowDispatcher);
    }
}
