// SPDX-License-Identifier: AGPL-3.0-or-later
//! The program: exit codes, `failure.json`, prefixes, and nothing secret anywhere.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::provision;

const CANARY: &str = "canary-77d1-secret";

fn steps(dir: &Path, step: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shoal-steps"))
        .args(["--log-level", "trace", "--provision-dir"])
        .arg(dir)
        .arg("--failure-file")
        .arg(dir.join("failure.json"))
        .arg("--progress")
        .arg(dir.join("progress.jsonl"))
        .arg("--new-root")
        .arg(dir.join("new-root"))
        .arg(step)
        .output()
        .expect("started")
}

const STEPS: [(&str, &str); 4] = [
    ("partition", "[partition] "),
    ("image-linux", "[imager] "),
    ("bootloader-linux", "[bootloader] "),
    ("config-drive", "[config-drive] "),
];

#[test]
fn a_step_without_its_files_says_so_in_every_way() {
    for (step, prefix) in STEPS {
        let dir = tempfile::tempdir().expect("a directory");
        let output = steps(dir.path(), step);
        assert_eq!(output.status.code(), Some(30));
        let log = String::from_utf8(output.stderr).expect("text");
        assert!(!log.is_empty() && log.lines().all(|line| line.starts_with(prefix)), "{log}");
        let text = fs::read_to_string(dir.path().join("failure.json")).expect("written");
        let failure: serde_json::Value = serde_json::from_str(&text).expect("json");
        assert_eq!((failure["step"].as_str(), failure["code"].as_str()), (Some(step), Some("bad_provision")));
        assert!(failure["message"].as_str().expect("a message").starts_with("read recipe.env"), "{failure}");
        let progress = fs::read_to_string(dir.path().join("progress.jsonl")).expect("written");
        let lines: Vec<serde_json::Value> =
            progress.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
        assert_eq!(lines.len(), 1, "it began, and was never done");
        assert_eq!((lines[0]["step"].as_str(), lines[0]["done"].as_bool()), (Some(step), Some(false)));
    }
}

#[test]
fn a_disk_that_this_machine_does_not_have_is_the_wrong_disk_for_every_step_and_no_secret_is_told() {
    for (step, prefix) in STEPS {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = serde_json::json!({"path": "/dev/sdzz", "serial": "no-such-disk", "size_bytes": 1 << 30});
        let layout = serde_json::json!([{"size": "100%", "type_guid": "8300", "format": "ext4"}]);
        let more =
            [("OCI_URL", "127.0.0.1:1/os:1".to_owned()), ("CALLBACK_URL", "http://127.0.0.1:1".to_owned())];
        provision(dir.path(), &disk, &layout, &more);
        for name in ["secret/token", "secret/user-data", "secret/registry-token"] {
            fs::write(dir.path().join(name), CANARY).expect("written");
        }
        fs::write(dir.path().join("meta-data"), "instance-id: x\n").expect("written");
        let output = steps(dir.path(), step);
        assert_eq!(output.status.code(), Some(35), "{}", String::from_utf8_lossy(&output.stderr));
        let failure = fs::read_to_string(dir.path().join("failure.json")).expect("written");
        assert!(failure.contains("\"wrong_disk\"") && failure.contains("no-such-disk"), "{failure}");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(log.contains(prefix), "{log}");
        let all = format!("{log}{failure}{}", String::from_utf8_lossy(&output.stdout));
        assert!(!all.contains("canary"), "{all}");
    }
}
