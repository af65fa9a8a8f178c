// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether this is the machine that the task was made for.
//!
//! One strong match and no contradiction, over serial, UUID and MACs together. What is unknown proves nothing; a
//! person's word for the serial counts only when it was asked for.

use std::time::Duration;

use shoal_schema::wire::task::{Identity, IdentityVerdict, is_placeholder_serial};

use crate::exit::Exit;
use crate::host::{Clock, Hardware};
use crate::run_log::RunLog;
use crate::settings::SerialSource;

/// Pause between two looks at the network interfaces.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Why the machine is not known to be the right one.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Something says that it is another machine.
    #[error("compare this machine with the task: {what} is {seen}, wanted {wanted}")]
    Contradiction {
        /// `serial`, `uuid` or `mac`.
        what: &'static str,
        /// What the task names.
        wanted: String,
        /// What the machine says.
        seen: String,
    },
    /// Nothing says that it is the right one.
    #[error(
        "compare this machine with the task: nothing proves that it is the same (serial {serial}, uuid {uuid})"
    )]
    Unproven {
        /// The machine's serial, or `unknown`.
        serial: String,
        /// The machine's UUID, or `unknown`.
        uuid: String,
    },
    /// The serial was to come from the environment, and is not there.
    #[error("read the serial number from the environment: it is unset, empty or a place holder")]
    NotGiven,
    /// The boot has no id, so no permit could be bound to it.
    #[error("read the boot id")]
    BootId(#[source] std::io::Error),
}

impl IdentityError {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Contradiction { .. } => Exit::WrongMachine,
            Self::Unproven { .. } | Self::NotGiven | Self::BootId(_) => Exit::SerialUnknown,
        }
    }

    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Contradiction { .. } => "wrong_machine",
            Self::Unproven { .. } => "identity_unproven",
            Self::NotGiven => "serial_not_given",
            Self::BootId(_) => "boot_id_unreadable",
        }
    }
}

/// Compares the machine with what the task names, and gives back what the machine is.
///
/// Network drivers load late: interfaces that the task names and that are not there yet are waited for.
pub async fn prove<H: Hardware + Clock + ?Sized>(
    host: &H,
    wanted: &Identity,
    source: &SerialSource,
    interface_wait: Duration,
    log: &mut RunLog,
) -> Result<Identity, IdentityError> {
    let started = host.elapsed();
    loop {
        let seen = with_serial(host.identity().await, source)?;
        // A machine whose interfaces are all missing gives an empty list, which would contradict nothing.
        let waiting = wanted.macs.iter().any(|mac| !seen.macs.contains(mac));
        let time_left = host.elapsed().saturating_sub(started) < interface_wait;
        match wanted.judge(&seen) {
            IdentityVerdict::Contradiction { what: "mac", .. } if time_left => host.sleep(LOOK_AGAIN).await,
            IdentityVerdict::Same if waiting && time_left => host.sleep(LOOK_AGAIN).await,
            IdentityVerdict::Same => {
                log.note("machine recognised", shown(seen.serial.as_deref()));
                return Ok(seen);
            }
            IdentityVerdict::Contradiction { what, wanted, seen } => {
                return Err(IdentityError::Contradiction { what, wanted, seen });
            }
            IdentityVerdict::Unproven => {
                let (serial, uuid) = (shown(seen.serial.as_deref()), shown(seen.uuid.as_deref()));
                return Err(IdentityError::Unproven { serial, uuid });
            }
        }
    }
}

fn with_serial(seen: Identity, source: &SerialSource) -> Result<Identity, IdentityError> {
    match source {
        SerialSource::Dmi => Ok(seen),
        SerialSource::Given(Some(serial)) if !is_placeholder_serial(serial) => {
            Ok(Identity { serial: Some(serial.trim().to_owned()), ..seen })
        }
        SerialSource::Given(_) => Err(IdentityError::NotGiven),
    }
}

fn shown(text: Option<&str>) -> String {
    text.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("unknown").to_owned()
}
