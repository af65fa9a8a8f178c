// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is told about each HTTP exchange, for metrics and logs.

use std::fmt;
use std::time::Duration;

/// The operation that a request belongs to. A fixed set: it labels metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Opening a session.
    Login,
    /// Closing a session.
    Logout,
    /// Finding out what the BMC is.
    Discover,
    /// A steady look.
    Read,
    /// Power off, graceful or forced.
    PowerOff,
    /// Power on.
    PowerOn,
    /// Ejecting a medium.
    Eject,
    /// Inserting the boot medium, or any medium into a slot that is not the task slot.
    InsertBoot,
    /// Inserting the task medium.
    InsertTask,
    /// Setting the boot override.
    BootOverride,
    /// Clearing the boot override.
    BootClear,
}

impl Op {
    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Discover => "discover",
            Self::Read => "read",
            Self::PowerOff => "power-off",
            Self::PowerOn => "power-on",
            Self::Eject => "eject",
            Self::InsertBoot => "insert-boot",
            Self::InsertTask => "insert-task",
            Self::BootOverride => "boot-override",
            Self::BootClear => "boot-clear",
        }
    }

    /// The step key that a job records when this operation fails for good.
    pub fn step_key(self) -> &'static str {
        match self {
            Self::Login | Self::Logout | Self::Discover => "redfish.discover",
            Self::Read => "redfish.poll",
            Self::PowerOff | Self::PowerOn => "redfish.reset",
            Self::Eject => "redfish.cleanup.unmount",
            Self::InsertBoot => "redfish.mount.maintenance",
            Self::InsertTask => "redfish.mount.task",
            Self::BootOverride => "redfish.boot-override",
            Self::BootClear => "redfish.cleanup.reset",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Login => "log in",
            Self::Logout => "log out",
            Self::Discover => "discover",
            Self::Read => "read state",
            Self::PowerOff => "power off",
            Self::PowerOn => "power on",
            Self::Eject => "eject",
            Self::InsertBoot => "insert boot medium",
            Self::InsertTask => "insert task medium",
            Self::BootOverride => "set boot override",
            Self::BootClear => "clear boot override",
        })
    }
}

/// One HTTP exchange. Holds no credential, token or capability.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// Number of this exchange, from the counter that was handed in.
    pub correlation: u64,
    /// Host and port of the BMC.
    pub bmc: String,
    /// Metric label of the vendor; `unknown` before discovery.
    pub vendor: &'static str,
    /// The operation.
    pub op: Op,
    /// HTTP method.
    pub method: &'static str,
    /// Path of the resource, session ids replaced.
    pub resource: String,
    /// HTTP status, when there was an answer.
    pub code: Option<u16>,
    /// Time from sending to the end of the answer.
    pub duration: Duration,
    /// 1 for the first try.
    pub attempt: u32,
    /// Metric label of the failure, when there was no answer.
    pub failure: Option<&'static str>,
}

impl CallRecord {
    /// The metric label `code`: the status, or a word for what happened instead.
    pub fn code_label(&self) -> String {
        match (self.code, self.failure) {
            (Some(code), _) => code.to_string(),
            (None, Some(failure)) => failure.to_owned(),
            (None, None) => "none".to_owned(),
        }
    }
}

/// Hears of every HTTP exchange. Must return quickly.
pub trait CallObserver: Send + Sync {
    /// One exchange is over.
    fn call(&self, record: &CallRecord);
}

/// Hears and forgets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl CallObserver for Unobserved {
    fn call(&self, _record: &CallRecord) {}
}
