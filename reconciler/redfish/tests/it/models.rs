// SPDX-License-Identifier: AGPL-3.0-or-later
//! A whole job on every emulated model: off, media, override, on, and all of it taken back. What
//! the machine was told to boot decides, not what the BMC says of itself.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shoal_redfish::{
    Bmc, BmcEndpoint, Budgets, Credentials, ImageKind, ImageRef, MediaUrl, PowerState, RedfishBmc,
    RetryPolicy, Rule, Rung, TlsTrust,
};
use shoal_testbed::bmc::profiles::{self, Profile};
use shoal_testbed::bmc::{
    self, BmcConfig, BootDevice, BootMode, BootPlan, Farm, FarmConfig, NullMachine, Told,
};
use shoal_testbed::faults::FaultPlan;

use crate::support::client::{PASSWORD, USER, wiring};
use crate::support::server::{Asked, Handler, Reply, Server};

const NO_FAULTS: &str = "rules: []";

/// One image under every path, with ranges.
struct Images;

impl Handler for Images {
    async fn answer(&self, asked: Asked) -> Reply {
        let image = vec![7_u8; 64 * 1024];
        let reply = |status| Reply::status(status).header("Accept-Ranges", "bytes");
        let range = asked
            .header("range")
            .and_then(|range| range.strip_prefix("bytes="))
            .and_then(|range| range.split_once('-'))
            .map(|(first, last)| {
                let first: usize = first.parse().unwrap();
                (first, last.parse().unwrap_or(image.len() - 1).min(image.len() - 1))
            });
        match (asked.method.as_str(), range) {
            ("HEAD", _) => reply(200).header("Content-Length", image.len().to_string()),
            (_, Some((first, last))) => Reply {
                body: image[first..=last].to_vec().into(),
                ..reply(206).header("Content-Range", format!("bytes {first}-{last}/{}", image.len()))
            },
            _ => Reply { body: image.into(), ..reply(200) },
        }
    }
}

pub(crate) fn endpoint(bmc: &bmc::BmcHandle) -> BmcEndpoint {
    let millis = Duration::from_millis;
    BmcEndpoint {
        retry: RetryPolicy {
            first_pause: millis(1),
            longest_pause: millis(8),
            longest_retry_after: millis(50),
            ..RetryPolicy::default()
        },
        budgets: Budgets { poll: millis(5), rewrite: millis(10), ..Budgets::default() },
        ..BmcEndpoint::new(
            bmc.url().parse().unwrap(),
            TlsTrust::Pinned(bmc.fingerprint().unwrap().parse().unwrap()),
            Credentials::new(USER.to_owned(), PASSWORD.to_owned()),
        )
    }
}

/// A BMC of this model, with these faults.
pub(crate) async fn farm(profile: &'static Profile, machine: &Arc<NullMachine>, faults: &str) -> Farm {
    farm_of(profile, machine, faults, 0).await
}

/// The same, the so many-th of its kind.
async fn farm_of(profile: &'static Profile, machine: &Arc<NullMachine>, faults: &str, number: usize) -> Farm {
    Farm::start(FarmConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: true,
        bmcs: vec![BmcConfig {
            profile,
            identity: bmc::Identity::numbered(7, number),
            credentials: bmc::Credentials {
                user: USER.to_owned(),
                password: bmc::Password::new(PASSWORD.to_owned()),
            },
            machine: Arc::clone(machine) as Arc<dyn bmc::Machine>,
            powered_on: true,
            log_capacity: 2000,
        }],
        faults: FaultPlan::parse(faults).unwrap(),
        seed: 7,
        clock: Arc::new(bmc::TokioClock::starting_at(Timestamp::UNIX_EPOCH)),
        time_scale: 0.001,
        control: None,
        log_file: None,
    })
    .await
    .unwrap()
}

/// What the machine booted after it was switched on; the test runner ends a test that waits for
/// ever.
async fn booted(machine: &NullMachine, before: usize) -> BootPlan {
    loop {
        let mut plans = machine.told().into_iter().filter_map(|told| match told {
            Told::Boot(plan) => Some(plan),
            _ => None,
        });
        if let Some(plan) = plans.nth(before) {
            return plan;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn boots(machine: &NullMachine) -> usize {
    machine.told().iter().filter(|told| matches!(told, Told::Boot(_))).count()
}

/// A job of our own making on one model. The rung that was found.
async fn whole_job(profile: &'static Profile) -> Rung {
    spoiled_job(profile, NO_FAULTS, Budgets::default()).await
}

/// The same on a BMC with these faults, by a client with these budgets.
async fn spoiled_job(profile: &'static Profile, faults: &str, budgets: Budgets) -> Rung {
    let machine = Arc::new(NullMachine::default());
    let farm = farm(profile, &machine, faults).await;
    let (plain, tls) = (Server::http(Arc::new(Images)).await, Server::https(Arc::new(Images)).await);
    let mut endpoint = endpoint(&farm.bmcs()[0]);
    let Budgets { poll, rewrite, .. } = endpoint.budgets;
    endpoint.budgets = Budgets { poll, rewrite, ..budgets };
    let bmc = RedfishBmc::connect(&endpoint, wiring()).await.unwrap();
    let found = bmc.discovered().clone();
    let base = if found.facts.schemes.http { &plain.url } else { &tls.url };
    let image = |name: &str, kind| ImageRef {
        url: MediaUrl::new(format!("{base}media/{}/{name}", "c4pab1l1ty".repeat(3))),
        kind,
    };

    bmc.ensure_power_off(Duration::ZERO).await.unwrap();
    bmc.eject_ours().await.unwrap();
    if let Some(slot) = &found.task_slot {
        let task = match found.rung {
            Rung::CdUsb => image("task.img", ImageKind::RawDisk),
            _ => image("task.iso", ImageKind::Iso),
        };
        bmc.insert(slot, &task).await.unwrap();
    }
    let boot = image("boot.iso", ImageKind::Iso);
    match &found.boot_slot {
        Some(slot) => {
            bmc.insert(slot, &boot).await.unwrap();
            bmc.set_boot_once_cd().await.unwrap();
        }
        None => {
            bmc.set_boot_once_http(&boot.url).await.unwrap();
        }
    }
    // Wherever a maker keeps it: what a sweep cannot see it cannot clear.
    let state = bmc.read_state().await.unwrap();
    assert!(state.boot.is_active(), "{:?}", state.boot);
    let before = boots(&machine);
    bmc.ensure_power_on().await.unwrap();
    let plan = booted(&machine, before).await;
    match &plan.device {
        BootDevice::Cd { slot } => {
            let medium = plan.media.iter().find(|medium| medium.slot == *slot).unwrap();
            assert_eq!(medium.url, boot.url.expose(), "{plan:?}");
        }
        BootDevice::UefiHttp { uri } => assert_eq!(uri.as_deref(), Some(boot.url.expose()), "{plan:?}"),
        _ => panic!("it boots {:?}", plan.device),
    }
    assert_eq!((plan.mode, plan.overridden), (BootMode::Uefi, true));
    let media = usize::from(found.boot_slot.is_some()) + usize::from(found.task_slot.is_some());
    assert_eq!(plan.media.len(), media, "{plan:?}");

    bmc.ensure_power_off(Duration::ZERO).await.unwrap();
    bmc.eject_ours().await.unwrap();
    bmc.clear_boot_override().await.unwrap();
    let state = bmc.read_state().await.unwrap();
    assert_eq!(state.power, PowerState::Off);
    assert!(!state.boot.is_active(), "{:?}", state.boot);
    assert!(state.slots.iter().all(|slot| !slot.inserted), "{:?}", state.slots);
    bmc.close().await.unwrap();
    farm.shutdown().await;
    found.rung
}

macro_rules! models {
    ($($test:ident $profile:ident $rung:ident;)+) => {
        /// The models that are tried.
        const TRIED: &[&str] = &[$(profiles::$profile.name),+];

        $(#[tokio::test]
        async fn $test() {
            assert_eq!(whole_job(&profiles::$profile).await, Rung::$rung);
        })+
    };
}

models! {
    an_idrac9_is_installed_from_two_cds IDRAC9_6 TwoCd;
    an_idrac10_is_installed_from_two_cds IDRAC10 TwoCd;
    an_ilo5_is_installed_from_cd_and_usb ILO5 CdUsb;
    an_xcc_is_installed_from_two_cds XCC TwoCd;
    a_supermicro_x12_is_installed_from_one_cd SMC_X12 Single;
    a_supermicro_x13_with_one_slot_is_installed_from_it SMC_X13_SINGLE Single;
    a_gb200_is_installed_from_two_slots OPENBMC_GB200 TwoCd;
    a_dgx_of_amis_is_installed_from_what_it_has AMI_DGX Single;
    an_xfusion_is_installed_from_one_cd IBMC_XFUSION Single;
    an_ilo4_is_installed_from_cd_and_usb_by_actions_of_its_own ILO4 CdUsb;
    an_ibmc_that_connects_at_random_is_installed_from_one_cd IBMC_V5 Single;
    a_supermicro_x10_is_installed_from_what_is_configured_and_mounted SMC_X10 Single;
    an_xcc_before_it_had_slots_is_installed_from_what_is_listed_and_mounted XCC_18D Single;
    an_xcc3_that_answers_with_tasks_is_installed_from_two_cds XCC3 TwoCd;
    an_irmc_is_installed_by_its_own_boot_configuration IRMC_S5 CdUsb;
    an_idrac9_before_6_is_installed_by_an_import IDRAC9_5 Single;
    a_bluefield_is_installed_over_http BLUEFIELD UefiHttp;
}

/// Does something again as long as the error says that this may help, and not for ever.
macro_rules! again {
    ($what:expr) => {{
        let mut tries = 0;
        loop {
            match $what.await {
                Ok(done) => break done,
                Err(error) => {
                    tries += 1;
                    assert!(error.retryable() && tries < 20, "after {tries} tries: {error}");
                }
            }
        }
    }};
}

#[tokio::test]
async fn a_hostile_idrac_is_installed_by_trying_again() {
    let machine = Arc::new(NullMachine::default());
    let farm = farm(&profiles::HOSTILE, &machine, NO_FAULTS).await;
    let images = Server::http(Arc::new(Images)).await;
    let mut endpoint = endpoint(&farm.bmcs()[0]);
    // Lies are waited for as long as the budget lasts; here a job would try again.
    let soon = Duration::from_secs(1);
    endpoint.budgets = Budgets {
        insert: soon,
        eject: soon,
        boot: soon,
        force_off: soon,
        power_on: soon,
        ..endpoint.budgets
    };
    let wiring = wiring();
    let bmc = again!(RedfishBmc::connect(&endpoint, wiring.clone()));
    assert_eq!(bmc.discovered().rung, Rung::TwoCd, "{:#?}", bmc.discovered());
    let (boot, task) =
        (bmc.discovered().boot_slot.clone().unwrap(), bmc.discovered().task_slot.clone().unwrap());
    let image = |name: &str| ImageRef {
        url: MediaUrl::new(format!("{}media/{}/{name}", images.url, "c4pab1l1ty".repeat(3))),
        kind: ImageKind::Iso,
    };
    // The first start uses the override up and boots the disk, which only the machine's own
    // silence tells; so it is started anew.
    for start in 1..=5 {
        again!(bmc.ensure_power_off(Duration::ZERO));
        again!(bmc.eject_ours());
        again!(bmc.insert(&boot, &image("boot.iso")));
        again!(bmc.insert(&task, &image("task.iso")));
        again!(bmc.set_boot_once_cd());
        let before = boots(&machine);
        again!(bmc.ensure_power_on());
        let plan = booted(&machine, before).await;
        if matches!(plan.device, BootDevice::Cd { .. }) {
            break;
        }
        assert!(start < 5, "{plan:?}");
    }
    again!(bmc.ensure_power_off(Duration::ZERO));
    again!(bmc.eject_ours());
    again!(bmc.clear_boot_override());
    farm.shutdown().await;
}

#[tokio::test]
async fn what_is_accepted_without_effect_is_done_all_the_same() {
    // Every other write of each kind does nothing.
    const LIES: &str = "rules:
      - {name: insert, methods: [POST], path: '**/VirtualMedia.InsertMedia', count: 1, every: 2, fault: {kind: lie}}
      - {name: eject, methods: [POST], path: '**/VirtualMedia.EjectMedia', count: 1, every: 2, fault: {kind: lie}}
      - {name: write, methods: [PATCH], count: 1, every: 2, fault: {kind: lie}}
      - {name: pair, methods: [POST], path: '**/HpiLOVirtualMedia.InsertVirtualMedia', count: 1, fault: {kind: lie}}
      - {name: control, methods: [POST], path: '**/VirtualMedia.VmmControl', count: 2, fault: {kind: lie}}
      - {name: mount, methods: [POST], path: '**/IsoConfig.*', count: 1, every: 2, fault: {kind: lie}}
      - {name: list, methods: [POST], path: '**/LenovoRemoteMapService.*', count: 1, every: 2, fault: {kind: lie}}
      - name: import
        methods: [POST]
        path: '**/EID_674_Manager.ImportSystemConfiguration'
        count: 1
        fault: {kind: lie}";
    let limit = Duration::from_secs(3);
    let budgets = Budgets { insert: limit, eject: limit, boot: limit, ..Budgets::default() };
    for profile in [
        &profiles::IDRAC9_6,
        &profiles::OPENBMC_GB200,
        &profiles::XCC,
        &profiles::BLUEFIELD,
        &profiles::ILO4,
        &profiles::IBMC_V5,
        &profiles::SMC_X10,
        &profiles::XCC_18D,
        &profiles::IDRAC9_5,
        // It takes one insertion in vain, and refuses a parameter of the next.
        &profiles::IRMC_S5,
    ] {
        spoiled_job(profile, LIES, budgets).await;
    }
}

#[tokio::test]
async fn an_ibmc_whose_connects_fail_at_random_is_asked_again() {
    // Ejecting is the first request of each job, connecting the second.
    const AT_RANDOM: &str = "rules:
      - name: at random
        methods: [POST]
        path: '**/VirtualMedia.VmmControl'
        after: 1
        count: 2
        fault: {kind: insert_fails}";
    spoiled_job(&profiles::IBMC_V5, AT_RANDOM, Budgets::default()).await;
}

#[tokio::test]
async fn an_idrac_that_links_no_attributes_is_believed_by_the_end_of_the_import() {
    const UNLINKED: &str = "rules:
      - {name: unlinked, methods: [GET], path: '**/iDRAC.Embedded.1', fault: {kind: alter, pointer: /Links/Oem, value: {}}}";
    let machine = Arc::new(NullMachine::default());
    let farm = farm(&profiles::IDRAC9_5, &machine, UNLINKED).await;
    let images = Server::http(Arc::new(Images)).await;
    let bmc = RedfishBmc::connect(&endpoint(&farm.bmcs()[0]), wiring()).await.unwrap();
    let slot = bmc.discovered().boot_slot.clone().unwrap();
    let url = MediaUrl::new(format!("{}media/{}/boot.iso", images.url, "c4pab1l1ty".repeat(3)));
    bmc.ensure_power_off(Duration::ZERO).await.unwrap();
    bmc.insert(&slot, &ImageRef { url, kind: ImageKind::Iso }).await.unwrap();
    bmc.set_boot_once_cd().await.unwrap();
    let before = boots(&machine);
    bmc.ensure_power_on().await.unwrap();
    assert!(matches!(booted(&machine, before).await.device, BootDevice::Cd { .. }));
    // What was imported and not used up is taken back by an import: nothing shows it.
    bmc.ensure_power_off(Duration::ZERO).await.unwrap();
    bmc.set_boot_once_cd().await.unwrap();
    bmc.clear_boot_override().await.unwrap();
    let before = boots(&machine);
    bmc.ensure_power_on().await.unwrap();
    let plan = booted(&machine, before).await;
    assert!(!plan.overridden, "{plan:?}");
    bmc.close().await.unwrap();
    farm.shutdown().await;
}

#[tokio::test]
async fn an_idrac_with_a_configuration_job_is_asked_again_once_it_has_ended() {
    const BUSY: &str = "rules:
      - name: a job
        methods: [POST]
        path: '**/EID_674_Manager.ImportSystemConfiguration'
        count: 3
        fault: {kind: refuse, why: configuration_pending}";
    spoiled_job(&profiles::IDRAC9_5, BUSY, Budgets::default()).await;
}

#[tokio::test]
async fn a_target_that_starts_nothing_is_followed_by_the_next() {
    let machine = Arc::new(NullMachine::default());
    let farm = farm(&profiles::SMC_X12, &machine, NO_FAULTS).await;
    let images = Server::http(Arc::new(Images)).await;
    let endpoint = endpoint(&farm.bmcs()[0]);
    // As on a board of which nobody knows that its `Cd` starts nothing.
    let bmc = RedfishBmc::connect_without(&endpoint, wiring(), &[Rule::SupermicroBootsUsbCd]).await.unwrap();
    let slot = bmc.discovered().boot_slot.clone().unwrap();
    let url = MediaUrl::new(format!("{}media/{}/boot.iso", images.url, "c4pab1l1ty".repeat(3)));
    let mut devices = Vec::new();
    for attempt in 0..3 {
        bmc.ensure_power_off(Duration::ZERO).await.unwrap();
        bmc.eject(&slot).await.unwrap();
        let image = ImageRef { url: url.clone(), kind: ImageKind::Iso };
        bmc.insert(&slot, &image).await.unwrap();
        bmc.set_boot_once_cd_by(attempt).await.unwrap();
        let before = boots(&machine);
        bmc.ensure_power_on().await.unwrap();
        devices.push(matches!(booted(&machine, before).await.device, BootDevice::Cd { .. }));
    }
    assert_eq!(devices, [false, true, false], "{:?}", bmc.discovered().facts.boot_ways);
    bmc.close().await.unwrap();
    farm.shutdown().await;
}

#[tokio::test]
async fn an_idrac_that_goes_on_showing_an_ejected_image_is_waited_for() {
    const STALE: &str = "rules:
      - name: stale
        methods: [GET]
        path: '**/VirtualMedia/1'
        count: 30
        fault: {kind: alter, pointer: /Inserted, value: true}";
    spoiled_job(&profiles::IDRAC9_6, STALE, Budgets::default()).await;
}

#[tokio::test]
async fn an_xfusion_whose_tasks_cannot_be_read_is_judged_by_its_slot() {
    const BUSY: &str =
        "rules: [{name: busy, methods: [GET], path: '**/Tasks/**', fault: {kind: status, status: 503}}]";
    spoiled_job(&profiles::IBMC_XFUSION, BUSY, Budgets::default()).await;
}

#[tokio::test]
async fn a_supermicro_that_shows_no_slot_for_want_of_a_licence_is_not_started_over_http() {
    const UNLICENSED: &str = "rules:
      - {name: unlicensed, methods: [GET], path: '**/VirtualMedia/*', fault: {kind: refuse, why: unlicensed}}";
    let farm = farm(&profiles::SMC_X12, &Arc::new(NullMachine::default()), UNLICENSED).await;
    let bmc = RedfishBmc::connect(&endpoint(&farm.bmcs()[0]), wiring()).await.unwrap();
    assert_eq!(bmc.discovered().rung, Rung::None);
    let warnings = &bmc.discovered().warnings;
    assert!(warnings.iter().any(|warning| warning.text.contains("SFT-OOB-LIC")), "{warnings:?}");
    let error = bmc.set_boot_once_cd().await.unwrap_err();
    assert_eq!(error.kind().label(), "licence-missing", "{error}");
    bmc.close().await.unwrap();
    farm.shutdown().await;
}

/// What an insert and an override of a model with these faults end with: label and hint.
async fn refusal(profile: &'static Profile, faults: &str, scheme: &str) -> (&'static str, String) {
    let farm = farm(profile, &Arc::new(NullMachine::default()), faults).await;
    let told = |error: shoal_redfish::Error| (error.kind().label(), error.hint().to_owned());
    let told = match RedfishBmc::connect(&endpoint(&farm.bmcs()[0]), wiring()).await {
        Err(error) => told(error),
        Ok(bmc) => {
            let slot = bmc.discovered().boot_slot.clone().unwrap();
            let url = MediaUrl::new(format!("{scheme}://127.0.0.1:9/media/x/boot.iso"));
            // What concerns the override is told before an image is looked at.
            let error = match bmc.set_boot_once_cd().await {
                Err(error) => error,
                Ok(_) => bmc.insert(&slot, &ImageRef { url, kind: ImageKind::Iso }).await.unwrap_err(),
            };
            bmc.close().await.unwrap();
            told(error)
        }
    };
    farm.shutdown().await;
    told
}

#[tokio::test]
async fn what_an_operator_has_to_put_right_is_named_with_what_to_do() {
    let refuse = |why: &str| {
        format!(
            "rules: [{{name: x, methods: [POST], path: '**InsertMedia', fault: {{kind: refuse, why: {why}}}}}]"
        )
    };
    let alter = |path: &str, pointer: &str, value: &str| {
        format!(
            "rules: [{{name: x, methods: [GET], path: '{path}', fault: {{kind: alter, pointer: {pointer}, value: {value}}}}}]"
        )
    };
    let sessions =
        "rules: [{name: x, methods: [POST], path: '**/Sessions', fault: {kind: sessions_exhausted}}]";
    let legacy = alter("**/System.Embedded.1", "/Boot/BootSourceOverrideMode", "Legacy");
    let occupied = alter("**/VirtualMedia/1", "/Inserted", "true");
    for (profile, faults, scheme, label, hint) in [
        (&profiles::ILO5, refuse("unlicensed"), "http", "licence-missing", "install the licence"),
        (&profiles::ILO5, refuse("media_disabled"), "http", "virtual-media-disabled", "enable virtual media"),
        (&profiles::IDRAC9_6, occupied, "http", "slot-occupied", "disconnect it"),
        (&profiles::IDRAC9_6, sessions.to_owned(), "http", "sessions-exhausted", "close idle sessions"),
        (&profiles::IDRAC9_6, legacy, "http", "wrong-boot-mode", "set the boot mode to UEFI"),
        (&profiles::OPENBMC_GB200, NO_FAULTS.to_owned(), "http", "unsupported-image-scheme", "mediaUrls"),
        (&profiles::XCC, NO_FAULTS.to_owned(), "ftp", "unsupported-image-scheme", "mediaUrls"),
    ] {
        let (named, told) = refusal(profile, &faults, scheme).await;
        assert_eq!(named, label, "{}: {told}", profile.name);
        assert!(told.contains(hint), "{label}: {told}");
    }
}

#[tokio::test]
async fn an_ilo_without_a_free_connection_says_so_and_what_to_do() {
    const FULL: &str = "rules:
      - name: full
        methods: [POST]
        path: '**/VirtualMedia.InsertMedia'
        fault: {kind: refuse, why: no_more_connections}";
    let farm = farm(&profiles::ILO5, &Arc::new(NullMachine::default()), FULL).await;
    let bmc = RedfishBmc::connect(&endpoint(&farm.bmcs()[0]), wiring()).await.unwrap();
    let slot = bmc.discovered().boot_slot.clone().unwrap();
    let image = ImageRef { url: MediaUrl::new("http://127.0.0.1:9/media/x/boot.iso"), kind: ImageKind::Iso };
    let error = bmc.insert(&slot, &image).await.unwrap_err();
    assert_eq!(error.kind().label(), "media-connections-in-use", "{error}");
    assert!(error.hint().contains("close remote consoles"), "{}", error.hint());
    bmc.close().await.unwrap();
    farm.shutdown().await;
}

/// What is kept of one BMC of each model after two looks, beside that of another one.
#[tokio::test]
async fn of_ten_thousand_bmcs_that_are_alike_each_is_kept_in_less_than_a_kilobyte() {
    for profile in profiles::ALL {
        let mut kept = Vec::new();
        for number in [0, 1] {
            let machine = Arc::new(NullMachine::default());
            let farm = farm_of(profile, &machine, NO_FAULTS, number).await;
            let endpoint = endpoint(&farm.bmcs()[0]);
            let discovery = RedfishBmc::connect(&endpoint, wiring()).await.unwrap().discovery();
            let bmc = RedfishBmc::resume(&endpoint, wiring(), Arc::clone(&discovery)).unwrap();
            for _ in 0..2 {
                bmc.read_state().await.unwrap();
            }
            bmc.close().await.unwrap();
            farm.shutdown().await;
            kept.push(discovery);
        }
        let identities = [&kept[0], &kept[1]].map(|kept| (kept.discovered().serial, kept.discovered().uuid));
        assert_ne!(identities[0], identities[1], "{}", profile.name);
        let (bytes, shared) = shoal_redfish::testing::weighed_beside(&kept[0], &kept[1]);
        assert!(shared, "{}: {:#?} {:#?}", profile.name, kept[0], kept[1]);
        assert!(bytes < 1024, "{}: {bytes} bytes", profile.name);
    }
}

#[test]
fn every_model_is_tried() {
    let all: Vec<_> = profiles::ALL.iter().map(|profile| profile.name).collect();
    assert_eq!(TRIED, all);
}
