// SPDX-License-Identifier: AGPL-3.0-or-later
//! Images in and out, and seeing that they are.

macro_rules! media {
    ({ $($before:tt)* } $($more:ident)*) => { gather! { { $($before)*

    /// A 2xx proves nothing: every write is read back until it shows, or the time is up.
    ///
    /// bootwright; the DMTF mock-up server answers 204 and changes nothing.
    WritesAreReadBack "writes_are_read_back", every, "operate/mod.rs", Scenario;
    /// What was answered 2xx and does not show is sent again, three times within the budget.
    ///
    /// Supermicro AS-1015CS answers 200 and drops the override (bmclib #459); Dell iDRAC answers an
    /// insert and does nothing (iDRAC-Redfish-Scripting #58; microsoft/lisa #4030 inserts three times).
    AcceptedWritesAreSentAgain "accepted_writes_are_sent_again", every, "operate/mod.rs", Scenario;
    /// Images are taken over HTTP only; XCC2 added HTTPS and moved the slots below the system.
    ///
    /// Lenovo XCC (pubs.lenovo.com xcc, xcc2).
    FirstXccTakesHttpOnly "first_xcc_takes_http_only", some, "discovery/report.rs", Scenario;
    /// `http` images are answered `ResourceAtUriInUnknownFormat`.
    ///
    /// OpenBMC (bmcweb `virtual_media.hpp`; openbmc #3991), whoever built the machine.
    OpenBmcTakesHttpsOnly "open_bmc_takes_https_only", some, "discovery/report.rs", Scenario;
    /// `TransferProtocolType` is CIFS, HTTPS or NFS.
    ///
    /// Fujitsu iRMC S5 and S6 (terraform-provider-irmc-redfish `resource_virtual_media.go`).
    FujitsuTakesHttpsOnly "fujitsu_takes_https_only", some, "discovery/report.rs", Scenario;
    /// `TransferProtocolType` is Nfs, Cifs or https.
    ///
    /// xFusion 2288H V7, iBMC 3.08.05.85 (bootwright's fixture).
    XfusionTakesHttpsOnly "xfusion_takes_https_only", some, "discovery/report.rs", Scenario;
    /// `http` images are refused; field notes know NFS and CIFS, newer firmware takes HTTPS.
    ///
    /// Huawei 2288H V5, iBMC 6.41 (public field notes).
    HuaweiTakesNoHttp "huawei_takes_no_http", some, "discovery/report.rs", Scenario;
    /// The certificate of an `https` image is checked, where nothing else is taken: told before
    /// anything is tried, and left as the operator set it.
    ///
    /// OpenBMC, Lenovo XCC2, Supermicro `VerifyCertificate` (recordings; bootwright).
    SlotsMayVerifyCertificates "slots_may_verify_certificates", every, "discovery/report.rs", Scenario;
    /// What an insert takes and requires may stand in its `ActionInfo` only.
    ///
    /// Supermicro, OpenBMC, Gigabyte (recordings).
    ActionInfoSaysWhatInsertTakes "action_info_says_what_insert_takes", every, "discovery/slots.rs", Scenario;
    /// Inserts want the protocol, the method, a user, or none of them. The body starts with the
    /// image and learns from each refusal.
    ///
    /// sushy `virtual_media.py`; bmclib `virtual_media.go`; AMI wants a user (sushy bug 2071945).
    InsertBodiesLearn "insert_bodies_learn", every, "operate/insert_body.rs", Scenario;
    /// `Inserted` and `WriteProtected` are "not in the list of valid properties".
    ///
    /// Supermicro X11 and X12 (community.general #4839, #6969).
    SupermicroTakesTheImageAlone "supermicro_takes_the_image_alone", some, "operate/insert_body.rs", Scenario;
    /// Image addresses with `?` or `=` are refused.
    ///
    /// Supermicro X12 (Ironic release note remove-filename-param).
    SupermicroTakesNoQuery "supermicro_takes_no_query", some, "operate/insert.rs", Scenario;
    /// An insert fails with 5xx while an eject is still under way.
    ///
    /// Ironic `redfish/boot.py` (story 2008504).
    FailedInsertsAreSentAgain "failed_inserts_are_sent_again", every, "operate/insert.rs", Scenario;
    /// The image is shown without its port, or by its file name only.
    ///
    /// xFusion 2288H V7 (bootwright's fixture).
    EchoesMayLackThePort "echoes_may_lack_the_port", every, "operate/insert.rs", Scenario;
    /// Right after an insert the image before is still shown.
    ///
    /// xFusion 2288H V7 (bootwright's fixture).
    OldImagesMayShowForAWhile "old_images_may_show_for_a_while", every, "operate/insert.rs", Scenario;
    /// `Image` stays after an eject; `Inserted` and `ConnectedVia` tell.
    ///
    /// Supermicro X11 and X12 (community.general #7470; sushy).
    StaleImagesDoNotCount "stale_images_do_not_count", every, "model/media.rs", Scenario;
    /// A slot that looks empty may not be, and a stale address equal to ours would make an
    /// insert be skipped and start nothing.
    ///
    /// Dell iDRAC (Ironic `redfish/boot.py`).
    EmptySlotsAreEjectedAllTheSame "empty_slots_are_ejected_all_the_same", every, "operate/eject.rs", Scenario;
    /// What a slot shows is what is mounted, so that an empty one needs no eject, which would be refused.
    ///
    /// OpenBMC (bmcweb `virtual_media.hpp`: `Inserted` is the mount's own `Active`).
    OpenBmcSlotsAreHonest "open_bmc_slots_are_honest", some, "operate/eject.rs", Scenario;
    /// An image that is out is still shown for a while, and ejecting it is answered 500: nothing is
    /// mounted. It is waited for, as long as the budget lasts.
    ///
    /// Dell iDRAC `VRM0009` (iDRAC-Redfish-Scripting); Ironic `redfish/boot.py` on stale `Inserted`.
    EjectedImagesMayShowForAWhile "ejected_images_may_show_for_a_while", every, "operate/eject.rs", Scenario;
    /// An eject without a body is answered 415 or 400, one with `{}` is taken.
    ///
    /// HPE iLO5 and iLO6 (sushy); Dell iDRAC9.
    EjectsMayWantABody "ejects_may_want_a_body", every, "operate/eject.rs", Scenario;
    /// Whatever an eject is answered, what the slot shows then decides.
    ///
    /// sushy `virtual_media.py`; bootwright.
    EjectsAreJudgedByTheSlot "ejects_are_judged_by_the_slot", every, "operate/eject.rs", Scenario;
    /// Slots exist only while something is in them.
    ///
    /// Lenovo XCC before 2.50; bootwright.
    VanishedSlotsAreEmpty "vanished_slots_are_empty", every, "operate/eject.rs", Scenario;
    /// The eject action is shown only while something is inserted.
    ///
    /// Supermicro X13 and H13 (recording of a SYS-821GE-TNHR).
    EjectMayShowOnlyWhenFull "eject_may_show_only_when_full", every, "operate/eject.rs", Scenario;

    } $($more)* } };
}
