// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal bmc inspect` and `shoal bmc check` against recordings of real BMCs, served read-only over
//! HTTPS. The recordings are not part of the product: without them these tests say so and end.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use shoal_http::listen::{Serving, listen};
use shoal_testbed::tls::self_signed;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::harness::{Ran, Sandbox};

const TOKEN: &str = "c4n4ry-t0ken-of-a-session";
const PASSWORD: &str = "c4n4ry-passw0rd";
const SESSION: &str = "/redfish/v1/SessionService/Sessions/c4n4ry-9";

/// A recording as a BMC that refuses to be changed.
struct Recorded {
    url: String,
    fingerprint: String,
    asked: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

#[derive(Clone)]
struct Shelf {
    folder: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
}

fn recordings() -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    if found.is_dir() {
        return Some(found);
    }
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    {
        eprintln!("SKIPPED: the recordings of real BMCs are not at ../shared/recordings");
    }
    None
}

async fn answer(State(shelf): State<Shelf>, request: Request) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    shelf.asked.lock().unwrap().push(format!("{method} {path}"));
    let reply = |status: StatusCode| Response::builder().status(status);
    let empty = |status| reply(status).body(Body::empty()).unwrap();
    match method.as_str() {
        "POST" if path.ends_with("/SessionService/Sessions") => reply(StatusCode::CREATED)
            .header("x-auth-token", TOKEN)
            .header("location", SESSION)
            .body(Body::from(json!({"@odata.id": SESSION}).to_string()))
            .unwrap(),
        "DELETE" if path == SESSION => empty(StatusCode::NO_CONTENT),
        "GET" => match std::fs::read(shelf.folder.join(path.trim_matches('/')).join("index.json")) {
            Ok(bytes) => {
                reply(StatusCode::OK).header("content-type", "application/json").body(bytes.into()).unwrap()
            }
            Err(_) => empty(StatusCode::NOT_FOUND),
        },
        _ => empty(StatusCode::METHOD_NOT_ALLOWED),
    }
}

impl Recorded {
    fn serve(folder: PathBuf) -> Self {
        let runtime = Runtime::new().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shelf = Shelf { folder, asked: Arc::clone(&asked) };
        let identity = self_signed("bmc", vec!["127.0.0.1".to_owned()]).unwrap();
        let (config, fingerprint) = (identity.config, identity.fingerprint);
        let url = runtime.block_on(async move {
            let (listener, addr) = listen(([127, 0, 0, 1], 0).into()).await.unwrap();
            let router = Router::new().fallback(answer).with_state(shelf);
            let serving = Serving { shutdown: CancellationToken::new(), tasks: TaskTracker::new() };
            serving.tcp(listener, Some(Arc::new(RwLock::new(config))), router);
            format!("https://{addr}")
        });
        Self { url, fingerprint, asked, _runtime: runtime }
    }

    fn shoal(&self, command: &str, more: &[&str]) -> Ran {
        let mut args = vec!["bmc", command, "--url", &self.url, "--pin", &self.fingerprint];
        args.extend(["--user", "root", "--password-env", "PW"]);
        args.extend(more);
        let sandbox = Sandbox::new();
        let ran = sandbox.shoal(&args).env("PW", PASSWORD).run();
        for secret in [PASSWORD, TOKEN, "c4n4ry-9"] {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{secret} is shown");
        }
        ran
    }

    /// Nothing but a session was made, and it was ended.
    #[track_caller]
    fn was_only_read(&self) {
        let asked = self.asked.lock().unwrap();
        let writes: Vec<&String> = asked.iter().filter(|line| !line.starts_with("GET ")).collect();
        let sessions = "POST /redfish/v1/SessionService/Sessions";
        assert_eq!(writes, [sessions, &format!("DELETE {SESSION}")]);
    }
}

/// What people read, without the certificate, which is the test's own.
fn shown(ran: &Ran) -> String {
    let lines = ran.stdout.lines().filter(|line| !line.starts_with("certificate"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The table: a recording, what `inspect` prints of it, what it warns of.
const TABLE: [(&str, &str, &[&str]); 5] = [
    (
        "dell",
        "\
vendor               Dell
model                PowerEdge R750
firmware             6.00.30.00
serial               CNIVC0014M0388
sku                  F54P1G3
uuid                 4c4c4544-0035-3410-8050-c6c04f314733
system               /redfish/v1/Systems/System.Embedded.1
managers             /redfish/v1/Managers/iDRAC.Embedded.1
power                On
boot targets         None, Pxe, Floppy, Cd, Hdd, BiosSetup, Utilities, UefiTarget, SDCard, UefiHttp
boot modes           UEFI
boots our medium by  Cd
route for media      two-cd

slot                                                              kind    insert  inserted  use
/redfish/v1/Systems/System.Embedded.1/VirtualMedia/1              cd+usb  action  no        boot medium
/redfish/v1/Systems/System.Embedded.1/VirtualMedia/2              cd+usb  action  no        task medium
/redfish/v1/Managers/iDRAC.Embedded.1/VirtualMedia/CD             cd      action  no
/redfish/v1/Managers/iDRAC.Embedded.1/VirtualMedia/RemovableDisk  usb     action  no
",
        &[],
    ),
    (
        "hpe",
        "\
vendor               HPE
model                ProLiant DL385 Gen10 Plus v2
firmware             iLO 5 v2.72
serial               MXQ302099S
sku                  P38411-B21
uuid                 34383350-3131-584D-5133-303230393953
system               /redfish/v1/Systems/1
managers             /redfish/v1/Managers/1
power                On
boot targets         None, Cd, Hdd, Usb, SDCard, Utilities, Diags, BiosSetup, Pxe, UefiShell, UefiHttp, UefiTarget
boot modes           UEFI
boots our medium by  Cd
route for media      cd-usb

slot                                   kind        insert  inserted  use
/redfish/v1/Managers/1/VirtualMedia/1  usb+floppy  action  no        task medium
/redfish/v1/Managers/1/VirtualMedia/2  cd          action  no        boot medium
",
        &[],
    ),
    (
        "lenovo",
        "\
vendor               Lenovo
model                ThinkSystem SR670 V2
firmware             TGBT42S 2.83 2023-07-05
serial               J105958B
sku                  7Z23CTO1WW
uuid                 6173ecec-6ef5-11ee-834a-0a8fc3a58a71
system               /redfish/v1/Systems/1
managers             /redfish/v1/Managers/1
power                On
boot targets         None, Pxe, Cd, Usb, Hdd, BiosSetup, Diags, UefiTarget
boot modes           UEFI
boots our medium by  Cd
route for media      two-cd

slot                                        kind           insert  inserted  use
/redfish/v1/Systems/1/VirtualMedia/EXT1     cd+usb+floppy  patch   no        boot medium
/redfish/v1/Systems/1/VirtualMedia/EXT2     cd+usb+floppy  patch   no        task medium
/redfish/v1/Systems/1/VirtualMedia/EXT3     cd+usb+floppy  patch   no
/redfish/v1/Systems/1/VirtualMedia/EXT4     cd+usb+floppy  patch   no
/redfish/v1/Systems/1/VirtualMedia/RDOC1    cd+usb+floppy  none    no
/redfish/v1/Systems/1/VirtualMedia/RDOC2    cd+usb+floppy  none    no
/redfish/v1/Systems/1/VirtualMedia/Remote1  cd+usb+floppy  none    no
/redfish/v1/Systems/1/VirtualMedia/Remote2  cd+usb+floppy  none    no
/redfish/v1/Systems/1/VirtualMedia/Remote3  cd+usb+floppy  none    no
/redfish/v1/Systems/1/VirtualMedia/Remote4  cd+usb+floppy  none    no
",
        &[],
    ),
    (
        "supermicro",
        "\
vendor               Supermicro
model                SYS-821GE-TNHR
firmware             11.01.01
serial               S889914X3710910
sku                  0x1D1415D9
uuid                 00000000-0000-0000-0000-7CC25550A8FF
system               /redfish/v1/Systems/1
managers             /redfish/v1/Managers/1
power                On
boot targets         None, Pxe, Floppy, Cd, Usb, Hdd, BiosSetup, UsbCd, UefiBootNext, UefiHttp
boot modes           UEFI
boots our medium by  UsbCd
route for media      two-cd

slot                                               kind           insert  inserted  use
/redfish/v1/Managers/1/VirtualMedia/VirtualMedia1  cd+usb+floppy  action  no        boot medium
/redfish/v1/Managers/1/VirtualMedia/VirtualMedia2  cd+usb+floppy  action  no        task medium
/redfish/v1/Managers/1/VirtualMedia/VirtualMedia3  cd+usb+floppy  action  no
",
        &[],
    ),
    (
        "nvidia_gb200",
        "\
vendor               NVIDIA
model                unknown
firmware             GB200Nvl-24.12-8
serial               unknown
sku                  unknown
uuid                 501f2928-84ea-8579-cf52-dc2dbd2e4656
system               /redfish/v1/Systems/System_0
managers             /redfish/v1/Managers/BMC_0
power                On
boot targets         None, Pxe, Hdd, Cd, Diags, BiosSetup, Usb
boot modes           not listed
boots our medium by  Cd
route for media      two-cd

slot                                         kind    insert  inserted  use
/redfish/v1/Managers/BMC_0/VirtualMedia/USB1  cd+usb  action  no        boot medium
/redfish/v1/Managers/BMC_0/VirtualMedia/USB2  cd+usb  action  no        task medium
",
        &["the system has no serial number: use its uuid as identity", "images are taken over https only"],
    ),
];

#[test]
fn inspect_understands_each_recording_as_the_table_says() {
    let Some(recordings) = recordings() else { return };
    for (name, wanted, warnings) in TABLE {
        let bmc = Recorded::serve(recordings.join(name));
        let ran = bmc.shoal("inspect", &[]).ends(0);
        assert_eq!(squeezed(&shown(&ran)), squeezed(wanted), "{name}");
        let said: Vec<&str> = ran.stderr.lines().filter_map(|line| line.strip_prefix("warning: ")).collect();
        assert_eq!(said, warnings, "{name}");
        bmc.was_only_read();
    }
}

/// Columns may be as wide as they like.
fn squeezed(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn check_copes_with_each_recording_and_finds_nothing_in_the_way_of_an_install() {
    let Some(recordings) = recordings() else { return };
    for (name, ..) in TABLE {
        let bmc = Recorded::serve(recordings.join(name));
        let ran = bmc.shoal("check", &["--media-address", "https://10.0.0.5:8444", "--json"]).ends(0);
        let report = ran.json();
        assert_eq!(report["result"], "ready", "{name}: {report:#}");
        let checks = report["checks"].as_array().unwrap();
        let of = |verdict: &str| -> Vec<String> {
            let fits = checks.iter().filter(|check| check["verdict"] == verdict);
            fits.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(of("failed"), Vec::<String>::new(), "{name}");
        // A machine without a serial number is named by its UUID; nothing else is out of the ordinary.
        let warned: &[&str] = if name == "nvidia_gb200" { &["identity"] } else { &[] };
        assert_eq!(of("warning"), warned, "{name}: {report:#}");
        // No check is left without a verdict, and none is told twice.
        let mut names: Vec<&str> = checks.iter().map(|check| check["check"].as_str().unwrap()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{name}");
        let calls = report["calls"].as_array().unwrap();
        assert!(calls.len() > 10, "{name}: {} calls", calls.len());
        assert!(calls.iter().all(|call| call["answer"].as_str().is_some_and(|answer| answer != "none")));
        assert_eq!(report["slots"].as_array().unwrap().len(), slots_of(name));
        bmc.was_only_read();
    }
}

fn slots_of(name: &str) -> usize {
    let (_, shown, _) = TABLE.into_iter().find(|(known, ..)| *known == name).unwrap();
    shown.lines().filter(|line| line.contains("/VirtualMedia/")).count()
}

#[test]
fn a_check_by_an_address_that_the_bmc_does_not_take_says_so() {
    let Some(recordings) = recordings() else { return };
    let bmc = Recorded::serve(recordings.join("nvidia_gb200"));
    let ran = bmc.shoal("check", &["--media-address", "http://10.0.0.5:8081", "--json"]).ends(3);
    let failed: Vec<Value> = ran.json()["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["verdict"] == "failed")
        .cloned()
        .collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert!(failed[0]["seen"].as_str().unwrap().contains("https"), "{failed:#?}");
}
