// SPDX-License-Identifier: AGPL-3.0-or-later
//! The boot override.

macro_rules! boot {
    ({ $($before:tt)* } $($more:ident)*) => { gather! { { $($before)*

    /// A value that changes nothing is refused, so that only what differs is sent.
    ///
    /// Ironic `redfish/management.py`.
    OnlyWhatDiffersIsSent "only_what_differs_is_sent", every, "operate/boot.rs", Scenario;
    /// Target, enabled and mode are wanted in each change; with no mode it becomes Legacy.
    ///
    /// AMI MegaRAC, ASRockRack (Ironic `redfish/management.py`); Gigabyte H262 (Cray's recording).
    AmiWantsTheWholeOverride "ami_wants_the_whole_override", some, "operate/boot.rs", Scenario;
    /// A change without a mode sets it to Legacy, one without `Enabled` is refused.
    ///
    /// Supermicro (Ironic stories 2008547, 2008252, 2008712; ironcore #982).
    SupermicroForgetsTheMode "supermicro_forgets_the_mode", some, "operate/boot.rs", Scenario;
    /// No mode is sent where none is shown.
    ///
    /// HPE Gen9 (Ironic `redfish/management.py`); Supermicro X10.
    NoModeWhereNoneIsShown "no_mode_where_none_is_shown", every, "operate/boot.rs", Scenario;
    /// A change of the boot mode is a firmware job with a restart, so it is left to a human.
    ///
    /// Dell iDRAC (iDRAC-Redfish-Scripting #60).
    DellChangesTheBootModeByAJob "dell_changes_the_boot_mode_by_a_job", some, "operate/boot.rs", Scenario;
    /// The override stands in a resource of its own, with a device and a flag for once.
    ///
    /// Fujitsu iRMC S5 and S6 (terraform-provider-irmc-redfish; Fujitsu's sample scripts).
    FujitsuBootsByItsOwnConfiguration "fujitsu_boots_by_its_own_configuration", some, "operate/boot_by_config.rs", Scenario;
    /// `Cd` is the physical drive. The virtual one is named in an import of configuration.
    ///
    /// Dell iDRAC8 and iDRAC9 before 6.00 (Ironic `redfish.rst`; sushy-oem-idrac `manager.py`;
    /// iDRAC-Redfish-Scripting #24, #90).
    OldIdracBootsItsPhysicalDrive "old_idrac_boots_its_physical_drive", some, "operate/boot_by_import.rs", Scenario;
    /// The virtual CD is `UsbCd`; `Cd` is listed as well and starts nothing.
    ///
    /// Supermicro (sushy `system.py`), except ARS-111GL-NHR.
    SupermicroBootsUsbCd "supermicro_boots_usb_cd", some, "discovery/boot.rs", Scenario;
    /// A missing list of targets does not mean that there are none.
    ///
    /// Recordings of NVIDIA GB200.
    MissingTargetsAreNoRefusal "missing_targets_are_no_refusal", every, "discovery/boot.rs", Scenario;
    /// Targets are listed as `BootSourceOverrideSupported`, as before there were allowable values.
    ///
    /// HPE iLO4 (HPE's `python-proliant-sdk` examples; reports on iLO 4 2.5).
    TargetsMayBeListedAsSupported "targets_may_be_listed_as_supported", every, "discovery/boot.rs", Scenario;
    /// Where no mode is shown it may be a part of the target: `UsbCd` starts under Legacy, `UefiUsbCd`
    /// under UEFI.
    ///
    /// Supermicro X10 and X11 (lists of targets in published fixtures; a public proxy for them sets
    /// `UefiUsbCd`).
    ModesMayBePartOfTheTarget "modes_may_be_part_of_the_target", every, "discovery/boot.rs", Scenario;
    /// The override, or its list of targets, stands in the settings that the system links.
    ///
    /// Dell iDRAC10; gofish `SetBoot`; sushy.
    OverridesMayStandInTheSettings "overrides_may_stand_in_the_settings", every, "discovery/boot.rs", Scenario;
    /// The settings are not linked: `/Settings`, `/SD`, `/Pending`.
    ///
    /// NVIDIA DGX H100 (libredfish `viking`); Lenovo XCC; Redfish-Tacklebox.
    SettingsMayNotBeLinked "settings_may_not_be_linked", every, "discovery/boot.rs", Scenario;
    /// The system shows the override and refuses to change it; its settings take it.
    ///
    /// Dell iDRAC10 (gofish `SetBoot`).
    RefusedOverridesGoToTheSettings "refused_overrides_go_to_the_settings", every, "operate/boot.rs", Scenario;
    /// `Once` is shown as `Continuous`.
    ///
    /// sushy-tools.
    OnceMayShowAsContinuous "once_may_show_as_continuous", every, "operate/boot.rs", Scenario;
    /// An override is taken and not shown.
    ///
    /// Ironic `redfish/management.py`.
    HiddenOverridesAreBelieved "hidden_overrides_are_believed", every, "operate/boot.rs", Scenario;
    /// An override is cleared by its target and not by `Enabled`.
    ///
    /// sushy-tools.
    ClearingMayTakeATarget "clearing_may_take_a_target", every, "operate/boot.rs", Scenario;
    /// Overrides are for good and `None` is no target: the disk is what stands where there is no override,
    /// and what clears one.
    ///
    /// sushy-tools (`fakedriver.py` begins with `Hdd`; `libvirtdriver.py` answers 500 to `None`).
    TheDiskMayStandForNone "the_disk_may_stand_for_none", every, "operate/boot.rs", Scenario;
    /// An override to the disk, set right after power on, takes the place of the one that the firmware
    /// has yet to read. Nothing but our own medium is ever named, but to a BMC that knows no other word
    /// for "no override".
    ///
    /// Huawei iBMC (bootwright).
    NoOverrideNamesADisk "no_override_names_a_disk", every, "operate/boot.rs", Scenario;
    /// `Once` may be lost on the way and `Continuous` may be refused: `Once` is set anew before
    /// every start.
    ///
    /// Ironic `redfish/management.py`; jetlag #18 (Supermicro).
    OverridesAreSetForEveryStart "overrides_are_set_for_every_start", every, "operate/boot.rs", Scenario;
    /// A target is listed and starts nothing, so that the machine never reads its medium. The next attempt
    /// takes the next target that may start it.
    ///
    /// Supermicro lists `Cd` and `UsbCd` (sushy `system.py` and its release notes).
    SilentTargetsAreFollowedByTheNext "silent_targets_are_followed_by_the_next", every, "operate/boot.rs", Scenario;
    /// Machines without a slot may fetch an image by themselves: the last rung of the ladder.
    ///
    /// Listed by NVIDIA BlueField and DGX, Dell, HPE, Supermicro (recordings); sushy
    /// `system.py`; Ironic `redfish-https` boot.
    HttpBootIsTheLastRung "http_boot_is_the_last_rung", every, "discovery/ladder.rs", Scenario;
    /// Boot over HTTP is taken, though it is not listed.
    ///
    /// NVIDIA GH200 (libredfish `nvidia_gh200.rs`).
    GraceHopperBootsOverHttpUnlisted "grace_hopper_boots_over_http_unlisted", some, "discovery/ladder.rs", Scenario;
    /// The address stays after the boot, and it holds a capability: it is taken back with the
    /// override.
    ///
    /// sushy `system.py` clears it whenever the target is another one.
    HttpBootAddressesAreTakenBack "http_boot_addresses_are_taken_back", every, "operate/boot.rs", Scenario;

    } $($more)* } };
}
