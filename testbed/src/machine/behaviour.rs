// SPDX-License-Identifier: AGPL-3.0-or-later
//! How a machine misbehaves, as data.
//!
//! A fault fires at occasions: each boot from virtual media, from disk, of the maintenance OS or of the installed
//! system. `after` lets that many pass, `count` ends it.
//!
//! ```yaml
//! twin_disk: true                       # a second disk that every selector fits as well
//! old_contents: lvm                     # what is on the disk at first
//! faults:
//!   - {kind: fail, stage: partition, code: io_error, message: sda is failing}
//!   - {kind: reboots, stage: image-linux, count: 1}
//!   - {kind: stale_medium, instead_of: disk, after: 1}
//! ```

use serde::{Deserialize, Serialize};

/// Where in the maintenance OS a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The maintenance OS starts.
    Boot,
    /// The dispatcher looks for its medium and reads it.
    Dispatcher,
    /// The machine's identity is read.
    Identity,
    /// The disks are read.
    Disk,
    /// The permit is asked for.
    Permit,
    /// The partition table and file systems are written.
    Partition,
    /// The image is written.
    ImageLinux,
    /// The boot loader is written.
    BootloaderLinux,
    /// The seed, and the stamp, are written.
    ConfigDrive,
    /// The Windows image is written.
    ImageWindows,
    /// The Windows boot loader, and the stamp, are written.
    BootloaderWindows,
    /// Firmware is updated.
    FirmwareUpdate,
    /// The outcome is about to be told.
    Webhook,
}

impl Stage {
    /// The unit that does it.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Boot | Self::Dispatcher => "shoal-dispatcher.service",
            Self::Identity => "identity.service",
            Self::Disk => "disk.service",
            Self::Permit => "permit.service",
            Self::Partition => "partition.service",
            Self::ImageLinux => "image-linux.service",
            Self::BootloaderLinux => "bootloader-linux.service",
            Self::ConfigDrive => "config-drive.service",
            Self::ImageWindows => "image-windows.service",
            Self::BootloaderWindows => "bootloader-windows.service",
            Self::FirmwareUpdate => "firmware-update.service",
            Self::Webhook => "provision-success.service",
        }
    }
}

/// Which boot a fault spoils.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootFrom {
    /// One from disk.
    #[default]
    Disk,
    /// One from virtual media.
    Media,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mishap {
    /// A stage fails; a step of the install does so when half of it is done.
    Fail {
        /// Where.
        stage: Stage,
        /// A stable word.
        #[serde(default = "some_code")]
        code: String,
        /// One sentence.
        #[serde(default = "some_message")]
        message: String,
    },
    /// A stage never ends.
    Hang {
        /// Where.
        stage: Stage,
    },
    /// A stage takes longer.
    Slow {
        /// Where.
        stage: Stage,
        /// Milliseconds more, before scaling.
        ms: u64,
    },
    /// The machine reboots by itself.
    Reboots {
        /// Where.
        stage: Stage,
    },
    /// The machine loses power.
    LosesPower {
        /// Where.
        stage: Stage,
    },
    /// Firmware ignores the one-time boot and takes the disk.
    IgnoresOneTimeBoot,
    /// The machine boots a task medium of an earlier attempt again.
    StaleMedium {
        /// Instead of what.
        #[serde(default)]
        instead_of: BootFrom,
    },
    /// Firmware boots an attached CD when the disk has nothing to boot.
    FallsBackToMedia,
    /// It is another machine that answers.
    OtherMachine(Identified),
    /// The task medium never shows up.
    MissesTaskMedium,
    /// The clock of the machine stands at 1970 until it is set.
    DeadClock,
    /// The first so many calls to the controller do not arrive.
    Offline {
        /// Calls.
        calls: u32,
    },
    /// The first so many tries of the webhook do not arrive; all of them when absent.
    LosesWebhook {
        /// Tries.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tries: Option<u32>,
    },
    /// The first so many tries of the webhook arrive, and their answer does not come back.
    LosesWebhookAnswer {
        /// Tries.
        tries: u32,
    },
    /// Every webhook is sent twice.
    RepeatsWebhook,
    /// The webhook comes late.
    DelaysWebhook {
        /// Milliseconds, before scaling.
        ms: u64,
    },
    /// The installed system does not come up.
    SystemHangs,
    /// A running system does not listen to the power button.
    IgnoresShutdown,
}

fn some_code() -> String {
    "simulated_failure".to_owned()
}

fn some_message() -> String {
    "the simulated machine was told to fail here".to_owned()
}

/// Who another machine is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identified {
    /// Serial instead of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// UUID instead of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// MACs instead of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macs: Option<Vec<String>>,
}

/// A mishap and how often it happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineFault {
    /// What goes wrong.
    #[serde(flatten)]
    pub mishap: Mishap,
    /// How many occasions pass first.
    #[serde(default)]
    pub after: u32,
    /// How often it happens at most; without end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// What is on a disk before anything is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OldContents {
    /// A whole system of somebody else, with a boot loader and no stamp.
    System,
    /// A GUID partition table with one partition.
    Gpt,
    /// A partition table of the old kind.
    DosTable,
    /// A file system without a table.
    Ext4,
    /// An LVM physical volume.
    Lvm,
    /// A member of an array, marked at its end.
    Raid,
    /// A member of a ZFS pool.
    Zfs,
    /// Bytes without a signature.
    Noise,
}

/// How a machine differs from a good one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MachineBehaviour {
    /// What goes wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<MachineFault>,
    /// A second disk that every selector fits as well as the first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub twin_disk: bool,
    /// The first disk has another size than it should, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// What is on the first disk when its file is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_contents: Option<OldContents>,
}

/// Why a behaviour was refused.
#[derive(Debug, thiserror::Error)]
pub enum BehaviourError {
    /// Not YAML or JSON, or not of the right shape.
    #[error("parse the machine's behaviour")]
    Parse(#[source] yaml_serde::Error),
    /// A combination that cannot happen, and so would silently never fire.
    #[error("machine fault {number}: {problem}")]
    Invalid {
        /// Which one, from 1.
        number: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

impl MachineBehaviour {
    /// Reads a behaviour from YAML, of which JSON is a part, and checks it.
    pub fn parse(text: &str) -> Result<Self, BehaviourError> {
        let behaviour: Self = yaml_serde::from_str(text).map_err(BehaviourError::Parse)?;
        behaviour.validate()?;
        Ok(behaviour)
    }

    /// Checks what the types cannot say.
    pub fn validate(&self) -> Result<(), BehaviourError> {
        for (index, fault) in self.faults.iter().enumerate() {
            let problem = match &fault.mishap {
                Mishap::Fail { stage: Stage::Webhook, .. } => {
                    Some("to fail at the webhook is to lose it: use loses_webhook")
                }
                Mishap::Fail { stage: Stage::Boot, .. } => {
                    Some("a boot that fails says nothing to anybody: use hang")
                }
                _ if fault.count == Some(0) => Some("a count of 0 never happens"),
                _ => None,
            };
            if let Some(problem) = problem {
                return Err(BehaviourError::Invalid { number: index + 1, problem });
            }
        }
        Ok(())
    }
}

/// When a mishap may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// Firmware was told to boot from virtual media.
    MediaBoot,
    /// Firmware was told to boot from disk.
    DiskBoot,
    /// The disk has nothing to boot.
    NothingToBoot,
    /// The maintenance OS starts.
    Maintenance,
    /// The installed system starts.
    Installed,
}

impl Mishap {
    fn occasion(&self) -> Occasion {
        match self {
            Self::IgnoresOneTimeBoot | Self::StaleMedium { instead_of: BootFrom::Media } => {
                Occasion::MediaBoot
            }
            Self::StaleMedium { instead_of: BootFrom::Disk } => Occasion::DiskBoot,
            Self::FallsBackToMedia => Occasion::NothingToBoot,
            Self::SystemHangs | Self::IgnoresShutdown => Occasion::Installed,
            Self::Fail { .. }
            | Self::Hang { .. }
            | Self::Slow { .. }
            | Self::Reboots { .. }
            | Self::LosesPower { .. }
            | Self::OtherMachine(_)
            | Self::MissesTaskMedium
            | Self::DeadClock
            | Self::Offline { .. }
            | Self::LosesWebhook { .. }
            | Self::LosesWebhookAnswer { .. }
            | Self::RepeatsWebhook
            | Self::DelaysWebhook { .. } => Occasion::Maintenance,
        }
    }
}

/// Counts occasions and says what happens at each.
#[derive(Debug)]
pub(super) struct Faults {
    faults: Vec<(MachineFault, u32)>,
}

impl Faults {
    pub(super) fn new(faults: &[MachineFault]) -> Self {
        Self { faults: faults.iter().map(|fault| (fault.clone(), 0)).collect() }
    }

    /// What happens at this occasion.
    pub(super) fn at(&mut self, occasion: Occasion) -> Vec<Mishap> {
        let due = self.faults.iter_mut().filter(|(fault, _)| fault.mishap.occasion() == occasion);
        due.filter_map(|(fault, passed)| {
            let number = *passed;
            *passed = passed.saturating_add(1);
            let fires = number >= fault.after && fault.count.is_none_or(|count| number - fault.after < count);
            fires.then(|| fault.mishap.clone())
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_behaviour_is_read_from_yaml_and_survives_a_round_trip() {
        let text = "
twin_disk: true
old_contents: lvm
faults:
  - {kind: fail, stage: image-linux, code: io_error, message: sda is failing, count: 1}
  - {kind: stale_medium, after: 1}
  - {kind: other_machine, serial: X9}
  - {kind: loses_webhook}
";
        let behaviour = MachineBehaviour::parse(text).expect("valid");
        assert_eq!(behaviour.faults[1].mishap, Mishap::StaleMedium { instead_of: BootFrom::Disk });
        let json = serde_json::to_string(&behaviour).expect("serialisable");
        assert_eq!(MachineBehaviour::parse(&json).expect("own output"), behaviour);
    }

    #[test]
    fn what_can_never_happen_is_refused() {
        for text in [
            "twin_disc: true",
            "faults: [{kind: explode}]",
            "faults: [{kind: fail, stage: coffee}]",
            "faults: [{kind: fail, stage: webhook}]",
            "faults: [{kind: fail, stage: boot}]",
            "faults: [{kind: hang, stage: permit, count: 0}]",
        ] {
            assert!(MachineBehaviour::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_fault_lets_occasions_pass_and_comes_to_an_end() {
        let fault = |mishap, after, count| MachineFault { mishap, after, count };
        let mut faults = Faults::new(&[
            fault(Mishap::SystemHangs, 1, Some(2)),
            fault(Mishap::IgnoresOneTimeBoot, 0, None),
        ]);
        let fired: Vec<usize> = (0..5).map(|_| faults.at(Occasion::Installed).len()).collect();
        assert_eq!(fired, [0, 1, 1, 0, 0]);
        assert_eq!(faults.at(Occasion::MediaBoot), [Mishap::IgnoresOneTimeBoot]);
        assert!(faults.at(Occasion::Maintenance).is_empty());
    }
}
