// SPDX-License-Identifier: AGPL-3.0-or-later
//! The list of rules. Out of it the reference in `docs/reference/redfish-rules.md` is made.
//!
//! Each rule has one paragraph on what BMCs do, one on where that is known from, the file that
//! applies it, and how it is proven.

/// How a rule is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A scenario of the rule's own, which succeeds with the rule and fails without it.
    Scenario,
    /// A test, of a rule that cannot be switched off.
    Test {
        /// File of the test, below the repository.
        file: &'static str,
        /// Its name.
        test: &'static str,
        /// Why there is no switch.
        why: &'static str,
    },
}

/// What is known of a rule.
#[derive(Clone, Copy, Debug)]
pub struct RuleFacts {
    /// Its stable name, in small letters with underscores.
    pub id: &'static str,
    /// What BMCs do, and what is done about it.
    pub about: &'static [&'static str],
    /// The file that applies it, below the repository.
    pub file: &'static str,
    /// On only where discovery saw a reason.
    pub of_one_maker: bool,
    /// How it is proven.
    pub proof: Proof,
}

const fn test(file: &'static str, test: &'static str, why: &'static str) -> Proof {
    Proof::Test { file, test, why }
}

macro_rules! catalogue {
    ($($(#[doc = $doc:literal])* $name:ident $id:literal, $scope:ident, $file:literal, $proof:expr;)*) => {
        /// Something that BMCs do, and that the client copes with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule { $($(#[doc = $doc])* $name,)* }

        impl Rule {
            /// All of them, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What is known of it.
            pub const fn facts(self) -> RuleFacts {
                match self {
                    $(Self::$name => RuleFacts {
                        id: $id,
                        about: &[$($doc),*],
                        file: concat!("reconciler/redfish/src/", $file),
                        of_one_maker: catalogue!(@$scope),
                        proof: $proof,
                    },)*
                }
            }
        }
    };
    (@every) => { false };
    (@some) => { true };
}

use Proof::Scenario;

catalogue! {
    // --- Finding the way ---------------------------------------------------------------------
    /// Ids and paths differ with every maker, so no path is built: everything is reached from
    /// the service root by links.
    ///
    /// Recordings of Dell, HPE, Lenovo, Supermicro, NVIDIA and Cray; bootwright.
    LinksAreFollowed "links_are_followed", every, "discovery/mod.rs", Scenario;
    /// One BMC may serve several machines. Without a selector or an identity none is guessed.
    ///
    /// Recordings of Cray (2 to 4 blades); NVIDIA HGX.
    SystemsAreNotGuessedBetween "systems_are_not_guessed_between", every, "discovery/choose.rs", Scenario;
    /// Baseboards show up as systems: without `Boot` or a reset action none is the machine.
    ///
    /// Recordings of NVIDIA GB200 and GH200 (`HGX_Baseboard_0` beside `System_0`).
    BaseboardsAreNoMachines "baseboards_are_no_machines", every, "discovery/choose.rs", Scenario;
    /// The serial number is the board's; the one on the label, the service tag, is the SKU.
    ///
    /// Dell iDRAC; Ironic release notes.
    ServiceTagIsTheSkuOnDell "service_tag_is_the_sku_on_dell", every, "rules/decide.rs", Scenario;
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

    // --- Getting in --------------------------------------------------------------------------
    /// The service root names nothing before a login. Sessions are opened where the
    /// specification puts them then.
    ///
    /// Cisco CIMC (check_redfish #148).
    RootMayBeBareBeforeALogin "root_may_be_bare_before_a_login", every, "wire/session.rs", Scenario;
    /// A root that names its systems and no sessions has none: a login there is answered 401,
    /// which would look like a wrong password.
    ///
    /// sushy-tools.
    NoLoginWhereNoneIsOffered "no_login_where_none_is_offered", every, "wire/session.rs", Scenario;
    /// A login is answered 404, 405 or 501 where there are no sessions: Basic is used.
    ///
    /// sushy `auth.py`; older firmware.
    BasicWhereThereAreNoSessions "basic_where_there_are_no_sessions", every, "wire/login.rs", Scenario;
    /// The answer to a login may lack `Location`; the body names the session then.
    ///
    /// sushy `sessionservice.py`.
    SessionMayBeNamedInTheBody "session_may_be_named_in_the_body", every, "wire/session.rs", Scenario;
    /// Sessions end early. One that ended is opened once more and the request is sent again.
    ///
    /// Dell iDRAC8; sushy `connector.py`.
    EndedSessionsAreOpenedOnceMore "ended_sessions_are_opened_once_more", every, "wire/client.rs", Scenario;
    /// BMCs lock accounts: credentials that were rejected are never sent again.
    ///
    /// Dell, HPE and Lenovo lock after three to five failures.
    RejectedCredentialsAreNotTriedAgain "rejected_credentials_are_not_tried_again", every, "wire/login.rs", Scenario;
    /// A BMC has few sessions, about eight on iDRAC, so one is used and always ended.
    ///
    /// sushy; check_redfish #89, #90, #198; gofish #75; theforeman #895.
    SessionsAreAlwaysEnded "sessions_are_always_ended", every, "wire/client.rs", Scenario;
    /// A login without the domain of the account is refused like one with a wrong password.
    ///
    /// Huawei 2288H V5, iBMC 6.41 (public field notes): `Oem.Huawei.Domain` is `LocaliBMC`.
    HuaweiLoginsNameADomain "huawei_logins_name_a_domain", every, "wire/login.rs", Scenario;
    /// Too many sessions are answered 503, like a busy BMC, and need another remedy.
    ///
    /// Dell iDRAC `RAC0218`; sushy.
    FullSessionsAreNamed "full_sessions_are_named", every, "rules/messages.rs", Scenario;

    // --- HTTP --------------------------------------------------------------------------------
    /// BMCs answer wrongly, or not at all, when they are asked in parallel.
    ///
    /// sushy; Dell iDRAC8; measured on emulators.
    OneRequestAtATime "one_request_at_a_time", every, "wire/link.rs", Scenario;
    /// Idle connections are dropped without notice. They are reused for two seconds only, and
    /// reads that break off are repeated.
    ///
    /// sushy `connector.py`.
    BrokenReadsAreRepeated "broken_reads_are_repeated", every, "wire/link.rs", Scenario;
    /// A connection is dead without a word after an answer, and a login that broke off is not repeated:
    /// a session may have come about. So each login opens a connection of its own.
    ///
    /// sushy `connector.py`, on BMCs that drop keep-alive connections.
    LoginsTakeAFreshConnection "logins_take_a_fresh_connection", every, "wire/link.rs", Scenario;
    /// A proxy's 403 looks like the BMC's, so none of the environment is used.
    ///
    /// bootwright.
    NoProxyOfTheEnvironment "no_proxy_of_the_environment", every, "wire/exchange.rs", Scenario;
    /// Some redirect a path to the same path with a slash at its end.
    ///
    /// HPE iLO4 (fakefish calls `curl -L`).
    RedirectsOnTheSameHostAreFollowed "redirects_on_the_same_host_are_followed", every, "wire/exchange.rs", Scenario;
    /// A redirect leads back to where it came from. Three are followed.
    ///
    /// No BMC is known to; who answers under a BMC's address may be anybody.
    RedirectsMustEnd "redirects_must_end", every, "wire/exchange.rs", Scenario;
    /// A redirect leads to another host, which would be sent the token of our session.
    ///
    /// No BMC is known to; RFC 9110 leaves it to the client.
    RedirectsToOtherHostsAreRefused "redirects_to_other_hosts_are_refused", every, "wire/exchange.rs", Scenario;
    /// An answer has no end. What is longer than any resource is not read on.
    ///
    /// No BMC is known to; the largest resource in the recordings has 100 kB.
    EndlessAnswersAreCutOff "endless_answers_are_cut_off", every, "wire/exchange.rs", Scenario;
    /// An answer comes a byte at a time, so that no single read takes long. The whole exchange has a limit.
    ///
    /// No BMC is known to; who answers under a BMC's address may be anybody.
    SlowAnswersAreGivenUp "slow_answers_are_given_up", every, "wire/exchange.rs", Scenario;
    /// Compression turns ETags weak, and some services then refuse the weak form.
    ///
    /// sushy `connector.py`.
    AnswersAreAskedForUncompressed "answers_are_asked_for_uncompressed", every, "wire/link.rs", Scenario;
    /// Some resources are sent compressed only and answer 406 otherwise.
    ///
    /// HPE Gen10 and newer; sushy release notes.
    CompressedWhereNothingElseIsSent "compressed_where_nothing_else_is_sent", every, "wire/link.rs", Scenario;
    /// An ETag stands in the header, in the body, or is an empty text.
    ///
    /// sushy `connector.py` and release notes.
    EtagsMayStandInTheBody "etags_may_stand_in_the_body", every, "wire/exchange.rs", Scenario;
    /// `If-Match` is refused with the weak form, with any form, or with none. Malformed ones
    /// are sent back as they came.
    ///
    /// sushy `connector._etag_handler`; Dell iDRAC10 sends `W/"'gen-1'"` (Dell #324).
    EtagsAreTriedInSeveralForms "etags_are_tried_in_several_forms", every, "wire/etag.rs", Scenario;
    /// ETags stay although the resource changed. A read is conditional only after its ETag was
    /// seen to change with each part that matters, and never again after it failed to.
    ///
    /// sushy release notes; Dell iDRAC and AMI MegaRAC (`@odata.etag` of the time of start).
    EtagsMustProveThemselves "etags_must_prove_themselves", every, "operate/memory.rs", Scenario;
    /// 429 and 503 pass by themselves.
    ///
    /// sushy `connector.py`.
    BusyAnswersAreRepeated "busy_answers_are_repeated", every, "wire/retry.rs", Scenario;
    /// A BMC that says when to come back is not asked before.
    ///
    /// RFC 9110; sushy `connector.py`.
    RetryAfterIsHonoured "retry_after_is_honoured", every, "wire/retry.rs", Scenario;
    /// Messages come as a list or an object, at the top or below `error`, with or without a code.
    ///
    /// sushy release notes; sushy's NVIDIA branch; xFusion.
    MessagesComeInAnyShape "messages_come_in_any_shape", every, "wire/message.rs", Scenario;

    // --- What refusals mean ------------------------------------------------------------------
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

    // --- Media -------------------------------------------------------------------------------
    /// A 2xx proves nothing: every write is read back until it shows, or the time is up.
    ///
    /// bootwright; the DMTF mock-up server answers 204 and changes nothing.
    WritesAreReadBack "writes_are_read_back", every, "operate/mod.rs", Scenario;
    /// What was answered 2xx and does not show is sent again, three times within the budget.
    ///
    /// Supermicro AS-1015CS answers 200 and drops the override (bmclib #459); Dell iDRAC answers an
    /// insert and does nothing (iDRAC-Redfish-Scripting #58; microsoft/lisa #4030 inserts three times).
    AcceptedWritesAreSentAgain "accepted_writes_are_sent_again", every, "operate/mod.rs", Scenario;
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
    /// The second image fails, whichever comes first. Slots below the manager alone tell.
    ///
    /// Dell iDRAC9 before 6.00 (iDRAC-Redfish-Scripting #290, #241).
    OldIdracFailsTheSecondImage "old_idrac_fails_the_second_image", some, "discovery/ladder.rs", Scenario;
    /// Slots are called `CD1` and nobody reports two images at a time. `VirtualMediaN` are
    /// independent.
    ///
    /// Supermicro X11 and X12; recording of a SYS-821GE-TNHR.
    OldSupermicroHasOneImage "old_supermicro_has_one_image", some, "discovery/ladder.rs", Scenario;
    /// Images can be inserted and the host does not see them.
    ///
    /// Dell iDRAC with `VirtualMedia.1.Attached` at `Detached` (iDRAC-Redfish-Scripting #236).
    IdracMayKeepMediaFromTheHost "idrac_may_keep_media_from_the_host", every, "discovery/mod.rs", Scenario;
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

    // --- Tasks -------------------------------------------------------------------------------
    /// 202 is no end: the task tells, and its messages name a cause.
    ///
    /// xFusion, Huawei, Lenovo XCC3; sushy `taskmonitor.py`.
    TasksAreFollowed "tasks_are_followed", every, "wire/task.rs", Scenario;
    /// A monitor is `/TaskMonitors/9` or `/Tasks/9/Monitor`, and may not be there at all; the
    /// task itself is.
    ///
    /// sushy `connector.py`; bootwright's fixture of an xFusion 2288H V7.
    TaskMonitorsHaveManySpellings "task_monitors_have_many_spellings", every, "wire/task.rs", Scenario;
    /// The task itself is answered 5xx while it runs. The resource that it is about decides.
    ///
    /// RFC 9110 on 503; sushy `connector.py`, which repeats reads that are answered so.
    FailingTasksAreStillRunning "failing_tasks_are_still_running", every, "wire/task.rs", Scenario;
    /// A task that is gone is neither done nor failed: the resource decides.
    ///
    /// Dell iDRAC before 5.00 purges tasks after a minute (Ironic release notes).
    VanishedTasksAreUnknown "vanished_tasks_are_unknown", every, "wire/task.rs", Scenario;

    // --- Boot --------------------------------------------------------------------------------
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

    // --- Power -------------------------------------------------------------------------------
    /// Reset types stand in the `ActionInfo` only.
    ///
    /// Supermicro, Lenovo, OpenBMC, NVIDIA (recordings).
    ResetTypesMayStandInTheActionInfo "reset_types_may_stand_in_the_action_info", every, "discovery/mod.rs", Scenario;
    /// A missing list of reset types does not mean that there are none.
    ///
    /// Recordings; gofish.
    MissingResetTypesAreNoRefusal "missing_reset_types_are_no_refusal", every, "discovery/mod.rs", Scenario;
    /// A shutdown is listed and refused: the machine is cut off.
    ///
    /// Huawei 2288H V5 (public field notes); HPE iLO (libredfish `hpe.rs`).
    RefusedShutdownsAreForced "refused_shutdowns_are_forced", every, "operate/power.rs", Scenario;
    /// `PoweringOff` is not off, and needs no second shutdown.
    ///
    /// OpenBMC (bmcweb `systems.hpp`); Ironic.
    PoweringOffIsWaitedFor "powering_off_is_waited_for", every, "operate/power.rs", Scenario;
    /// Restarts hang, are refused, or mean something else. Off and then on works everywhere.
    ///
    /// Lenovo SR675 V3 (libredfish `lenovo.rs`); HPE iLO (libredfish `hpe.rs`); Huawei.
    RestartsAreNeverSent "restarts_are_never_sent", every, "operate/power.rs", Scenario;

    // --- What the caller sees to -------------------------------------------------------------
    /// Ejecting below a running system breaks its file systems: the machine is off before.
    ///
    /// Dell iDRAC (Ironic release note poweroff-before-redfish-vmedia-eject, bug 2160374).
    OffBeforeMediaAreEjected "off_before_media_are_ejected", every, "contract/bmc.rs",
        test("reconciler/core/tests/it/job_life.rs", "a_machine_is_never_switched_on_with_media_or_an_override_left", "the order of a job is the caller's");
    /// Firmware reads the medium late in POST and installers at their very end: media stay until
    /// the machine says that it is done.
    ///
    /// Huawei (public field notes).
    MediaStayUntilTheMachineIsDone "media_stay_until_the_machine_is_done", every, "contract/bmc.rs",
        test("reconciler/core/tests/it/job_life.rs", "each_phase_asks_for_its_own_effect_and_for_nothing_else", "the order of a job is the caller's");
    /// A slot refuses an image and names no reason: it is for uploads or for the console. Another one
    /// may take it.
    ///
    /// Cisco UCSB, UCSX and C845A M8 answer 400 and 405 (Ironic bugs 2031595, 2039042; Ironic `redfish/boot.py`).
    RefusingSlotsAreFollowedByTheNext "refusing_slots_are_followed_by_the_next", every, "discovery/ladder.rs", Scenario;
    /// The address of a BMC may lead to another machine. Serial number and UUID are compared before
    /// anything is touched, the machine's own words before anything is erased.
    ///
    /// bootwright; Dell iDRAC (the serial number is the board's).
    MachinesAreProvenBeforeAnErase "machines_are_proven_before_an_erase", every, "discovery/identity.rs", Scenario;
}
