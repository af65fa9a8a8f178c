// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which slots there are, which are the same, and which are used.

macro_rules! slots {
    ({ $($before:tt)* } $($more:ident)*) => { gather! { { $($before)*

    /// Slots stand below the system, below its managers, or below both and are other devices
    /// there. The system's own are preferred where an image can be put in.
    ///
    /// Dell iDRAC9 from 6.00 and iDRAC10; Ironic `redfish/boot.py`.
    SlotsOfTheSystemComeFirst "slots_of_the_system_come_first", every, "discovery/slots.rs", Scenario;
    /// One device shows up below the system and below its manager under two addresses.
    ///
    /// Recording of a Lenovo SR670 V2; bootwright's fixture of an xFusion 2288H V7.
    OneDeviceInTwoViewsCountsOnce "one_device_in_two_views_counts_once", every, "discovery/slots.rs", Scenario;
    /// Slots are listed in any order, and the boot image must be in the first.
    ///
    /// Dell iDRAC10 lists `[2, 1]` and starts from slot 1 only (Ironic af0b9751d).
    SlotsAreTakenInTheOrderOfTheirIds "slots_are_taken_in_the_order_of_their_ids", every, "discovery/slots.rs", Scenario;
    /// Slots for uploads and consoles stand among the others and take no address.
    ///
    /// Lenovo `Remote*`; Supermicro GB300 `Slot_0`; Cisco vKVM (Ironic bugs 2031595, 2039042).
    SlotsWithoutARouteAreSkipped "slots_without_a_route_are_skipped", every, "discovery/ladder.rs", Scenario;
    /// Beside slots with an action, one without is for the console, even where it looks as if
    /// it could be patched.
    ///
    /// OpenBMC proxy slots (bmcweb `virtual_media.hpp`).
    ConsoleSlotsAreNotPatched "console_slots_are_not_patched", every, "discovery/slots.rs", Scenario;
    /// Some call the optical slot `DVD` and nothing else.
    ///
    /// Cisco UCSB and UCSX (Ironic bugs 2031595, 2039042).
    DvdIsACd "dvd_is_a_cd", every, "model/media.rs", Scenario;
    /// Where `MediaTypes` is missing, id and name tell what a slot is.
    ///
    /// Gigabyte H262 on AMI MegaRAC, `CD1` (recording of Cray's).
    KindsFallBackToTheId "kinds_fall_back_to_the_id", every, "model/media.rs", Scenario;
    /// Slots have no actions and are patched, with `Inserted` and `If-Match`.
    ///
    /// Lenovo XCC (sushy; recording of an SR670 V2; pubs.lenovo.com xcc-restapi).
    SlotsMayTakePatchOnly "slots_may_take_patch_only", every, "discovery/slots.rs", Scenario;
    /// Slots take a PATCH although neither actions nor `Allow` say so.
    ///
    /// Lenovo XCC (recording of an SR670 V2).
    XccTakesPatchUnsaid "xcc_takes_patch_unsaid", some, "discovery/slots.rs", Scenario;
    /// `RDOC*` are for uploads and `Remote*` for the console; both refuse an address.
    ///
    /// Lenovo XCC; python-redfish-lenovo #21 (Ironic's loop failed on RDOC).
    XccTakesAddressesInExtSlotsOnly "xcc_takes_addresses_in_ext_slots_only", some, "discovery/slots.rs", Scenario;
    /// The second image fails, whichever comes first. Slots below the manager alone tell.
    ///
    /// Dell iDRAC9 before 6.00 (iDRAC-Redfish-Scripting #290, #241).
    OldIdracFailsTheSecondImage "old_idrac_fails_the_second_image", some, "discovery/ladder.rs", Scenario;
    /// Slots are called `CD1` and nobody reports two images at a time. `VirtualMediaN` are
    /// independent.
    ///
    /// Supermicro X11 and X12; recording of a SYS-821GE-TNHR.
    OldSupermicroHasOneImage "old_supermicro_has_one_image", some, "discovery/ladder.rs", Scenario;
    /// A slot refuses an image and names no reason: it is for uploads or for the console. Another one
    /// may take it.
    ///
    /// Cisco UCSB, UCSX and C845A M8 answer 400 and 405 (Ironic bugs 2031595, 2039042; Ironic `redfish/boot.py`).
    RefusingSlotsAreFollowedByTheNext "refusing_slots_are_followed_by_the_next", every, "discovery/ladder.rs", Scenario;

    } $($more)* } };
}
