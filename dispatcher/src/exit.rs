// SPDX-License-Identifier: AGPL-3.0-or-later
//! Exit codes of the dispatcher, stable and documented.

/// How the dispatcher ended. 0 to 20 are those of the original; 19 and 21 to 23 are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// The target was started, or there was nothing left to do.
    HandedOff,
    /// No task medium in time.
    MediumNotFound,
    /// The task medium cannot be mounted or read, or there are several.
    MountFailed,
    /// The recipe's schema is missing or broken.
    Schema,
    /// The task or the recipe is missing, or not what it should be.
    RecipeUnreadable,
    /// The recipe violates its schema.
    RecipeInvalid,
    /// The files for the steps cannot be written.
    Outputs,
    /// The target is not one that this OS ships, or systemd refused it.
    TargetRefused,
    /// Not root, or mounting is not allowed.
    NotRoot,
    /// Nothing proves which machine this is: the serial number is unknown or a place holder.
    SerialUnknown,
    /// This machine is not the one that the task names.
    WrongMachine,
    /// The dispatcher itself broke.
    Panic,
    /// The controller refused the permit, or gave none in time.
    PermitRefused,
    /// The disk is not there, not the only one, too small, not blank, or cannot be read.
    Disk,
    /// The outcome was known and could not be delivered.
    Unreported,
}

impl Exit {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 15] = [
        Self::HandedOff,
        Self::MediumNotFound,
        Self::MountFailed,
        Self::Schema,
        Self::RecipeUnreadable,
        Self::RecipeInvalid,
        Self::Outputs,
        Self::TargetRefused,
        Self::NotRoot,
        Self::SerialUnknown,
        Self::WrongMachine,
        Self::Panic,
        Self::PermitRefused,
        Self::Disk,
        Self::Unreported,
    ];

    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::HandedOff => 0,
            Self::MediumNotFound => 10,
            Self::MountFailed => 11,
            Self::Schema => 12,
            Self::RecipeUnreadable => 13,
            Self::RecipeInvalid => 14,
            Self::Outputs => 15,
            Self::TargetRefused => 16,
            Self::NotRoot => 17,
            Self::SerialUnknown => 18,
            Self::WrongMachine => 19,
            Self::Panic => 20,
            Self::PermitRefused => 21,
            Self::Disk => 22,
            Self::Unreported => 23,
        }
    }

    /// What the number means, for `--help`.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::HandedOff => "handed off to the systemd target, or nothing left to do",
            Self::MediumNotFound => "no task medium in time",
            Self::MountFailed => "the task medium cannot be read, or there are several",
            Self::Schema => "the recipe schema is missing or broken",
            Self::RecipeUnreadable => "the task or the recipe is missing or unreadable",
            Self::RecipeInvalid => "the recipe violates its schema",
            Self::Outputs => "the files under /run/provision cannot be written",
            Self::TargetRefused => "the target is not shipped, or systemd refused it",
            Self::NotRoot => "not root, or mounting is not allowed",
            Self::SerialUnknown => "nothing proves which machine this is",
            Self::WrongMachine => "this is not the machine that the task names",
            Self::Panic => "the dispatcher itself broke",
            Self::PermitRefused => "the permit was refused, or did not come in time",
            Self::Disk => "the disk is missing, ambiguous, too small, not blank or unreadable",
            Self::Unreported => "the outcome could not be delivered to the controller",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_that_operators_know() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
        assert!(Exit::ALL.iter().all(|exit| !exit.meaning().is_empty()));
    }
}
