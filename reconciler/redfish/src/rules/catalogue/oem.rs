// SPDX-License-Identifier: AGPL-3.0-or-later
//! Makers' own ways to bring images in, and what keeps them from the host.

macro_rules! oem {
    ({ $($before:tt)* } $($more:ident)*) => { gather! { { $($before)*

    /// Images go in and out by `Oem.Hp` actions, with the image alone. A PATCH is taken as well, but not the one that
    /// other makers' slots want.
    ///
    /// HPE iLO4 (fakefish hpe-gen9; community.general #4839; OpenStack's proliantutils `ris.py` patches `Image`).
    IloFourHasItsOwnActions "ilo_four_has_its_own_actions", every, "model/oem.rs", Scenario;
    /// One action connects and disconnects an image; there is no `InsertMedia`.
    ///
    /// Huawei 2288H V5, iBMC 6.41 (public field notes); H3C HDM; older xFusion.
    HuaweiControlsMediaByOneAction "huawei_controls_media_by_one_action", every, "model/oem.rs", Scenario;
    /// An image connects at random: the task fails, and the same request works a moment later.
    ///
    /// Huawei 2288H V5, iBMC 6.41 (public field notes, packet trace).
    HuaweiConnectsAtRandom "huawei_connects_at_random", every, "operate/insert.rs", Scenario;
    /// Host and path are set by PATCH, then mounted; whether something is mounted shows in the
    /// collection only.
    ///
    /// Supermicro X10 and X11 (fakefish `supermicro_scripts`; badfish #394).
    OldSupermicroMountsByConfiguration "old_supermicro_mounts_by_configuration", every, "model/oem.rs", Scenario;
    /// Slots are shown only while something is in them. Images are put on a list of the maker's own, over HTTP, and the
    /// whole list is mounted and unmounted; it is our one slot.
    ///
    /// Lenovo XCC before 2.50, `LenovoRemoteMapService` (python-redfish-lenovo `lenovo_mount_virtual_media.py` and #9;
    /// recording of an SR670 V2, which still has it; an operator's notes that it mounts, unmounts and tells).
    OldXccMountsByAList "old_xcc_mounts_by_a_list", every, "model/oem.rs", Scenario;
    /// The actions of a slot are the standard's, and stand among the maker's own.
    ///
    /// AMI MegaRAC as first shipped in Lenovo's SR635 and SR655: targets below `Actions/Oem/Ami` (scripts of two operators).
    ActionsMayStandAmongTheMakersOwn "actions_may_stand_among_the_makers_own", every, "model/media.rs", Scenario;
    /// Remote media are switched off as a whole, and switched on by an action that takes seconds. Where no slot is shown
    /// until then, somebody has to do it before: a look changes nothing.
    ///
    /// AMI MegaRAC `RMediaStatus`; Lenovo TSM (SR635, SR655), which says so beside the action (python-redfish-lenovo
    /// `lenovo_mount_virtual_media.py`).
    RemoteMediaAreSwitchedOnFirst "remote_media_are_switched_on_first", every, "operate/oem.rs", Scenario;
    /// Remote media are on, and have no CD to show: the number of CDs is a setting. What to set is told.
    ///
    /// AMI MegaRAC and Lenovo TSM `ConfigureCDInstance` (python-redfish-lenovo `lenovo_mount_virtual_media.py`; Gigabyte's
    /// Redfish specification; a published session with an MI325X).
    CdInstancesMayBeNone "cd_instances_may_be_none", every, "discovery/report.rs", Scenario;
    /// Images can be inserted and the host does not see them.
    ///
    /// Dell iDRAC with `VirtualMedia.1.Attached` at `Detached` (iDRAC-Redfish-Scripting #236).
    IdracMayKeepMediaFromTheHost "idrac_may_keep_media_from_the_host", every, "discovery/mod.rs", Scenario;
    /// Images come from NFS and CIFS alone; an address of ours is never taken, so that no slot is of use.
    ///
    /// H3C HDM `VmmControl` below `Oem.Public` (notes of two operators who drive it).
    H3cTakesFileSharesOnly "h3c_takes_file_shares_only", some, "discovery/slots.rs", Scenario;
    /// What the insert allows is NFS and CIFS alone. The slot is of no use, and the reason is told.
    ///
    /// Lenovo TSM on SR635 and SR655, first firmware (python-redfish-lenovo `lenovo_mount_virtual_media.py`).
    SlotsMayTakeFileSharesOnly "slots_may_take_file_shares_only", every, "discovery/slots.rs", Scenario;
    /// There are no slots: images come from NFS and SMB by a resource below the system, and the reason is told.
    ///
    /// Fujitsu iRMC S4 `Oem.ts_fujitsu.VirtualMedia` with `ShareType` (fujitsu-ansible-irmc-integration; an operator's
    /// notes of a TX1320).
    OldIrmcTakesFileSharesOnly "old_irmc_takes_file_shares_only", every, "discovery/mod.rs", Scenario;

    } $($more)* } };
}
