// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal bmc inspect` against a small Redfish service of the test's own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::harness::Sandbox;

const PASSWORD: &str = "c4n4ry-passw0rd";

/// A BMC with one system, one manager and two optical slots, for the account `root`.
struct Bmc {
    addr: SocketAddr,
    /// Method and path of every request.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Bmc {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                thread::spawn(move || serve(stream, &log));
            }
        });
        Self { addr, seen }
    }

    fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let mut stream = stream;
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let header = |name: &str| {
            head.iter().skip(1).find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let length: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let mut words = head[0].split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        log.lock().expect("a list").push(format!("{method} {path}"));
        let body = String::from_utf8_lossy(&body).into_owned();
        let (status, extra, answer) = answer(method, path, &body, header("x-auth-token").as_deref());
        let text = if answer.is_null() { String::new() } else { answer.to_string() };
        let reply = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{extra}\r\n{text}",
            text.len()
        );
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(method: &str, path: &str, body: &str, token: Option<&str>) -> (u16, String, serde_json::Value) {
    use serde_json::json;
    let base = "/redfish/v1";
    let path = path.trim_end_matches('/');
    let link = |to: &str| json!({"@odata.id": format!("{base}/{to}")});
    let slot = |id: &str| {
        json!({
            "@odata.id": format!("{base}/Managers/1/VirtualMedia/{id}"), "Id": id, "Name": id,
            "MediaTypes": ["CD", "DVD"], "Inserted": false, "Image": null, "ConnectedVia": "NotConnected",
            "Actions": {
                "#VirtualMedia.InsertMedia": {"target": format!("{base}/Managers/1/VirtualMedia/{id}/Actions/VirtualMedia.InsertMedia")},
                "#VirtualMedia.EjectMedia": {"target": format!("{base}/Managers/1/VirtualMedia/{id}/Actions/VirtualMedia.EjectMedia")}
            }
        })
    };
    if path == base {
        let root = json!({
            "@odata.id": base, "RedfishVersion": "1.11.0", "Vendor": "Acme",
            "Systems": link("Systems"), "Managers": link("Managers"),
            "Links": {"Sessions": link("SessionService/Sessions")}
        });
        return (200, String::new(), root);
    }
    if method == "POST" && path == format!("{base}/SessionService/Sessions") {
        let right = body.contains("root") && body.contains(PASSWORD);
        return if right {
            let extra = format!("x-auth-token: t0ken\r\nlocation: {base}/SessionService/Sessions/1\r\n");
            (201, extra, json!({"@odata.id": format!("{base}/SessionService/Sessions/1")}))
        } else {
            (401, String::new(), json!({"error": {"message": "no"}}))
        };
    }
    if token != Some("t0ken") {
        return (401, String::new(), json!({"error": {"message": "no"}}));
    }
    if method == "DELETE" {
        return (204, String::new(), serde_json::Value::Null);
    }
    let found = match path.strip_prefix(base).unwrap_or_default() {
        "/Systems" => json!({"Members": [link("Systems/1")]}),
        "/Systems/1" => json!({
            "@odata.id": format!("{base}/Systems/1"), "Id": "1", "Manufacturer": "Acme", "Model": "A1",
            "SerialNumber": "SN-1", "SKU": "K1", "UUID": "11111111-2222-3333-4444-555555555555",
            "PowerState": "Off", "SystemType": "Physical",
            "Boot": {
                "BootSourceOverrideTarget": "None", "BootSourceOverrideEnabled": "Disabled",
                "BootSourceOverrideMode": "UEFI",
                "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Cd", "Hdd"],
            },
            "Links": {"ManagedBy": [link("Managers/1")]},
            "Actions": {"#ComputerSystem.Reset": {
                "target": format!("{base}/Systems/1/Actions/ComputerSystem.Reset"),
                "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "GracefulShutdown"]}}
        }),
        "/Managers" => json!({"Members": [link("Managers/1")]}),
        "/Managers/1" => json!({
            "@odata.id": format!("{base}/Managers/1"), "Id": "1", "FirmwareVersion": "2.0",
            "Model": "ABMC", "VirtualMedia": link("Managers/1/VirtualMedia")
        }),
        "/Managers/1/VirtualMedia" => json!({
            "Members": [link("Managers/1/VirtualMedia/CD1"), link("Managers/1/VirtualMedia/CD2")]
        }),
        "/Managers/1/VirtualMedia/CD1" => slot("CD1"),
        "/Managers/1/VirtualMedia/CD2" => slot("CD2"),
        _ => return (404, String::new(), json!({"error": {"message": "none"}})),
    };
    (200, String::new(), found)
}

#[test]
fn a_bmc_is_understood_and_nothing_on_it_is_changed() {
    let bmc = Bmc::start();
    let sandbox = Sandbox::new();
    let args = ["bmc", "inspect", "--url", &bmc.url(), "--user", "root", "--password-env", "PW"];
    let ran = sandbox.shoal(&args).env("PW", PASSWORD).run().ends(0);
    insta::assert_snapshot!("bmc-inspect", ran.golden().replace(&bmc.addr.to_string(), "<bmc>"));
    let seen = bmc.seen.lock().expect("a list").clone();
    let writes: Vec<&String> = seen.iter().filter(|line| !line.starts_with("GET ")).collect();
    assert_eq!(
        writes,
        ["POST /redfish/v1/SessionService/Sessions", "DELETE /redfish/v1/SessionService/Sessions/1"],
        "only the session is made and ended"
    );
}

#[test]
fn the_json_is_the_whole_understanding_under_stable_names() {
    let bmc = Bmc::start();
    let sandbox = Sandbox::new();
    sandbox.write("pw", PASSWORD);
    sandbox.mode("pw", 0o600);
    let url = bmc.url();
    let args = ["bmc", "inspect", "--url", &url, "--user", "root", "--password-file", "pw", "--json"];
    let json = sandbox.run(&args).ends(0).json();
    let keys: Vec<&str> = json.as_object().expect("an object").keys().map(String::as_str).collect();
    let mut wanted = vec![
        "vendor",
        "model",
        "firmware",
        "serial",
        "sku",
        "uuid",
        "system",
        "managers",
        "power",
        "boot",
        "media",
        "rung",
        "boot_slot",
        "task_slot",
        "warnings",
    ];
    wanted.sort_unstable();
    let mut seen = keys.clone();
    seen.sort_unstable();
    assert_eq!(seen, wanted);
    assert_eq!(json["rung"], "two-cd");
    assert_eq!(json["media"][0]["insert"], "action");
    assert_eq!(json["boot"]["chosen"], "Cd");
}

#[test]
fn a_wrong_password_is_tried_once_and_never_printed() {
    let bmc = Bmc::start();
    let args = ["bmc", "inspect", "--url", &bmc.url(), "--user", "root", "--password-file", "-"];
    let ran = Sandbox::new().shoal(&args).stdin("wr0ng-c4n4ry\n").run().ends(1).prints_nothing();
    assert!(ran.stderr.contains("error[bmc.credentials-rejected]"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("c4n4ry"), "{}", ran.stderr);
    let logins = bmc.seen.lock().expect("a list").iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(logins, 1);
}

#[test]
fn a_bmc_that_is_not_there_is_somebody_elses_fault() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let args = ["bmc", "inspect", "--url", &format!("http://{gone}"), "--user", "x", "--password-env", "PW"];
    let ran = Sandbox::new().shoal(&args).env("PW", "x").run().ends(69).prints_nothing();
    assert!(ran.stderr.contains("error[bmc.unreachable]") && ran.stderr.contains("hint: "), "{}", ran.stderr);
}
