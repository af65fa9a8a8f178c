// SPDX-License-Identifier: AGPL-3.0-or-later
//! Wrong input for every command: nothing on standard output, a message that names what is wrong,
//! and an exit code that means nothing else.

use super::harness::Sandbox;

/// Arguments, and a word that the message must have.
const WRONG: &[(&[&str], &str)] = &[
    (&["nonsense"], "nonsense"),
    (&["plna"], "plan"),
    (&["plan", "--rev"], "--rev"),
    (&["plan", "--format", "xml"], "xml"),
    (&["plan", "--json", "--format", "text"], "--json"),
    (&["plan", "--repo", "nowhere"], "nowhere"),
    (&["plan", "--repo", "ftp://host/x"], "only file, https, http and ssh"),
    (&["plan", "--repo", "https://u:c4n4ry@127.0.0.1:1/x", "--git-token-file", "none"], "none"),
    (&["plan", "--without-status", "--status-dir", "x"], "--status-dir"),
    (&["plan", "--status-dir", "nowhere"], "nowhere"),
    (&["show"], "FILE"),
    (&["show", "nowhere.json"], "nowhere.json"),
    (&["show", "text.txt"], "is not a plan"),
    (&["apply", "nowhere.json", "--socket", "s"], "no file and no plan's id"),
    (&["apply", "abc", "--socket", "s"], "6 to 64"),
    (&["apply", "text.txt", "--socket", "s"], "is not a plan"),
    (&["approve"], "SERVER"),
    (&["approve", "--all", "web-01"], "--all"),
    (&["approve", "web-01", "--expires", "3"], "duration"),
    (&["approve", "web-01", "--expires", "0s"], "over at once"),
    (&["approve", "web-01", "--reason", ""], "--reason"),
    (&["approve", "web-01", "--repo", "nowhere"], "nowhere"),
    (&["adopt"], "SERVER"),
    (&["adopt", "web-01", "--no-commit", "--branch", "x"], "--branch"),
    (&["validate", "nowhere"], "nowhere"),
    (&["validate", "empty"], "there is no inventory"),
    (&["validate", "--format", "xml"], "text, json, sarif, github, gitlab"),
    (&["validate", "--rev", "HEAD", "empty"], "no git repository"),
    (&["schema", "Sevrer"], "Sevrer"),
    (&["schema", "Server", "--all", "x"], "--all"),
    (&["schema", "--all", "text.txt"], "text.txt"),
    (&["init", "text.txt"], "text.txt"),
    (&["secret"], "keygen"),
    (&["secret", "keygen"], "--out"),
    (&["secret", "keygen", "--out", "text.txt/key"], "text.txt"),
    (&["secret", "new"], "NAME"),
    (&["secret", "new", "A B"], "cannot be the name"),
    (&["secret", "new", "x", "--repo", "nowhere"], "nowhere"),
    (&["secret", "edit", "none"], "there is no secret none"),
    (&["secret", "verify", "none"], "there is no secret none"),
    (&["secret", "verify", "--key-file", "nowhere.key"], "nowhere.key"),
    (&["secret", "verify", "--key-file", "text.txt"], "private key"),
    (&["backup", "verify"], "FILE"),
    (&["backup", "verify", "nowhere"], "nowhere"),
    (&["backup", "verify", "text.txt"], "no backup of Shoal's"),
    (&["backup", "text.txt", "--socket", "s"], "--force"),
    (&["backup", "x", "--database", "text.txt"], "text.txt is damaged or not a database"),
    (&["backup", "x", "--database", "a", "--config", "b"], "--config"),
    (&["backup", "x", "--database", "a", "--socket", "s"], "both named"),
    (&["restore"], "FILE"),
    (&["restore", "nowhere", "--database", "x"], "nowhere"),
    (&["restore", "text.txt", "--database", "x"], "no backup of Shoal's"),
    (&["status", "rebuild", "web-01"], "web-01"),
    (&["bmc"], "inspect"),
    (&["bmc", "inspect"], "--url"),
    (&["bmc", "inspect", "--url", "10.0.0.1"], "https://HOST"),
    (&["bmc", "inspect", "--url", "https://u:c4n4ry@h"], "--password-env"),
    (&["bmc", "inspect", "--url", "https://h/redfish"], "it has a path"),
    (&["bmc", "inspect", "--url", "https://h", "--password-env", "X"], "--user"),
    (&["bmc", "inspect", "--url", "https://h", "--user", "u"], "password is missing"),
    (&["bmc", "inspect", "--url", "https://h", "--user", "u", "--password-env", "UNSET"], "UNSET"),
    (&["bmc", "inspect", "--url", "https://h", "--pin", "zz"], "64 hex digits"),
    (&["bmc", "inspect", "--url", "https://h", "--insecure", "--pin", "zz"], "--pin"),
    (&["bmc", "inspect", "--url", "https://h", "--timeout", "soon"], "duration"),
    (&["bmc", "check"], "--url"),
    (&["bmc", "check", "web-01", "--url", "https://h"], "cannot be used with"),
    (&["bmc", "check", "--url", "https://u:c4n4ry@h"], "does not belong into an address"),
    (
        &["bmc", "check", "--url", "https://h", "--media-address", "http://u:c4n4ry@h"],
        "does not belong into it",
    ),
    (&["bmc", "check", "--url", "https://h", "--try-media=h:1"], "expected IP:PORT"),
    (&["bmc", "check", "--url", "https://h", "--try-media=0.0.0.0:1"], "the BMC can reach"),
    (&["bmc", "check", "web-01", "--repo", "nowhere"], "nowhere"),
    (&["status", "--url", "https://u:c4n4ry@h"], "does not belong into an address"),
    (&["status", "--url", "https://h", "--socket", "s"], "--socket"),
    (&["status", "--url", "https://h", "--pin", "zz"], "64 hex digits"),
    (&["status", "--url", "https://h", "--ca", "nowhere.pem"], "nowhere.pem"),
    (&["status", "--url", "https://h", "--ca", "text.txt"], "no usable certificate"),
    (&["status", "--url", "https://h", "--token-file", "text.txt"], "USER:PASSWORD"),
    (&["jobs", "nonsense"], "nonsense"),
    (&["jobs", "show", "xyz"], "6 to 32 digits"),
    (&["jobs", "cancel"], "ID"),
    (&["jobs", "--watch", "--json"], "--json"),
    (&["explain"], "SERVER"),
    (&["explain", "x", "--repo", "nowhere"], "nowhere"),
    (&["retry"], "SERVER"),
    (&["pause"], "--all"),
    (&["pause", "--all", "--off"], "--off"),
    (&["accept", "main"], "no commit's id"),
    (&["accept"], "REV"),
    (&["takeover", "now"], "now"),
    (&["reconcile", "now"], "now"),
    (&["run", "--nonsense"], "--nonsense"),
    (&["run", "--basic-pass-hash", "x"], "--basic-pass-hash"),
    (&["completions", "tcsh"], "tcsh"),
    (&["status", "--color", "blue"], "blue"),
];

#[test]
fn wrong_input_is_named_and_changes_nothing() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("empty")).expect("a directory");
    sandbox.write("text.txt", "hello\n");
    sandbox.mode("text.txt", 0o600);
    for (args, word) in WRONG {
        let ran = sandbox.run(args);
        let shown = format!("{args:?}: exit {}\n{}", ran.code, ran.stderr);
        assert_eq!(ran.code, 1, "{shown}");
        assert_eq!(ran.stdout, "", "{shown}");
        assert!(ran.stderr.contains(word), "{word:?} is not in {shown}");
        assert!(ran.stderr.starts_with("error") || ran.stderr.contains("Usage:"), "{shown}");
        assert!(!ran.stderr.contains("c4n4ry") && !ran.stderr.contains("panicked"), "{shown}");
    }
    assert_eq!(sandbox.read("text.txt"), "hello\n");
    assert_eq!(std::fs::read_dir(sandbox.path("")).expect("a directory").count(), 2);
}

#[test]
fn a_variable_that_is_no_text_is_named_without_its_value() {
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = Sandbox::new();
    let value = std::path::PathBuf::from(std::ffi::OsStr::from_bytes(b"c4n4ry\xff"));
    let mut command = sandbox.shoal(&["status", "--url", "https://h"]).command();
    let output = command.env("SHOAL_TOKEN", value).output().expect("it runs");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(talk.contains("SHOAL_TOKEN") && !talk.contains("c4n4ry"), "{talk}");
}
