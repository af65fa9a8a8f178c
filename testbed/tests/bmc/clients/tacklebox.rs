// SPDX-License-Identifier: AGPL-3.0-or-later
//! `redfish_utilities`, the command line tools of the DMTF (Redfish Tacklebox): what the standard says, and no more.
//! They come through where a BMC is polite, and their failures elsewhere are the reason for our client's rules.

use http::Method;
use serde_json::json;
use shoal_testbed::bmc::BootDevice;
use shoal_testbed::bmc::profiles::{
    AMI_DGX, BLUEFIELD, IBMC_XFUSION, IDRAC9_6, IDRAC10, ILO5, OPENBMC_GB200, Profile, SMC_X12, XCC,
};

use super::Round;

/// The tools at work on a model.
struct Tools {
    round: Round,
    system: &'static str,
}

impl Tools {
    async fn start(profile: &'static Profile) -> Option<Self> {
        let round = Round::start(profile, "tacklebox_steps.py", &[]).await?;
        Some(Self { round, system: profile.system.id })
    }

    /// Runs a tool: how it ended, and what it printed. No tool leaves a session behind.
    async fn run(&mut self, line: &str) -> (i64, String) {
        let (tool, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = vec![tool, "-s", self.system];
        words.extend(rest.split_whitespace());
        let said = self.round.steps.make(&json!(words)).await;
        assert_eq!(self.round.fixture.bmc().state().open_sessions, 0, "{line}");
        (said["code"].as_i64().expect("a code"), said["printed"].as_str().expect("text").to_owned())
    }

    async fn ok(&mut self, line: &str) -> String {
        let (code, printed) = self.run(line).await;
        assert_eq!(code, 0, "{line}: {printed}");
        printed
    }

    /// It fails, and prints this.
    async fn fails(&mut self, line: &str, with: &str) {
        let (code, printed) = self.run(line).await;
        assert!(code == 1 && printed.contains(with), "{line}: {code}: {printed}");
    }

    fn insert(&self, more: &str) -> String {
        format!("rf_virtual_media.py insert --image {} {more}", self.round.image())
    }

    async fn inserts(&mut self, slot: &str) {
        self.ok(&self.insert("")).await;
        self.round.is_inserted(slot).await;
        let shown = self.ok("rf_virtual_media.py info").await;
        assert!(shown.contains("Inserted: True"), "{shown}");
    }

    async fn overrides(&mut self, target: &str) {
        self.ok(&format!("rf_boot_override.py -t {target} -m UEFI")).await;
        self.round.is_overridden(target);
        let shown = self.ok("rf_boot_override.py --info").await;
        assert!(shown.contains(&format!("Target: {target}")) && shown.contains("Enabled: Once"), "{shown}");
    }

    async fn boots(&mut self) -> BootDevice {
        self.ok("rf_power_reset.py -t On").await;
        self.round.boots(1).await
    }

    async fn ejects(&mut self, slot: &str) {
        self.ok("rf_power_reset.py -t ForceOff").await;
        self.round.is_off().await;
        let shown = self.ok("rf_power_reset.py --info").await;
        assert!(shown.contains("Current power state: Off"), "{shown}");
        self.ok(&format!("rf_virtual_media.py eject --id {slot}")).await;
        self.round.is_empty().await;
    }

    /// The whole way, as on a BMC that is polite.
    async fn boots_the_cd_in(&mut self, slot: &str) {
        self.inserts(slot).await;
        self.overrides("Cd").await;
        assert_eq!(self.boots().await, BootDevice::Cd { slot: self.round.index(slot) });
        self.ejects(slot).await;
    }
}

#[tokio::test]
async fn the_tools_go_the_standard_way_through_an_idrac9() {
    let Some(mut tools) = Tools::start(&IDRAC9_6).await else { return };
    tools.boots_the_cd_in("1").await;
    tools.round.ends().await;
}

#[tokio::test]
async fn the_tools_patch_the_slots_of_an_xcc() {
    let Some(mut tools) = Tools::start(&XCC).await else { return };
    tools.boots_the_cd_in("EXT1").await;
    assert_eq!(tools.round.asked(Method::PATCH, "/EXT1").len(), 2);
    tools.round.ends().await;
}

/// The first slot that is listed is the one that boots nothing (terraform-provider-redfish #329, #331), and the system
/// takes no override (community.general #11297): the tool has a switch for that.
#[tokio::test]
async fn the_tools_fill_the_wrong_slot_of_an_idrac10_and_override_it_by_a_workaround() {
    let Some(mut tools) = Tools::start(&IDRAC10).await else { return };
    tools.inserts("2").await;
    tools.ok("rf_virtual_media.py eject --id 2").await;
    tools.round.is_empty().await;
    tools.ok(&tools.insert("--id 1")).await;
    tools.round.is_inserted("1").await;

    tools.fails("rf_boot_override.py -t Cd -m UEFI", "PropertyNotWritable").await;
    tools.round.is_not_overridden();
    tools.ok("rf_boot_override.py -t Cd -m UEFI --workaround").await;
    tools.round.is_overridden("Cd");
    assert_eq!(tools.boots().await, BootDevice::Cd { slot: 0 });
    tools.ejects("1").await;
    tools.round.ends().await;
}

/// An empty slot has the image `""` (recorded), which the tool takes for one in use: it looks for null.
#[tokio::test]
async fn the_tools_take_the_empty_slots_of_an_ilo5_for_full_ones() {
    let Some(mut tools) = Tools::start(&ILO5).await else { return };
    tools.fails(&tools.insert(""), "No available slots of types CD, DVD").await;
    tools.round.is_empty().await;
    tools.round.insert_by_hand("2").await;
    tools.overrides("Cd").await;
    assert_eq!(tools.boots().await, BootDevice::Cd { slot: 1 });
    tools.ejects("2").await;
    tools.round.ends().await;
}

/// The virtual CD answers to `UsbCd` alone (sushy's Supermicro notes). That is not a word of the standard's, and the
/// tool does not send it.
#[tokio::test]
async fn the_tools_have_no_word_for_the_virtual_cd_of_a_supermicro() {
    let Some(mut tools) = Tools::start(&SMC_X12).await else { return };
    tools.inserts("CD1").await;
    tools.fails("rf_boot_override.py -t UsbCd -m UEFI", "UsbCd is not an allowable override target").await;
    tools.overrides("Cd").await;
    assert_eq!(tools.boots().await, BootDevice::Disk);
    tools.ejects("CD1").await;
    tools.round.ends().await;
}

/// The recorded slots show no `Image` while they are empty, which the tool reads without asking whether it is there.
#[tokio::test]
async fn the_tools_miss_the_image_in_an_empty_slot_of_openbmc() {
    let Some(mut tools) = Tools::start(&OPENBMC_GB200).await else { return };
    tools.fails(&tools.insert("--id USB1"), "'Image'").await;
    tools.round.insert_by_hand("USB1").await;
    tools.overrides("Cd").await;
    assert_eq!(tools.boots().await, BootDevice::Cd { slot: tools.round.index("USB1") });
    tools.ejects("USB1").await;
    tools.round.ends().await;
}

/// No `MediaTypes` (recording of a Gigabyte H262), a user that the image does not need (sushy, bug 2071945), and
/// overrides in `SD` alone (libredfish `nvidia_viking.rs`).
#[tokio::test]
async fn the_tools_get_no_image_into_a_dgx_and_override_it_by_a_workaround() {
    let Some(mut tools) = Tools::start(&AMI_DGX).await else { return };
    tools.fails(&tools.insert(""), "'MediaTypes'").await;
    tools.fails(&tools.insert("--id CD1"), "ActionParameterMissing").await;
    tools.round.insert_by_hand("CD1").await;
    tools.fails("rf_boot_override.py -t Cd -m UEFI", "PropertyNotWritable").await;
    tools.ok("rf_boot_override.py -t Cd -m UEFI --workaround").await;
    tools.round.is_overridden("Cd");
    assert_eq!(tools.boots().await, BootDevice::Cd { slot: 0 });
    tools.ejects("CD1").await;
    tools.round.ends().await;
}

/// `TransferProtocolType` is required (bootwright's captures), and the tool cannot be told to send it.
#[tokio::test]
async fn the_tools_do_not_name_the_protocol_that_an_xfusion_asks_for() {
    let Some(mut tools) = Tools::start(&IBMC_XFUSION).await else { return };
    tools.fails(&tools.insert(""), "TransferProtocolType").await;
    tools.round.insert_by_hand("CD").await;
    tools.overrides("Cd").await;
    assert_eq!(tools.boots().await, BootDevice::Cd { slot: 0 });
    tools.ejects("CD").await;
    tools.round.ends().await;
}

/// The override is all that the tool can say: it has no words for `HttpBootUri`.
#[tokio::test]
async fn the_tools_find_no_media_on_a_bluefield() {
    let Some(mut tools) = Tools::start(&BLUEFIELD).await else { return };
    tools.fails("rf_virtual_media.py info", "does not support virtual media").await;
    tools.overrides("UefiHttp").await;
    assert_eq!(tools.boots().await, BootDevice::UefiHttp { uri: None });
    tools.round.ends().await;
}
