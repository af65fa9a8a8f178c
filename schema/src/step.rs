// SPDX-License-Identifier: AGPL-3.0-or-later
//! Step keys: the stable names of where a job can fail (contracts §4).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident $key:literal $hint:literal)*) => {
        /// Where a job is, or where it failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Step {
            $($(#[$doc])* #[serde(rename = $key)] $name,)*
        }

        impl Step {
            /// Every step key.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The key, as operators know it.
            pub fn key(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }

            /// What an operator should do when a job failed here and nothing better is known.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)* }
            }
        }
    };
}

steps! {
    /// The recipe breaks its schema.
    ValidationSchema "validation.schema" "run 'shoal validate' on the inventory and correct what it names"
    /// The server cannot be worked on as it is described.
    ValidationServer "validation.server" "run 'shoal explain SERVER' and correct the server's file"
    /// Another job is active on the server.
    ConflictActiveJob "conflict.active_job" "wait for the active job, or cancel it with 'shoal jobs cancel'"
    /// The recipe has a part that is too large or missing.
    ValidateRecipe "validate-recipe" "correct the recipe that the message names"
    /// The task medium could not be built.
    IsoBuild "iso.build" "the message names the part of the recipe that does not fit on a task medium"
    /// The task medium could not be served.
    IsoServe "iso.serve" "check that the media listener runs and that mediaUrls in the Fleet reach it from the BMC network"
    /// The BMC could not be understood.
    RedfishDiscover "redfish.discover" "run 'shoal bmc inspect --url URL' and compare it with the server's file"
    /// The boot medium was not inserted.
    RedfishMountMaintenance "redfish.mount.maintenance" "check the BMC's virtual media licence, and that the BMC reaches the media address"
    /// The task medium was not inserted.
    RedfishMountTask "redfish.mount.task" "check that the second slot is free and that the BMC reaches the media address"
    /// The one-time boot was not accepted.
    RedfishBootOverride "redfish.boot-override" "check the boot mode (UEFI) and pending BIOS jobs on the BMC"
    /// The machine's power did not follow.
    RedfishReset "redfish.reset" "look at the machine's power and console through its BMC, then 'shoal retry SERVER'"
    /// The BMC stopped answering.
    RedfishPoll "redfish.poll" "check the BMC's network; the job goes on when it answers again"
    /// The dispatcher failed, or the maintenance OS never spoke.
    WorkflowDispatcher "workflow.dispatcher" "look at the machine's console: did the maintenance OS boot, and does it reach callbackUrl?"
    /// The machine is not the one that the task names.
    WorkflowIdentity "workflow.identity" "the BMC address leads to another machine: correct 'serial' or 'bmc.address'; nothing was written"
    /// The permit was refused.
    WorkflowPermit "workflow.permit" "nothing was written; 'shoal explain SERVER' says why the permit was refused"
    /// The disk is not the one that the plan names.
    WorkflowDisk "workflow.disk" "compare the disks in 'shoal explain SERVER' with the selector; nothing was written"
    /// Partitioning failed.
    WorkflowPartition "workflow.partition" "check the layout against the disk's size, and the disk's health"
    /// Writing the image failed.
    WorkflowImageLinux "workflow.image-linux" "check that the machine reaches the registry and that the image's digest exists there"
    /// Making the disk bootable failed.
    WorkflowBootloaderLinux "workflow.bootloader-linux" "the image needs a kernel and an ESP in the layout; the log tail names what is missing"
    /// Writing the seed failed.
    WorkflowConfigDrive "workflow.config-drive" "check the user-data template and the cidata partition"
    /// Writing the Windows image failed.
    WorkflowImageWindows "workflow.image-windows" "check that the machine reaches the registry and the index within the WIM"
    /// Making Windows bootable failed.
    WorkflowBootloaderWindows "workflow.bootloader-windows" "the layout needs an ESP; the log tail names what is missing"
    /// ESXi: mounting the installer.
    MountMaintenance "mount.maintenance" "check the installer's address and the BMC's virtual media"
    /// ESXi: mounting the task medium.
    MountTask "mount.task" "check that the second slot is free"
    /// ESXi: one-time boot.
    BootOverride "boot.override" "check the boot mode on the BMC"
    /// ESXi: reset.
    Reset "reset" "look at the machine's console"
    /// ESXi: waiting for the BMC.
    EsxiAwaitBmc "esxi.await_bmc" "check the BMC's network"
    /// ESXi: waiting for a stable power state.
    EsxiPollPower "esxi.poll_power" "look at the machine's console"
    /// The webhook never came.
    WebhookWait "webhook.wait" "the machine had its permit and went silent: look at its console before 'shoal retry SERVER'"
    /// Media could not be ejected.
    CleanupUnmount "redfish.cleanup.unmount" "eject the media in the BMC's own interface; the reconciler keeps trying"
    /// The machine could not be left as it should be.
    CleanupReset "redfish.cleanup.reset" "set the machine's power by hand; the reconciler keeps trying"
}

impl Step {
    /// Maps a failing unit's name to its step: `bootloader-linux.service` → `workflow.bootloader-linux`.
    /// Units that Shoal does not know belong to the dispatcher.
    pub fn of_unit(unit: &str) -> Self {
        let stem = unit.trim().trim_end_matches(".service");
        let stem = stem.split('@').next().unwrap_or(stem);
        match stem {
            "identity" => Self::WorkflowIdentity,
            "permit" => Self::WorkflowPermit,
            "disk" => Self::WorkflowDisk,
            "partition" => Self::WorkflowPartition,
            "image-linux" => Self::WorkflowImageLinux,
            "bootloader-linux" => Self::WorkflowBootloaderLinux,
            "config-drive" => Self::WorkflowConfigDrive,
            "image-windows" => Self::WorkflowImageWindows,
            "bootloader-windows" => Self::WorkflowBootloaderWindows,
            "validate-recipe" => Self::ValidateRecipe,
            _ => Self::WorkflowDispatcher,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_name_leads_to_its_step_and_an_unknown_one_to_the_dispatcher() {
        assert_eq!(Step::of_unit("bootloader-linux.service"), Step::WorkflowBootloaderLinux);
        assert_eq!(Step::of_unit("partition"), Step::WorkflowPartition);
        assert_eq!(Step::of_unit("shoal-dispatcher.service"), Step::WorkflowDispatcher);
    }

    #[test]
    fn every_key_is_its_own_serialised_form() {
        for step in Step::ALL {
            assert_eq!(serde_json::to_value(step).unwrap(), step.key());
            assert!(!step.hint().is_empty());
        }
    }
}
