// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where mishaps strike: every stage of the maintenance OS passes by here.

use std::future::pending;

use super::behaviour::{Mishap, Stage};
use super::boot::Boot;
use super::log::Happening;

/// Why a stage failed, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Tripped {
    pub(super) code: String,
    pub(super) message: String,
}

impl Boot {
    /// Lets happen at this stage what is to happen there. A machine that hangs, reboots or loses power does not come
    /// back from here.
    pub(super) async fn pass(&self, stage: Stage) -> Result<(), Tripped> {
        for mishap in &self.mishaps {
            let here = match mishap {
                Mishap::Fail { stage, .. }
                | Mishap::Hang { stage }
                | Mishap::Slow { stage, .. }
                | Mishap::Reboots { stage }
                | Mishap::LosesPower { stage } => *stage,
                _ => continue,
            };
            if here != stage {
                continue;
            }
            self.note(Happening::Mishap { mishap: mishap.clone() });
            match mishap {
                Mishap::Fail { code, message, .. } => {
                    return Err(Tripped { code: code.clone(), message: message.clone() });
                }
                Mishap::Slow { ms, .. } => self.machine.time.sleep_ms(*ms).await,
                Mishap::Reboots { .. } => {
                    self.host.reboot();
                    pending::<()>().await;
                }
                Mishap::LosesPower { .. } => {
                    self.host.power_off();
                    pending::<()>().await;
                }
                _ => pending().await,
            }
        }
        Ok(())
    }
}
