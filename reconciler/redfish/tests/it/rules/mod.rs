// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every rule has a scenario: a BMC that does what the rule is about. With all rules it ends
//! well, and without that one rule it does not.
//!
//! A rule that cannot be switched off names another test instead.

mod boot;
mod door;
mod http;
mod known;
mod meaning;
mod media;
mod oem;
mod power;
mod slots;
mod tasks;
mod way;

use std::error::Error;
use std::sync::Arc;

use shoal_redfish::{BmcEndpoint, Proof, RedfishBmc, Rule};

use crate::support::client::{endpoint, hurried, wiring};
use crate::support::fake::Fake;
use crate::support::server::Server;

/// How a scenario ends.
type Outcome = Result<(), Box<dyn Error>>;

macro_rules! ensure {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+).into());
        }
    };
}
use ensure;

/// One run of a scenario.
struct Trial {
    /// Rules that are switched off.
    off: Vec<Rule>,
    /// Budgets run out soon: where a rule is missing, and where waiting is the point.
    in_a_hurry: bool,
}

impl Trial {
    /// Serves a BMC and connects to it.
    async fn connect(&self, fake: &Arc<Fake>) -> Result<(Server, RedfishBmc), Box<dyn Error>> {
        self.connect_as(fake, |endpoint| endpoint).await
    }

    async fn connect_as(
        &self,
        fake: &Arc<Fake>,
        change: impl FnOnce(BmcEndpoint) -> BmcEndpoint,
    ) -> Result<(Server, RedfishBmc), Box<dyn Error>> {
        let server = Server::https(Arc::clone(fake)).await;
        let endpoint = if self.in_a_hurry { hurried(&server) } else { endpoint(&server) };
        let bmc = RedfishBmc::connect_without(&change(endpoint), wiring(), &self.off).await?;
        Ok((server, bmc))
    }

    fn hurry(self) -> Self {
        Self { in_a_hurry: true, ..self }
    }

    /// As [`Trial::connect`], with budgets that run out soon in any case.
    async fn hurried(&self, fake: &Arc<Fake>) -> Result<(Server, RedfishBmc), Box<dyn Error>> {
        Trial { off: self.off.clone(), in_a_hurry: true }.connect(fake).await
    }
}

/// Runs a scenario with and without its rule.
async fn prove<F: Future<Output = Outcome>>(rule: Rule, scenario: impl Fn(Trial) -> F) {
    if let Err(error) = scenario(Trial { off: Vec::new(), in_a_hurry: false }).await {
        panic!("with all rules: {error}");
    }
    let without = scenario(Trial { off: vec![rule], in_a_hurry: true }).await;
    assert!(without.is_err(), "{rule:?} makes no difference");
}

macro_rules! scenarios {
    ($($module:ident: $($rule:ident $scenario:ident),+;)+) => {
        /// Every scenario, by its rule.
        const SCENARIOS: &[(Rule, &str)] = &[$($((Rule::$rule, stringify!($scenario)),)+)+];

        $($(
            #[tokio::test]
            async fn $scenario() {
                prove(Rule::$rule, $module::$scenario).await;
            }
        )+)+
    };
}

scenarios! {
    way:
        LinksAreFollowed links_are_followed,
        SystemsAreNotGuessedBetween systems_are_not_guessed_between,
        MachinesAreProvenBeforeAnErase machines_are_proven_before_an_erase,
        OddJsonIsEndured odd_json_is_endured,
        ExpandIsNeverAskedFor expand_is_never_asked_for,
        CirclesOfLinksEnd circles_of_links_end,
        ResourcesWithoutEndAreNotWalked resources_without_end_are_not_walked,
        BaseboardsAreNoMachines baseboards_are_no_machines,
        ServiceTagIsTheSkuOnDell service_tag_is_the_sku_on_dell;
    slots:
        RefusingSlotsAreFollowedByTheNext refusing_slots_are_followed_by_the_next,
        SlotsOfTheSystemComeFirst slots_of_the_system_come_first,
        MissingListsAreAskedForAgain missing_lists_are_asked_for_again,
        OneDeviceInTwoViewsCountsOnce one_device_in_two_views_counts_once,
        SlotsAreTakenInTheOrderOfTheirIds slots_are_taken_in_the_order_of_their_ids,
        SlotsWithoutARouteAreSkipped slots_without_a_route_are_skipped,
        ConsoleSlotsAreNotPatched console_slots_are_not_patched,
        DvdIsACd dvd_is_a_cd,
        KindsFallBackToTheId kinds_fall_back_to_the_id,
        SlotsMayTakePatchOnly slots_may_take_patch_only,
        XccTakesPatchUnsaid xcc_takes_patch_unsaid,
        XccTakesAddressesInExtSlotsOnly xcc_takes_addresses_in_ext_slots_only,
        OldIdracFailsTheSecondImage old_idrac_fails_the_second_image,
        OldSupermicroHasOneImage old_supermicro_has_one_image;
    oem:
        IloFourHasItsOwnActions ilo_four_has_its_own_actions,
        HuaweiControlsMediaByOneAction huawei_controls_media_by_one_action,
        HuaweiConnectsAtRandom huawei_connects_at_random,
        OldSupermicroMountsByConfiguration old_supermicro_mounts_by_configuration,
        H3cTakesFileSharesOnly h3c_takes_file_shares_only,
        SlotsMayTakeFileSharesOnly slots_may_take_file_shares_only,
        OldIrmcTakesFileSharesOnly old_irmc_takes_file_shares_only,
        ActionsMayStandAmongTheMakersOwn actions_may_stand_among_the_makers_own,
        CdInstancesMayBeNone cd_instances_may_be_none,
        OldXccMountsByAList old_xcc_mounts_by_a_list,
        RemoteMediaAreSwitchedOnFirst remote_media_are_switched_on_first,
        OldIdracBootsItsPhysicalDrive old_idrac_boots_its_physical_drive,
        FujitsuBootsByItsOwnConfiguration fujitsu_boots_by_its_own_configuration,
        IdracMayKeepMediaFromTheHost idrac_may_keep_media_from_the_host;
    door:
        RootMayBeBareBeforeALogin root_may_be_bare_before_a_login,
        NoLoginWhereNoneIsOffered no_login_where_none_is_offered,
        BasicWhereThereAreNoSessions basic_where_there_are_no_sessions,
        SessionMayBeNamedInTheBody session_may_be_named_in_the_body,
        EndedSessionsAreOpenedOnceMore ended_sessions_are_opened_once_more,
        HuaweiLoginsNameADomain huawei_logins_name_a_domain,
        LoginsTakeAFreshConnection logins_take_a_fresh_connection,
        RejectedCredentialsAreNotTriedAgain rejected_credentials_are_not_tried_again,
        SessionsAreAlwaysEnded sessions_are_always_ended,
        FullSessionsAreNamed full_sessions_are_named;
    http:
        OneRequestAtATime one_request_at_a_time,
        NoProxyOfTheEnvironment no_proxy_of_the_environment,
        RedirectsMustEnd redirects_must_end,
        RedirectsToOtherHostsAreRefused redirects_to_other_hosts_are_refused,
        EndlessAnswersAreCutOff endless_answers_are_cut_off,
        SlowAnswersAreGivenUp slow_answers_are_given_up,
        BrokenReadsAreRepeated broken_reads_are_repeated,
        RedirectsOnTheSameHostAreFollowed redirects_on_the_same_host_are_followed,
        AnswersAreAskedForUncompressed answers_are_asked_for_uncompressed,
        CompressedWhereNothingElseIsSent compressed_where_nothing_else_is_sent,
        EtagsMayStandInTheBody etags_may_stand_in_the_body,
        EtagsAreTriedInSeveralForms etags_are_tried_in_several_forms,
        EtagsMustProveThemselves etags_must_prove_themselves,
        BusyAnswersAreRepeated busy_answers_are_repeated,
        RetryAfterIsHonoured retry_after_is_honoured,
        MessagesComeInAnyShape messages_come_in_any_shape;
    meaning:
        IdracMaySayDataSourcesUnavailable idrac_may_say_data_sources_unavailable,
        IloRefusesWhileInPost ilo_refuses_while_in_post,
        EarlyOnConflicts early_on_conflicts,
        MissingLicencesAreNamed missing_licences_are_named,
        IloNeedsAnAdvancedLicence ilo_needs_an_advanced_licence,
        XccNeedsAnEnterpriseLicence xcc_needs_an_enterprise_licence,
        DisabledMediaAreNamed disabled_media_are_named,
        OccupiedSlotsAreNamed occupied_slots_are_named,
        FullMediaConnectionsAreNamed full_media_connections_are_named,
        IloChangesNothingOnceAnImageIsIn ilo_changes_nothing_once_an_image_is_in,
        PendingConfigurationIsNamed pending_configuration_is_named,
        UnlicensedSlotsAreNotMissing unlicensed_slots_are_not_missing,
        RefusedSchemesAreNamed refused_schemes_are_named,
        UnreadableImagesAreNamed unreadable_images_are_named,
        RefusedImagesAreNotOurLogin refused_images_are_not_our_login;
    media:
        WritesAreReadBack writes_are_read_back,
        AcceptedWritesAreSentAgain accepted_writes_are_sent_again,
        FirstXccTakesHttpOnly first_xcc_takes_http_only,
        OpenBmcTakesHttpsOnly open_bmc_takes_https_only,
        FujitsuTakesHttpsOnly fujitsu_takes_https_only,
        XfusionTakesHttpsOnly xfusion_takes_https_only,
        HuaweiTakesNoHttp huawei_takes_no_http,
        SlotsMayVerifyCertificates slots_may_verify_certificates,
        ActionInfoSaysWhatInsertTakes action_info_says_what_insert_takes,
        InsertBodiesLearn insert_bodies_learn,
        SupermicroTakesTheImageAlone supermicro_takes_the_image_alone,
        SupermicroTakesNoQuery supermicro_takes_no_query,
        FailedInsertsAreSentAgain failed_inserts_are_sent_again,
        EchoesMayLackThePort echoes_may_lack_the_port,
        OldImagesMayShowForAWhile old_images_may_show_for_a_while,
        StaleImagesDoNotCount stale_images_do_not_count,
        EmptySlotsAreEjectedAllTheSame empty_slots_are_ejected_all_the_same,
        OpenBmcSlotsAreHonest open_bmc_slots_are_honest,
        EjectedImagesMayShowForAWhile ejected_images_may_show_for_a_while,
        EjectsMayWantABody ejects_may_want_a_body,
        EjectsAreJudgedByTheSlot ejects_are_judged_by_the_slot,
        EjectMayShowOnlyWhenFull eject_may_show_only_when_full,
        VanishedSlotsAreEmpty vanished_slots_are_empty;
    tasks:
        TasksAreFollowed tasks_are_followed,
        TaskMonitorsHaveManySpellings task_monitors_have_many_spellings,
        FailingTasksAreStillRunning failing_tasks_are_still_running,
        VanishedTasksAreUnknown vanished_tasks_are_unknown;
    boot:
        NoOverrideNamesADisk no_override_names_a_disk,
        SilentTargetsAreFollowedByTheNext silent_targets_are_followed_by_the_next,
        OnlyWhatDiffersIsSent only_what_differs_is_sent,
        AmiWantsTheWholeOverride ami_wants_the_whole_override,
        SupermicroForgetsTheMode supermicro_forgets_the_mode,
        NoModeWhereNoneIsShown no_mode_where_none_is_shown,
        DellChangesTheBootModeByAJob dell_changes_the_boot_mode_by_a_job,
        SupermicroBootsUsbCd supermicro_boots_usb_cd,
        OverridesAreSetForEveryStart overrides_are_set_for_every_start,
        MissingTargetsAreNoRefusal missing_targets_are_no_refusal,
        TargetsMayBeListedAsSupported targets_may_be_listed_as_supported,
        ModesMayBePartOfTheTarget modes_may_be_part_of_the_target,
        OverridesMayStandInTheSettings overrides_may_stand_in_the_settings,
        SettingsMayNotBeLinked settings_may_not_be_linked,
        RefusedOverridesGoToTheSettings refused_overrides_go_to_the_settings,
        OnceMayShowAsContinuous once_may_show_as_continuous,
        HiddenOverridesAreBelieved hidden_overrides_are_believed,
        ClearingMayTakeATarget clearing_may_take_a_target,
        TheDiskMayStandForNone the_disk_may_stand_for_none,
        HttpBootIsTheLastRung http_boot_is_the_last_rung,
        GraceHopperBootsOverHttpUnlisted grace_hopper_boots_over_http_unlisted,
        HttpBootAddressesAreTakenBack http_boot_addresses_are_taken_back;
    power:
        RestartsAreNeverSent restarts_are_never_sent,
        ResetTypesMayStandInTheActionInfo reset_types_may_stand_in_the_action_info,
        MissingResetTypesAreNoRefusal missing_reset_types_are_no_refusal,
        RefusedShutdownsAreForced refused_shutdowns_are_forced,
        PoweringOffIsWaitedFor powering_off_is_waited_for;
}

#[test]
fn every_rule_is_proven_by_a_scenario_or_by_a_test_that_exists() {
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for rule in Rule::ALL {
        let facts = rule.facts();
        let scenarios: Vec<_> = SCENARIOS.iter().filter(|(of, _)| of == rule).collect();
        match facts.proof {
            Proof::Scenario => {
                assert_eq!(scenarios.len(), 1, "{rule:?} has no scenario, or several");
                assert_eq!(scenarios[0].1, facts.id, "the scenario of {rule:?} has another name");
            }
            Proof::Test { file, test, why } => {
                assert!(scenarios.is_empty(), "{rule:?} has a scenario and no switch");
                assert!(!why.is_empty());
                let text = std::fs::read_to_string(repository.join(file)).unwrap_or_default();
                assert!(text.contains(&format!("fn {test}(")), "{file} has no test {test}");
            }
        }
        assert!(repository.join(facts.file).is_file(), "{rule:?} is applied in no file {}", facts.file);
    }
}

#[test]
fn every_rule_says_what_it_is_about_and_where_that_is_known_from() {
    for rule in Rule::ALL {
        let facts = rule.facts();
        let paragraphs = facts.about.split(|line| line.trim().is_empty()).count();
        assert_eq!(paragraphs, 2, "{rule:?} has {paragraphs} paragraphs");
        let words: String = format!("{rule:?}").chars().fold(String::new(), |mut words, c| {
            if c.is_ascii_uppercase() && !words.is_empty() {
                words.push('_');
            }
            words.push(c.to_ascii_lowercase());
            words
        });
        assert_eq!(words, facts.id);
    }
}
