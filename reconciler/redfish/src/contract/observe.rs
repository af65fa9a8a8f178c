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

/// Bits of a [`Correlation`] that count; those above name the incarnation.
const COUNTED_BITS: u32 = 40;

/// Number of one HTTP exchange, by which its log line is found again: in errors, jobs and reports.
///
/// Prints as `17`, and where the caller told apart its incarnations, so that no number comes twice
/// after a restart, as `3-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Correlation(u64);

impl Correlation {
    /// The one of this number; 0 for what was no request of a client.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Where the counter of an incarnation begins.
    pub fn first_of(incarnation: u64) -> u64 {
        (incarnation << COUNTED_BITS) | 1
    }

    /// The whole number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0 & ((1 << COUNTED_BITS) - 1);
        match self.0 >> COUNTED_BITS {
            0 => write!(f, "{count}"),
            incarnation => write!(f, "{incarnation}-{count}"),
        }
    }
}

/// One HTTP exchange. Holds no credential, token or capability.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// Number of this exchange, from the counter that was handed in.
    pub correlation: Correlation,
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
    /// The metric label `code`: the status, or a word for what happened instead. A status that no
    /// standard knows is `other`: a hostile BMC makes up as many as it likes.
    pub fn code_label(&self) -> String {
        match (self.code, self.failure) {
            (Some(code), _) => match http::StatusCode::from_u16(code) {
                Ok(status) if status.canonical_reason().is_some() => code.to_string(),
                _ => "other".to_owned(),
            },
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: u16) -> CallRecord {
        CallRecord {
            correlation: Correlation::new(1),
            bmc: "10.0.0.1".to_owned(),
            vendor: "unknown",
            op: Op::Read,
            method: "GET",
            resource: "/redfish/v1".to_owned(),
            code: Some(code),
            duration: Duration::ZERO,
            attempt: 1,
            failure: None,
        }
    }

    #[test]
    fn a_number_names_its_incarnation_where_there_is_one() {
        assert_eq!(Correlation::new(17).to_string(), "17");
        let first = Correlation::first_of(3);
        assert_eq!(Correlation::new(first + 16).to_string(), "3-17");
        assert!(Correlation::first_of(4) > first);
    }

    #[test]
    fn the_label_of_an_answer_is_one_of_few_whatever_a_bmc_answers() {
        let labels: std::collections::BTreeSet<String> =
            (100..1000).map(|code| answered(code).code_label()).collect();
        assert!(labels.len() < 80, "{labels:?}");
        for known in ["200", "304", "401", "429", "503", "other"] {
            assert!(labels.contains(known), "{known}");
        }
    }
}
