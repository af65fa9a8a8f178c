// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal bmc check` against emulated BMCs, over HTTPS.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use shoal_testbed::bmc::profiles::{self, Profile};
use shoal_testbed::bmc::{
    AuthKind, BmcConfig, BmcHandle, Credentials, Event, Farm, FarmConfig, Identity, NullMachine, Password,
    RequestRecord, TokioClock, What,
};
use shoal_testbed::faults::FaultPlan;
use tokio::runtime::Runtime;

use super::harness::{Ran, Sandbox};

pub(super) const USER: &str = "c4n4ry-us3r";
pub(super) const PASSWORD: &str = "c4n4ry-passw0rd";
const SEED: u64 = 7;

/// One emulated BMC.
pub(super) struct Emulated {
    farm: Farm,
    // Dropped last: it serves the farm.
    _runtime: Runtime,
}

impl Emulated {
    fn new(profile: &'static Profile) -> Self {
        Self::with(profile, "rules: []")
    }

    pub(super) fn with(profile: &'static Profile, faults: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let bmc = BmcConfig {
            profile,
            identity: Identity::numbered(SEED, 0),
            credentials: Credentials { user: USER.to_owned(), password: Password::new(PASSWORD.to_owned()) },
            machine: Arc::new(NullMachine::default()),
            powered_on: false,
            log_capacity: 2000,
        };
        let farm = runtime.block_on(async {
            Farm::start(FarmConfig {
                listen: ([127, 0, 0, 1], 0).into(),
                tls: true,
                bmcs: vec![bmc],
                faults: FaultPlan::parse(faults).expect("the test's own faults"),
                seed: SEED,
                clock: Arc::new(TokioClock::starting_at(jiff::Timestamp::UNIX_EPOCH)),
                time_scale: 0.001,
                control: None,
                log_file: None,
            })
            .await
            .expect("a farm on loopback")
        });
        Self { farm, _runtime: runtime }
    }

    pub(super) fn bmc(&self) -> &BmcHandle {
        &self.farm.bmcs()[0]
    }

    fn args(&self, more: &[&str]) -> Vec<String> {
        let url = self.bmc().url();
        let pin = self.bmc().fingerprint().expect("TLS");
        let args = ["bmc", "check", "--url", &url, "--user", USER, "--password-env", "PW", "--pin", pin];
        args.iter().chain(more).map(|arg| (*arg).to_owned()).collect()
    }

    fn check(&self, sandbox: &Sandbox, more: &[&str]) -> Ran {
        let args = self.args(more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        sandbox.shoal(&args).env("PW", PASSWORD).run()
    }

    fn requests(&self) -> Vec<RequestRecord> {
        let records = self.bmc().log(0).into_iter();
        let request = |what| match what {
            What::Request(request) => Some(request),
            What::Event(_) => None,
        };
        records.filter_map(|record| request(record.what)).collect()
    }

    /// Method and path of what could change something.
    fn writes(&self) -> Vec<String> {
        let requests = self.requests().into_iter();
        let writes = requests.filter(|request| !matches!(&*request.method, "GET" | "HEAD"));
        writes.map(|request| format!("{} {}", request.method, request.path)).collect()
    }

    fn events(&self) -> Vec<Event> {
        let records = self.bmc().log(0).into_iter();
        let event = |what| match what {
            What::Event(event) => Some(event),
            What::Request(_) => None,
        };
        records.filter_map(|record| event(record.what)).collect()
    }

    /// Nothing is in, no session is open, and neither power nor boot override was written.
    #[track_caller]
    fn is_as_it_was(&self) {
        let state = self.bmc().state();
        assert!(state.slots.iter().all(|slot| slot.image.is_none()), "{:?}", state.slots);
        assert_eq!(state.open_sessions, 0);
        let writes = self.writes();
        assert!(!writes.iter().any(|write| write.contains("Reset")), "{writes:?}");
        assert!(!self.events().iter().any(|event| matches!(event, Event::OverrideSet { .. })));
    }
}

/// Verdict and words of one check.
#[track_caller]
fn of<'a>(json: &'a Value, check: &str) -> (&'a str, String) {
    let checks = json["checks"].as_array().expect("checks");
    let found = checks.iter().find(|found| found["check"] == check).unwrap_or_else(|| panic!("no {check}"));
    let advice = found["do"].as_str().unwrap_or_default();
    (
        found["verdict"].as_str().expect("a verdict"),
        format!("{} -> {advice}", found["seen"].as_str().expect("words")),
    )
}

#[track_caller]
fn is(json: &Value, check: &str, verdict: &str, words: &str) {
    let (seen, text) = of(json, check);
    assert!(seen == verdict && text.contains(words), "{check}: {seen}: {text}");
}

#[test]
fn a_healthy_bmc_passes_and_nothing_but_a_session_is_written() {
    let emulated = Emulated::new(&profiles::IDRAC9_6);
    let sandbox = Sandbox::new();
    let json =
        emulated.check(&sandbox, &["--media-address", "http://127.0.0.1:8081", "--json"]).ends(0).json();
    assert_eq!(json["result"], "ready");
    let checks = json["checks"].as_array().expect("checks");
    let bad: Vec<&Value> =
        checks.iter().filter(|found| found["verdict"] == "failed" || found["verdict"] == "warning").collect();
    assert!(bad.is_empty(), "{bad:#?}");
    is(&json, "certificate", "ok", emulated.bmc().fingerprint().expect("TLS"));
    is(&json, "certificate", "ok", "signed by itself");
    is(&json, "session", "ok", "opened and closed");
    is(&json, "identity", "ok", &emulated.bmc().identity().serial);
    is(&json, "virtual-media", "ok", "two-cd");
    is(&json, "boot-override", "ok", "Cd");
    is(&json, "boot-mode", "ok", "UEFI");
    is(&json, "media-address", "ok", "its scheme fits");
    is(&json, "media-trial", "not-known", "--try-media");
    let writes = emulated.writes();
    assert_eq!(writes.len(), 2, "{writes:?}");
    assert!(writes[0].starts_with("POST ") && writes[0].ends_with("/Sessions"), "{writes:?}");
    assert!(writes[1].starts_with("DELETE "), "{writes:?}");
    emulated.is_as_it_was();
}

#[test]
fn a_wrong_password_is_tried_exactly_once_and_what_was_well_before_is_told() {
    // Each model words the refusal as it does.
    for profile in [&profiles::IDRAC9_6, &profiles::ILO5, &profiles::OPENBMC_GB200] {
        let emulated = Emulated::new(profile);
        let args = emulated.args(&["--json"]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ran = Sandbox::new().shoal(&args).env("PW", "wr0ng-c4n4ry").run().ends(3);
        let json = ran.json();
        assert_eq!(json["result"], "stops");
        is(&json, "address", "ok", "answers");
        is(&json, "credentials", "failed", "not locked");
        is(&json, "virtual-media", "not-known", "not reached");
        assert!(!ran.stdout.contains("c4n4ry") && !ran.stderr.contains("c4n4ry"), "{}", ran.stdout);
        let requests = emulated.requests().into_iter();
        let tried = requests.filter(|one| one.auth == AuthKind::Refused || one.method == "POST").count();
        assert_eq!(tried, 1, "{}", profile.name);
    }
}

#[test]
fn a_slot_that_is_occupied_is_told_and_never_tried() {
    let faults = "rules:
- name: somebody's image
  methods: [GET]
  path: /redfish/v1/**/VirtualMedia/*
  fault: {kind: alter, pointer: /Inserted, value: true}
- name: somebody's image's address
  methods: [GET]
  path: /redfish/v1/**/VirtualMedia/*
  fault: {kind: alter, pointer: /Image, value: 'http://10.0.0.9/tools.iso'}";
    let emulated = Emulated::with(&profiles::IDRAC9_6, faults);
    let sandbox = Sandbox::new();
    let json = emulated.check(&sandbox, &["--try-media", "--json"]).ends(0).json();
    is(&json, "slots", "warning", "already holds an image: http://10.0.0.9/tools.iso");
    is(&json, "media-trial", "not-known", "is occupied");
    let writes = emulated.writes();
    assert!(!writes.iter().any(|write| write.contains("VirtualMedia")), "{writes:?}");
}

#[test]
fn a_medium_of_a_job_keeps_the_trial_from_running() {
    let faults = "rules:
- name: a job's image
  methods: [GET]
  path: /redfish/v1/**/VirtualMedia/*
  fault: {kind: alter, pointer: /Inserted, value: true}
- name: a job's image's address
  methods: [GET]
  path: /redfish/v1/**/VirtualMedia/*
  fault: {kind: alter, pointer: /Image,
          value: 'http://10.0.0.9/media/0123456789012345678901234567890123456789012/boot.iso'}";
    let emulated = Emulated::with(&profiles::IDRAC9_6, faults);
    let ran = emulated.check(&Sandbox::new(), &["--try-media", "--json"]).ends(0);
    is(&ran.json(), "media-trial", "not-known", "one could be running");
    assert!(!ran.stdout.contains("0123456789012"), "{}", ran.stdout);
}

#[test]
fn an_override_that_stands_keeps_the_trial_from_running_and_is_what_has_to_go() {
    let faults = "rules:
- name: somebody's override
  methods: [GET]
  path: /redfish/v1/Systems/*
  fault: {kind: alter, pointer: /Boot/BootSourceOverrideEnabled, value: Once}
- name: somebody's target
  methods: [GET]
  path: /redfish/v1/Systems/*
  fault: {kind: alter, pointer: /Boot/BootSourceOverrideTarget, value: Pxe}";
    let emulated = Emulated::with(&profiles::IDRAC9_6, faults);
    let json = emulated.check(&Sandbox::new(), &["--try-media", "--json"]).ends(0).json();
    is(&json, "media-trial", "not-known", "a boot override stands");
    is(&json, "media-trial", "not-known", "-> clear the override");
    let writes = emulated.writes();
    assert!(!writes.iter().any(|write| write.contains("VirtualMedia")), "{writes:?}");
}

#[test]
fn virtual_media_that_are_disabled_stop_an_install() {
    // What this emulated manager does not have by itself: a network protocol with media switched off.
    let faults = "rules:
- name: manager
  methods: [GET]
  path: /redfish/v1/Managers/1
  fault: {kind: alter, pointer: /NetworkProtocol, value: {'@odata.id': /redfish/v1/Managers/1/NetworkProtocol}}
- name: disabled
  methods: [GET]
  path: /redfish/v1/Managers/1/NetworkProtocol
  fault: {kind: status, status: 200, body: {VirtualMedia: {ProtocolEnabled: false}}}";
    let emulated = Emulated::with(&profiles::ILO5, faults);
    let json = emulated.check(&Sandbox::new(), &["--json"]).ends(3).json();
    assert_eq!(json["result"], "stops");
    let checks = json["checks"].as_array().expect("checks");
    let told = checks.iter().find(|found| found["check"] == "virtual-media" && found["verdict"] == "failed");
    let told = told.expect("a failure").to_string();
    assert!(told.contains("disabled in the manager's network protocol"), "{told}");
}

#[test]
fn a_machine_that_no_medium_reaches_cannot_be_installed() {
    let faults = "rules:
- name: nothing boots over HTTP either
  methods: [GET]
  path: /redfish/v1/Systems/**
  fault: {kind: alter, pointer: '/Boot/BootSourceOverrideTarget@Redfish.AllowableValues', value: [None, Pxe]}";
    let emulated = Emulated::with(&profiles::BLUEFIELD, faults);
    let json = emulated.check(&Sandbox::new(), &["--json", "--try-media"]).ends(3).json();
    assert_eq!(json["result"], "stops");
    is(&json, "virtual-media", "failed", "no virtual media");
    is(&json, "media-trial", "not-known", "no slot");
    emulated.is_as_it_was();
}

#[test]
fn a_machine_without_a_slot_that_boots_over_http_is_told() {
    let emulated = Emulated::new(&profiles::BLUEFIELD);
    let json = emulated.check(&Sandbox::new(), &["--json"]).ends(0).json();
    is(&json, "virtual-media", "warning", "uefi-http");
}

#[test]
fn a_licence_that_is_missing_is_named() {
    let faults = "rules:
- name: the small licence
  methods: [GET]
  path: /redfish/v1/Managers/*
  fault: {kind: alter, pointer: /Oem/Hpe/License/LicenseString, value: iLO Standard}";
    let emulated = Emulated::with(&profiles::ILO5, faults);
    let json = emulated.check(&Sandbox::new(), &["--json"]).ends(0).json();
    is(&json, "licence", "warning", "images from a url need iLO Advanced");
}

#[test]
fn a_slow_bmc_is_told_from_a_quick_one() {
    // More than half of what a request may take; under load it is sent again, which is told too.
    let faults = "rules:
- name: slow
  methods: [GET]
  path: /redfish/v1/Systems
  count: 1
  fault: {kind: latency, ms: 1200}";
    let emulated = Emulated::with(&profiles::IDRAC9_6, faults);
    let json = emulated.check(&Sandbox::new(), &["--json", "--timeout", "2s"]).ends(0).json();
    is(&json, "redfish", "warning", "slow or unreliable");
}

#[test]
fn a_trial_goes_in_is_read_and_comes_out_again() {
    let emulated = Emulated::new(&profiles::IDRAC9_6);
    let ran = emulated.check(&Sandbox::new(), &["--try-media", "--json"]).ends(0);
    let json = ran.json();
    is(&json, "media-trial", "ok", "showed it as inserted after");
    is(&json, "media-trial", "ok", "from 127.0.0.1");
    is(&json, "media-trial", "ok", "taken out, and read back");
    assert!(json["trial"].as_array().is_some_and(|reads| !reads.is_empty()), "{json}");
    let ran = ran.says("power and boot override are not touched");
    assert!(ran.stderr.contains("goes into /redfish/v1/"), "{}", ran.stderr);
    let events = emulated.events();
    let image = events.iter().find_map(|event| match event {
        Event::Inserted { image, .. } => Some(image.clone()),
        _ => None,
    });
    let image = image.expect("it was inserted");
    let capability = image.split('/').rev().nth(1).expect("a segment").to_owned();
    assert!(!ran.stdout.contains(&capability) && !ran.stderr.contains(&capability));
    assert!(events.iter().any(|event| matches!(event, Event::Ejected { .. })), "{events:?}");
    emulated.is_as_it_was();
}

#[test]
fn a_bmc_that_takes_https_alone_is_tried_over_https() {
    let emulated = Emulated::new(&profiles::OPENBMC_GB200);
    let json = emulated.check(&Sandbox::new(), &["--try-media=127.0.0.1:0", "--json"]).ends(0).json();
    is(&json, "image-schemes", "ok", "https");
    is(&json, "media-trial", "ok", "taken out, and read back");
    let image = emulated.events().into_iter().find_map(|event| match event {
        Event::Inserted { image, .. } => Some(image),
        _ => None,
    });
    assert!(image.is_some_and(|image| image.starts_with("https://127.0.0.1:")));
    emulated.is_as_it_was();
}

#[test]
fn a_trial_that_the_bmc_refuses_says_why_and_leaves_nothing_behind() {
    let faults = "rules:
- name: no licence
  methods: [POST]
  path: /redfish/v1/**/VirtualMedia.InsertMedia
  fault: {kind: refuse, why: unlicensed}";
    let emulated = Emulated::with(&profiles::IDRAC9_6, faults);
    let json = emulated.check(&Sandbox::new(), &["--try-media", "--json"]).ends(3).json();
    is(&json, "media-trial", "failed", "a licence is missing");
    is(&json, "media-trial", "failed", "no request came from the BMC");
    is(&json, "media-trial", "failed", "iDRAC Enterprise");
    emulated.is_as_it_was();
}

#[test]
fn ctrl_c_takes_the_medium_out_as_well() {
    let faults = "rules:
- name: slow to insert
  methods: [POST]
  path: /redfish/v1/**/VirtualMedia.InsertMedia
  fault: {kind: latency, ms: 1000}";
    let emulated = Emulated::with(&profiles::IDRAC9_6, faults);
    let sandbox = Sandbox::new();
    let args = emulated.args(&["--try-media"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut child = sandbox.shoal(&args).env("PW", PASSWORD).command().spawn().expect("it starts");
    let mut talk = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut said = String::new();
    while !said.contains("Ctrl-C takes it out as well") {
        assert_ne!(talk.read_line(&mut said).expect("talk"), 0, "{said}");
    }
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
    talk.read_to_string(&mut said).expect("talk");
    let mut out = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{said}{out}");
    assert!(out.contains("taken out, and read back"), "{said}{out}");
    assert!(said.contains("interrupted"), "{said}");
    emulated.is_as_it_was();
}

#[test]
fn a_report_has_every_call_and_no_secret() {
    // A BMC that echoes the password, and an image with user part, capability and query in a slot.
    let faults = format!(
        "rules:
- name: an echo
  methods: [GET]
  path: /redfish/v1/Systems/*
  fault: {{kind: alter, pointer: /Model, value: 'echo {PASSWORD} | <b>'}}
- name: an image
  methods: [GET]
  path: /redfish/v1/**/VirtualMedia/*
  fault: {{kind: alter, pointer: /Image,
          value: 'https://c4n4ry-a:c4n4ry-b@10.0.0.9/media/c4n4ry-0123456789012345678901234567890/x.iso?sig=c4n4ry-q'}}
- name: inserted
  methods: [GET]
  path: /redfish/v1/**/VirtualMedia/*
  fault: {{kind: alter, pointer: /Inserted, value: true}}"
    );
    let emulated = Emulated::with(&profiles::IDRAC9_6, &faults);
    let sandbox = Sandbox::new();
    let ran = emulated.check(&sandbox, &["--report", "ticket.md"]).ends(0).says("ticket.md");
    let json = emulated.check(&sandbox, &["--json"]).ends(0);
    let ticket = sandbox.read("ticket.md");
    let sessions: Vec<String> = emulated
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::SessionOpened { id } => Some(id),
            _ => None,
        })
        .collect();
    assert_eq!(sessions.len(), 2);
    for text in [&ticket, &ran.stdout, &ran.stderr, &json.stdout, &json.stderr] {
        assert!(!text.contains("c4n4ry"), "{text}");
        let queries = text.replace("?{hidden}", "");
        assert!(!queries.contains('?') && !queries.contains("sig="), "a query: {text}");
        for session in &sessions {
            assert!(!text.contains(&format!("Sessions/{session}")), "{text}");
        }
    }
    assert!(ticket.contains(&format!("Shoal {}", env!("CARGO_PKG_VERSION"))), "{ticket}");
    assert!(ticket.contains("| model | echo {hidden} \\| \\<b> |"), "{ticket}");
    // Every call that the BMC saw of the first run is a line, in order.
    let lines: Vec<&str> = ticket.split("## Calls").nth(1).expect("calls").lines().collect();
    let calls: Vec<(u64, &str, &str)> = lines
        .iter()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            Some((cells.get(1)?.parse().ok()?, *cells.get(4)?, *cells.get(5)?))
        })
        .collect();
    let seen = emulated.requests();
    let seen: Vec<&RequestRecord> = seen.iter().take(calls.len()).collect();
    assert!(calls.len() > 10, "{ticket}");
    for ((at, (correlation, method, path)), request) in calls.iter().enumerate().zip(seen) {
        assert_eq!(*correlation, at as u64);
        assert_eq!(*method, request.method);
        assert!(path.contains("{hidden}") || request.path.starts_with(path), "{path}: {}", request.path);
    }
    assert_eq!(calls.last().map(|call| call.1), Some("DELETE"), "the session's end is there too");
}

#[test]
fn a_bmc_that_does_not_answer_still_gets_a_report() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let sandbox = Sandbox::new();
    let url = format!("https://{gone}");
    let args = ["bmc", "check", "--url", &url, "--user", "x", "--password-env", "PW", "--report", "r.md"];
    sandbox.shoal(&args).env("PW", PASSWORD).run().ends(69).prints("failed     address");
    assert!(sandbox.read("r.md").contains("the BMC does not answer as it should"));
}

#[test]
fn a_certificate_that_nobody_signed_stops_before_the_account_is_sent() {
    let emulated = Emulated::new(&profiles::IDRAC9_6);
    let url = emulated.bmc().url();
    let zeros = "00".repeat(32);
    let args =
        ["bmc", "check", "--url", &url, "--user", USER, "--password-env", "PW", "--json", "--pin", &zeros];
    let json = Sandbox::new().shoal(&args).env("PW", PASSWORD).run().ends(3).json();
    is(&json, "certificate", "failed", "the certificate changed");
    is(&json, "credentials", "not-known", "not reached");
    assert!(emulated.writes().is_empty());
}

#[test]
fn a_server_is_checked_as_its_file_describes_it() {
    let emulated = Emulated::new(&profiles::IDRAC9_6);
    let sandbox = Sandbox::new();
    sandbox.run(&["init", "fleet"]).ends(0);
    let key = sandbox.run(&["secret", "keygen", "--out", "me.key"]).ends(0).stdout;
    let fleet = sandbox.read("fleet/shoal.yaml");
    let more = format!(
        "  recipients:\n    - name: me\n      key: {key}  mediaUrls:\n    - url: http://127.0.0.1:8081\n"
    );
    sandbox.write("fleet/shoal.yaml", &format!("{fleet}{more}"));
    sandbox
        .shoal(&["secret", "new", "bmc/rack-a", "--from", "-"])
        .at("fleet")
        .stdin(&format!("username: {USER}\npassword: {PASSWORD}\n"))
        .run()
        .ends(0);
    let path = "fleet/servers/rack-a/web-01.yaml";
    let file = sandbox
        .read(path)
        .replace("address: https://192.0.2.12", &format!("address: {}", emulated.bmc().url()))
        .replace("# credentials:", "credentials:")
        .replace(
            "# tls: {sha256: \"5f:...\"}",
            &format!("tls: {{sha256: {:?}}}", emulated.bmc().fingerprint().unwrap()),
        );
    let serial = &emulated.bmc().identity().serial;
    sandbox.write(path, &file.replace("serial: CHANGE-ME-01", &format!("serial: {serial}")));
    let check = |more: &[&str]| {
        let args: Vec<&str> = ["bmc", "check"].iter().chain(more).copied().collect();
        sandbox.shoal(&args).at("fleet").run()
    };
    let json = check(&["web-01", "--key-file", "../me.key", "--json"]).ends(0).json();
    is(&json, "identity", "ok", serial);
    is(&json, "media-address", "ok", "http://127.0.0.1:8081");
    check(&["web-01"]).ends(1).says("private key").says("--user");
    check(&["web-02", "--key-file", "../me.key"]).ends(1).says("no server web-02");
    // Another machine than the file names.
    sandbox.write(path, &file);
    let json = check(&["web-01", "--key-file", "../me.key", "--json"]).ends(3).json();
    is(&json, "identity", "failed", "this is another machine");
}
