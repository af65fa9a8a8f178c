// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is known of each maker's BMCs. Where it is known from stands with the rules.

use super::Carrier::{Choice, Rule as By};
use super::{Carrier, MakerRow, test};
use crate::rules::Rule;

const DISCOVERY: &str = "reconciler/redfish/tests/it/discovery.rs";
const MODELS: &str = "reconciler/redfish/tests/it/models.rs";
const ROUTES: &str = "reconciler/core/tests/it/job_routes.rs";

const fn row(
    maker: &'static str,
    which: &'static str,
    does: &'static str,
    carried_by: &'static [Carrier],
) -> MakerRow {
    MakerRow { maker, which, does, carried_by }
}

/// All of them, by maker.
pub const MAKERS: &[MakerRow] = &[
    row(
        "AMI",
        "MegaRAC, ASRockRack, DGX H100",
        "wants the whole override each time, in settings that nobody links, with `If-Match`; lists members that are not \
         there; wants a user for an image; drops properties from expanded collections",
        &[
            By(Rule::AmiWantsTheWholeOverride),
            By(Rule::SettingsMayNotBeLinked),
            By(Rule::InsertBodiesLearn),
            By(Rule::ExpandIsNeverAskedFor),
            test(MODELS, "a_dgx_of_amis_is_installed_from_what_it_has"),
        ],
    ),
    row(
        "AMI",
        "MegaRAC with remote media; Lenovo TSM (SR635, SR655)",
        "has remote media that are switched off as a whole, that have a number of CDs to set, and whose settings are \
         refused while something is mounted; the first firmware has the actions of slots among its own, and takes NFS \
         and CIFS alone",
        &[
            By(Rule::RemoteMediaAreSwitchedOnFirst),
            By(Rule::CdInstancesMayBeNone),
            By(Rule::FullMediaConnectionsAreNamed),
            By(Rule::ActionsMayStandAmongTheMakersOwn),
            By(Rule::SlotsMayTakeFileSharesOnly),
            Choice(
                "where no slot is shown nothing is switched on: nobody agreed to an install yet, and what to POST is told",
            ),
            Choice(
                "the number of CDs is not raised from 1 to 2: with one, maintenance OS and task come as one image",
            ),
        ],
    ),
    row(
        "AMI",
        "Gigabyte H262",
        "has a CD without kinds, parameters in an ActionInfo only, and a boot mode that falls back to Legacy",
        &[
            By(Rule::KindsFallBackToTheId),
            By(Rule::ActionInfoSaysWhatInsertTakes),
            By(Rule::AmiWantsTheWholeOverride),
        ],
    ),
    row(
        "Ampere",
        "all",
        "nothing of its own that was ever reported",
        &[Choice("what discovery finds decides, as for every BMC of AMI's or OpenBMC")],
    ),
    row(
        "Cisco",
        "UCSB, UCSX",
        "names its CDs DVD, and has slots for its console that answer an image with 400",
        &[By(Rule::DvdIsACd), By(Rule::RefusingSlotsAreFollowedByTheNext)],
    ),
    row(
        "Cisco",
        "C845A M8",
        "is an OpenBMC with slots that take nothing, and say so by 405 only",
        &[By(Rule::SlotsWithoutARouteAreSkipped), By(Rule::RefusingSlotsAreFollowedByTheNext)],
    ),
    row(
        "Cisco",
        "CIMC",
        "shows a service root without links before a login",
        &[By(Rule::RootMayBeBareBeforeALogin)],
    ),
    row(
        "Dell",
        "iDRAC8 (12G, 13G)",
        "shows slots that can only be read, and starts its physical drive from `Cd`",
        &[
            By(Rule::SlotsWithoutARouteAreSkipped),
            By(Rule::OldIdracBootsItsPhysicalDrive),
            test(DISCOVERY, "slots_that_take_no_address_are_never_picked"),
            Choice("its images from NFS and CIFS are not used: ours are served over HTTP and HTTPS"),
        ],
    ),
    row(
        "Dell",
        "iDRAC9 3.30 to 5.x (14G to 16G)",
        "has a CD and a removable disk below its manager, fails at the second image, wants `{}` with an eject, and \
         starts its physical drive from `Cd`",
        &[
            By(Rule::OldIdracFailsTheSecondImage),
            By(Rule::OldIdracBootsItsPhysicalDrive),
            By(Rule::EjectsMayWantABody),
            test(MODELS, "an_idrac9_before_6_is_installed_by_an_import"),
        ],
    ),
    row(
        "Dell",
        "iDRAC9 6.00 to 7.x",
        "has two slots below the system that are other devices than those below the manager, and boots them by the \
         standard",
        &[By(Rule::SlotsOfTheSystemComeFirst), test(MODELS, "an_idrac9_is_installed_from_two_cds")],
    ),
    row(
        "Dell",
        "iDRAC10 (17G)",
        "lists slot 2 before slot 1 and boots slot 1 alone, takes overrides in its settings alone, answers 409 to an \
         early `On`, and sends ETags against the grammar",
        &[
            By(Rule::SlotsAreTakenInTheOrderOfTheirIds),
            By(Rule::OverridesMayStandInTheSettings),
            By(Rule::RefusedOverridesGoToTheSettings),
            By(Rule::EarlyOnConflicts),
            By(Rule::EtagsAreTriedInSeveralForms),
            Choice("no firmware's version is compared, since iDRAC10 began to count anew: its slots tell"),
        ],
    ),
    row(
        "Dell",
        "every iDRAC",
        "may keep media from the host, be without its data sources for a while, and run out of sessions",
        &[
            By(Rule::IdracMayKeepMediaFromTheHost),
            By(Rule::IdracMaySayDataSourcesUnavailable),
            By(Rule::FullSessionsAreNamed),
        ],
    ),
    row(
        "Dell",
        "every iDRAC",
        "refuses imports and settings while changes of configuration wait for a restart, or a job makes some",
        &[By(Rule::PendingConfigurationIsNamed)],
    ),
    row(
        "Dell",
        "every iDRAC",
        "changes the boot mode by a job and a restart",
        &[By(Rule::DellChangesTheBootModeByAJob)],
    ),
    row(
        "Dell",
        "every iDRAC",
        "goes on showing an image that is out, answers 500 to its eject, and lets a stale session hold a slot",
        &[
            By(Rule::EjectedImagesMayShowForAWhile),
            By(Rule::OccupiedSlotsAreNamed),
            By(Rule::VanishedTasksAreUnknown),
            By(Rule::EtagsMustProveThemselves),
        ],
    ),
    row(
        "Dell",
        "without Enterprise or Datacenter licence",
        "refuses images, in words",
        &[By(Rule::MissingLicencesAreNamed)],
    ),
    row(
        "Dell",
        "every iDRAC",
        "shows the board's serial number, and the service tag as SKU; locks accounts",
        &[By(Rule::ServiceTagIsTheSkuOnDell), By(Rule::RejectedCredentialsAreNotTriedAgain)],
    ),
    row(
        "Fujitsu",
        "iRMC S4",
        "has no slots, and takes images from NFS and SMB by a resource of its own",
        &[By(Rule::OldIrmcTakesFileSharesOnly)],
    ),
    row(
        "Fujitsu",
        "iRMC S5, S6",
        "requires a protocol that is CIFS, HTTPS or NFS, has a slot for each kind of image, and keeps the override in a \
         resource of its own",
        &[
            By(Rule::FujitsuTakesHttpsOnly),
            By(Rule::ActionInfoSaysWhatInsertTakes),
            By(Rule::FujitsuBootsByItsOwnConfiguration),
            test(MODELS, "an_irmc_is_installed_by_its_own_boot_configuration"),
        ],
    ),
    row("Fujitsu", "iRMC S6 2.00", "switched IPMI over LAN off", &[Choice("IPMI is not used")]),
    row(
        "H3C",
        "HDM",
        "has Huawei's action under another name, and takes NFS and CIFS alone",
        &[By(Rule::HuaweiControlsMediaByOneAction), By(Rule::H3cTakesFileSharesOnly)],
    ),
    row(
        "HPE",
        "iLO 4",
        "moves images by actions of its own with the image alone, redirects to paths with a slash at their end, and \
         calls its targets supported",
        &[
            By(Rule::IloFourHasItsOwnActions),
            By(Rule::RedirectsOnTheSameHostAreFollowed),
            By(Rule::TargetsMayBeListedAsSupported),
            test(MODELS, "an_ilo4_is_installed_from_cd_and_usb_by_actions_of_its_own"),
        ],
    ),
    row("HPE", "Gen9", "shows no boot mode and takes none", &[By(Rule::NoModeWhereNoneIsShown)]),
    row(
        "HPE",
        "iLO 5, iLO 6, iLO 7",
        "has one CD and one USB slot below its manager, wants a body with an eject, and sends some resources compressed \
         only",
        &[
            By(Rule::EjectsMayWantABody),
            By(Rule::AnswersAreAskedForUncompressed),
            By(Rule::CompressedWhereNothingElseIsSent),
            test(MODELS, "an_ilo5_is_installed_from_cd_and_usb"),
        ],
    ),
    row(
        "HPE",
        "iLO 5, iLO 6, iLO 7",
        "can boot its CD at the next reset by a property, and ejects it at the second one",
        &[Choice(
            "the property is not used: an install may take more than one start, and media stay until it is done",
        )],
    ),
    row(
        "HPE",
        "every iLO",
        "refuses changes in POST and soon after a change of power, options once an image is in, and images while every \
         connection is in use or virtual media are off",
        &[
            By(Rule::IloRefusesWhileInPost),
            By(Rule::IloChangesNothingOnceAnImageIsIn),
            By(Rule::FullMediaConnectionsAreNamed),
            By(Rule::DisabledMediaAreNamed),
        ],
    ),
    row(
        "HPE",
        "every iLO",
        "lists restarts that mean something else, and shutdowns that need an operating system",
        &[By(Rule::RestartsAreNeverSent), By(Rule::RefusedShutdownsAreForced)],
    ),
    row(
        "HPE",
        "without iLO Advanced",
        "refuses images from an address",
        &[By(Rule::IloNeedsAnAdvancedLicence), By(Rule::MissingLicencesAreNamed)],
    ),
    row(
        "Huawei",
        "2288H V5, iBMC 6.41",
        "wants a domain with a login, moves images by one action, at random and never over HTTP, says so when the slot \
         is taken, and refuses shutdowns that it lists",
        &[
            By(Rule::HuaweiLoginsNameADomain),
            By(Rule::HuaweiControlsMediaByOneAction),
            By(Rule::HuaweiConnectsAtRandom),
            By(Rule::HuaweiTakesNoHttp),
            By(Rule::RefusedSchemesAreNamed),
            By(Rule::OccupiedSlotsAreNamed),
            By(Rule::RefusedShutdownsAreForced),
            By(Rule::OddJsonIsEndured),
        ],
    ),
    row(
        "Huawei",
        "2288H V5, iBMC 6.41",
        "reads an image at less than half a megabyte a second",
        &[
            By(Rule::MediaStayUntilTheMachineIsDone),
            Choice(
                "what it boots is the maintenance OS alone, which is small; the image of the system comes by the host's network",
            ),
        ],
    ),
    row(
        "Intel",
        "S2600",
        "has a collection of slots without slots",
        &[test(DISCOVERY, "each_rung_of_the_ladder_is_recognised")],
    ),
    row(
        "Lenovo",
        "XCC",
        "has slots without actions, which are patched with `Inserted` and `If-Match` and do not always say so; other \
         slots are for uploads and the console, and come first",
        &[
            By(Rule::SlotsMayTakePatchOnly),
            By(Rule::XccTakesPatchUnsaid),
            By(Rule::XccTakesAddressesInExtSlotsOnly),
            By(Rule::EtagsMayStandInTheBody),
            test(MODELS, "an_xcc_is_installed_from_two_cds"),
        ],
    ),
    row(
        "Lenovo",
        "XCC before 2.50",
        "shows slots only while they are in use, and mounts images by a list",
        &[
            By(Rule::OldXccMountsByAList),
            test(MODELS, "an_xcc_before_it_had_slots_is_installed_from_what_is_listed_and_mounted"),
        ],
    ),
    row(
        "Lenovo",
        "XCC; XCC2 and XCC3",
        "takes HTTP alone; its successors take HTTPS as well, show their slots below the system, check certificates and \
         answer with tasks",
        &[
            By(Rule::FirstXccTakesHttpOnly),
            By(Rule::SlotsOfTheSystemComeFirst),
            By(Rule::OneDeviceInTwoViewsCountsOnce),
            By(Rule::SlotsMayVerifyCertificates),
            By(Rule::TasksAreFollowed),
            test(MODELS, "an_xcc3_that_answers_with_tasks_is_installed_from_two_cds"),
        ],
    ),
    row(
        "Lenovo",
        "without an Enterprise, Platinum or Premier licence",
        "refuses images from an address",
        &[By(Rule::XccNeedsAnEnterpriseLicence), By(Rule::MissingLicencesAreNamed)],
    ),
    row(
        "Lenovo",
        "every XCC",
        "knows overrides for one start only, has unlinked settings, and may hang in a restart",
        &[
            By(Rule::OverridesAreSetForEveryStart),
            By(Rule::SettingsMayNotBeLinked),
            By(Rule::RestartsAreNeverSent),
        ],
    ),
    row(
        "NVIDIA",
        "DGX, GB200, GH200",
        "shows baseboards as systems, and takes boot over HTTP though it does not list it",
        &[
            By(Rule::BaseboardsAreNoMachines),
            By(Rule::MissingTargetsAreNoRefusal),
            By(Rule::GraceHopperBootsOverHttpUnlisted),
        ],
    ),
    row(
        "NVIDIA",
        "BlueField",
        "has no media, boots over HTTP, keeps the address, and has collections whose list is null",
        &[
            By(Rule::HttpBootIsTheLastRung),
            By(Rule::HttpBootAddressesAreTakenBack),
            By(Rule::MissingListsAreAskedForAgain),
            test(MODELS, "a_bluefield_is_installed_over_http"),
        ],
    ),
    row(
        "OpenBMC",
        "with virtual media",
        "takes HTTPS alone, streamed; has slots for its console that have no action; says 401 to an image that it may \
         not read; refuses the eject of an empty slot",
        &[
            By(Rule::OpenBmcTakesHttpsOnly),
            By(Rule::InsertBodiesLearn),
            By(Rule::ConsoleSlotsAreNotPatched),
            By(Rule::RefusedImagesAreNotOurLogin),
            By(Rule::UnreadableImagesAreNamed),
            By(Rule::OpenBmcSlotsAreHonest),
            test(MODELS, "a_gb200_is_installed_from_two_slots"),
        ],
    ),
    row(
        "OpenBMC",
        "without",
        "has no collection of slots",
        &[By(Rule::HttpBootIsTheLastRung), test(DISCOVERY, "without_slots_the_firmware_may_boot_over_http")],
    ),
    row(
        "OpenStack",
        "sushy-tools, an emulator that others test with",
        "has no sessions, shows `Once` as `Continuous`, is cleared by the target, and knows no target for none",
        &[
            By(Rule::NoLoginWhereNoneIsOffered),
            By(Rule::OnceMayShowAsContinuous),
            By(Rule::ClearingMayTakeATarget),
            By(Rule::TheDiskMayStandForNone),
        ],
    ),
    row(
        "Supermicro",
        "X10, X11 with their own interface",
        "has one CD that is configured and then mounted, and boot modes that are a part of the target",
        &[
            By(Rule::OldSupermicroMountsByConfiguration),
            By(Rule::ModesMayBePartOfTheTarget),
            By(Rule::NoModeWhereNoneIsShown),
        ],
    ),
    row(
        "Supermicro",
        "X11, X12",
        "takes the image alone, under an address without `?` and `=`, one at a time, and goes on naming it after the \
         eject",
        &[
            By(Rule::SupermicroTakesTheImageAlone),
            By(Rule::SupermicroTakesNoQuery),
            By(Rule::OldSupermicroHasOneImage),
            By(Rule::StaleImagesDoNotCount),
            test(MODELS, "a_supermicro_x12_is_installed_from_one_cd"),
        ],
    ),
    row(
        "Supermicro",
        "X13, H13",
        "has slots that are independent, and shows the eject action only while one is full",
        &[
            By(Rule::EjectMayShowOnlyWhenFull),
            test(MODELS, "a_supermicro_x13_with_one_slot_is_installed_from_it"),
        ],
    ),
    row(
        "Supermicro",
        "all but ARS-111GL-NHR",
        "boots its CD as `UsbCd`, and lists a `Cd` that starts nothing",
        &[By(Rule::SupermicroBootsUsbCd), By(Rule::SilentTargetsAreFollowedByTheNext)],
    ),
    row(
        "Supermicro",
        "all",
        "sets the boot mode to Legacy where a change names none",
        &[By(Rule::SupermicroForgetsTheMode)],
    ),
    row(
        "Supermicro",
        "some firmware",
        "ignores `Once`, or drops an override that it accepted",
        &[
            By(Rule::AcceptedWritesAreSentAgain),
            By(Rule::SilentTargetsAreFollowedByTheNext),
            test(ROUTES, "a_boot_that_never_reads_its_medium_is_followed_by_one_from_another_target"),
        ],
    ),
    row(
        "Supermicro",
        "without SFT-OOB-LIC or SFT-DCMS-SINGLE",
        "does not even show its slots",
        &[By(Rule::UnlicensedSlotsAreNotMissing), By(Rule::MissingLicencesAreNamed)],
    ),
    row(
        "xFusion",
        "2288H V7, iBMC 3.08",
        "takes HTTPS with its protocol named, answers with tasks under two spellings, shows one device twice, an \
         address without its port, and the image before for a while",
        &[
            By(Rule::XfusionTakesHttpsOnly),
            By(Rule::TasksAreFollowed),
            By(Rule::TaskMonitorsHaveManySpellings),
            By(Rule::OneDeviceInTwoViewsCountsOnce),
            By(Rule::EchoesMayLackThePort),
            By(Rule::OldImagesMayShowForAWhile),
            test(MODELS, "an_xfusion_is_installed_from_one_cd"),
        ],
    ),
];
