// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finding the way to a machine, wherever links lead.

macro_rules! way {
    ({ $($before:tt)* } $($more:ident)*) => { gather! { { $($before)*

    /// Ids and paths differ with every maker, so no path is built: everything is reached from
    /// the service root by links.
    ///
    /// Recordings of Dell, HPE, Lenovo, Supermicro, NVIDIA and Cray; bootwright.
    LinksAreFollowed "links_are_followed", every, "discovery/mod.rs", Scenario;
    /// One BMC may serve several machines. Without a selector or an identity none is guessed.
    ///
    /// Recordings of Cray (2 to 4 blades); NVIDIA HGX.
    SystemsAreNotGuessedBetween "systems_are_not_guessed_between", every, "discovery/choose.rs", Scenario;
    /// The address of a BMC may lead to another machine. Serial number and UUID are compared before
    /// anything is touched, the machine's own words before anything is erased.
    ///
    /// bootwright; Dell iDRAC (the serial number is the board's).
    MachinesAreProvenBeforeAnErase "machines_are_proven_before_an_erase", every, "discovery/identity.rs", Scenario;
    /// Baseboards show up as systems: without `Boot` or a reset action none is the machine.
    ///
    /// Recordings of NVIDIA GB200 and GH200 (`HGX_Baseboard_0` beside `System_0`).
    BaseboardsAreNoMachines "baseboards_are_no_machines", every, "discovery/choose.rs", Scenario;
    /// The serial number is the board's; the one on the label, the service tag, is the SKU.
    ///
    /// Dell iDRAC; Ironic release notes.
    ServiceTagIsTheSkuOnDell "service_tag_is_the_sku_on_dell", every, "rules/decide.rs", Scenario;
    /// Null `Members`, empty UUIDs, numbers as text and the reverse, missing properties.
    ///
    /// nv-redfish `bmc_quirks.rs` (BlueField); sushy; Huawei iBMC.
    OddJsonIsEndured "odd_json_is_endured", every, "model/json.rs", Scenario;
    /// A collection comes without its list, for ever or only now and then. It is asked for once more
    /// before it counts as empty, since rules are decided from what is in it.
    ///
    /// NVIDIA BlueField `Members: null` (nv-redfish `bmc_quirks.rs`).
    MissingListsAreAskedForAgain "missing_lists_are_asked_for_again", every, "discovery/walk.rs", Scenario;
    /// `$expand` drops properties that are required, so it is never asked for.
    ///
    /// AMI MegaRAC (nv-redfish `bmc_quirks.rs`).
    ExpandIsNeverAskedFor "expand_is_never_asked_for", every, "discovery/walk.rs", Scenario;
    /// Links lead in a circle: a page names itself as the next one. No resource is asked for twice.
    ///
    /// No BMC is known to; who answers under a BMC's address may be anybody.
    CirclesOfLinksEnd "circles_of_links_end", every, "discovery/walk.rs", Scenario;
    /// Links lead to ever more resources. After two hundred it is no BMC that we know what to do with.
    ///
    /// No BMC is known to; the largest of the recordings has some forty on the way.
    ResourcesWithoutEndAreNotWalked "resources_without_end_are_not_walked", every, "discovery/walk.rs", Scenario;

    } $($more)* } };
}
