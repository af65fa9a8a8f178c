// SPDX-License-Identifier: AGPL-3.0-or-later
//! What refusals mean, and what passes by itself.

macro_rules! meaning {
    ({ $($before:tt)* } $($more:ident)*) => { gather! { { $($before)*

    /// "Data sources are unavailable" passes by itself, whatever its status.
    ///
    /// Dell iDRAC `SYS518`; sushy `connector.py`; iDRAC-Redfish-Scripting #236.
    IdracMaySayDataSourcesUnavailable "idrac_may_say_data_sources_unavailable", every, "rules/messages.rs", Scenario;
    /// During POST, and shortly after a change of power, changes are answered 400.
    ///
    /// HPE iLO `UnableToModifyDuringSystemPOST`, `InvalidOperationForSystemState` (message
    /// registry of iLO 6); Ironic `redfish/management.py`.
    IloRefusesWhileInPost "ilo_refuses_while_in_post", every, "rules/messages.rs", Scenario;
    /// An `On` that comes soon after off is answered 409 for a while.
    ///
    /// Dell iDRAC10 `ActionParameterValueConflict`; Ironic `redfish/power.py`.
    EarlyOnConflicts "early_on_conflicts", every, "operate/power.rs", Scenario;
    /// A missing licence is named, by key or by words.
    ///
    /// HPE iLO `LicenseKeyRequired`; Supermicro `OemLicenseNotPassed`; Dell and Lenovo in words.
    MissingLicencesAreNamed "missing_licences_are_named", every, "rules/messages.rs", Scenario;
    /// Slots are not even shown without a licence. That is no machine without slots, to be started over
    /// HTTP: the licence is what an operator has to see to.
    ///
    /// Supermicro X12 without `SFT-OOB-LIC`, `OemLicenseNotPassed` on reads (public field notes).
    UnlicensedSlotsAreNotMissing "unlicensed_slots_are_not_missing", every, "discovery/mod.rs", Scenario;
    /// Images from a URL need a licence that the manager names: told before anything is tried.
    ///
    /// HPE iLO (message registry of iLO 6; recording of a DL385 Gen10 Plus v2).
    IloNeedsAnAdvancedLicence "ilo_needs_an_advanced_licence", every, "discovery/licence.rs", Scenario;
    /// Images from a URL need a licence that the licence service lists.
    ///
    /// Lenovo XCC `19A` (lenovo's scripts); recording of an SR670 V2.
    XccNeedsAnEnterpriseLicence "xcc_needs_an_enterprise_licence", every, "discovery/licence.rs", Scenario;
    /// Virtual media that are switched off are named.
    ///
    /// HPE iLO `VirtualMediaIsDisabled` (message registry of iLO 6).
    DisabledMediaAreNamed "disabled_media_are_named", every, "rules/messages.rs", Scenario;
    /// A slot that somebody else holds is named.
    ///
    /// Huawei and xFusion `ConnectionOccupied`; Dell in words.
    OccupiedSlotsAreNamed "occupied_slots_are_named", every, "rules/messages.rs", Scenario;
    /// No connection for media is free, though the slot itself may be: consoles hold them, too.
    ///
    /// HPE iLO `MaxVirtualMediaConnectionEstablished` (message registry of iLO 6).
    FullMediaConnectionsAreNamed "full_media_connections_are_named", every, "rules/messages.rs", Scenario;
    /// A scheme that is not taken is named.
    ///
    /// Huawei iBMC `FileTransferProtocolMismatch`; DMTF `SourceDoesNotSupportProtocol`.
    RefusedSchemesAreNamed "refused_schemes_are_named", every, "rules/messages.rs", Scenario;
    /// What was to be given with an image is refused afterwards: an image is in the slot, whatever it shows. All that
    /// we want of an image is in its insert.
    ///
    /// HPE iLO `UnableToModifyAfterVirtualMediaInsert` (message registry of iLO 5 2.18).
    IloChangesNothingOnceAnImageIsIn "ilo_changes_nothing_once_an_image_is_in", every, "rules/messages.rs", Scenario;
    /// Changes of configuration wait for a restart, or a job makes some, and until then imports and overrides are
    /// refused. That passes with the job, or somebody must see to it; another way would start something else.
    ///
    /// Dell iDRAC `LC068` to imports (iDRAC-Redfish-Scripting #116), `SYS011` to settings (quads #726, by its words).
    PendingConfigurationIsNamed "pending_configuration_is_named", every, "wire/refusal.rs", Scenario;
    /// An image that the BMC cannot read is named: route, firewall, certificate.
    ///
    /// DMTF `ResourceAtUri...`, `CouldNotEstablishConnection`; Dell iDRAC `RAC0720`.
    UnreadableImagesAreNamed "unreadable_images_are_named", every, "rules/messages.rs", Scenario;
    /// A 401 about the image is no 401 about our login.
    ///
    /// OpenBMC `ResourceAtUriUnauthorized` (bmcweb `virtual_media.hpp`).
    RefusedImagesAreNotOurLogin "refused_images_are_not_our_login", every, "wire/client.rs", Scenario;

    } $($more)* } };
}
