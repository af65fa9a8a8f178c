// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal secret`: values go in and come out, and are nowhere else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::harness::Sandbox;

const CANARY: &str = "c4n4ry-S3cret!";

/// An inventory with one recipient, whose private key is in `me.key`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["init", "fleet"]).ends(0);
    let key = sandbox.run(&["secret", "keygen", "--out", "me.key"]).ends(0).stdout;
    let text = sandbox.read("fleet/shoal.yaml");
    sandbox.write("fleet/shoal.yaml", &format!("{text}  recipients:\n    - name: me\n      key: {key}"));
    sandbox
}

fn with_secret() -> Sandbox {
    let sandbox = sandbox();
    sandbox
        .shoal(&["secret", "new", "bmc/rack-a", "--from", "-"])
        .at("fleet")
        .stdin(&format!("username: root\npassword: {CANARY}\n"))
        .run()
        .ends(0)
        .prints("secrets/bmc/rack-a.yaml")
        .says("password, username for me");
    sandbox
}

/// An editor that runs a `sed` script over the file.
fn sed(sandbox: &Sandbox, script: &str) -> std::path::PathBuf {
    let path = sandbox.path("editor.sh");
    // What the editor saw is kept where the test can look.
    let text = format!(
        "#!/bin/sh\nstat -c '%a %n' \"$1\" \"$(dirname \"$1\")\" > {seen}\nsed -i '{script}' \"$1\"\n",
        seen = sandbox.path("seen").display()
    );
    std::fs::write(&path, text).expect("a script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    path
}

fn contains(dir: &Path, needle: &str) -> bool {
    std::fs::read_dir(dir).expect("a directory").flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return contains(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

#[test]
fn a_private_key_is_for_its_owner_alone_and_never_overwritten() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["secret", "keygen", "--out", "keys/me.key"]).ends(0);
    assert!(ran.stdout.starts_with("age1"), "{}", ran.stdout);
    let mode = std::fs::metadata(sandbox.path("keys/me.key")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let private = sandbox.read("keys/me.key");
    assert!(private.contains("AGE-SECRET-KEY-1") && !ran.stdout.contains("AGE-SECRET"));
    sandbox.run(&["secret", "keygen", "--out", "keys/me.key"]).ends(1).prints_nothing();
    assert_eq!(sandbox.read("keys/me.key"), private);
    let piped = sandbox.run(&["secret", "keygen", "--out", "-"]).ends(0);
    assert!(piped.stdout.contains("AGE-SECRET-KEY-1") && !piped.stderr.contains("AGE-SECRET"));
}

#[test]
fn values_are_encrypted_and_the_inventory_stays_valid() {
    let sandbox = with_secret();
    assert!(!contains(&sandbox.path("fleet"), CANARY));
    let text = sandbox.read("fleet/secrets/bmc/rack-a.yaml");
    assert!(text.contains("BEGIN AGE ENCRYPTED FILE") && text.contains("name: bmc/rack-a"), "{text}");
    let path = "fleet/servers/rack-a/web-01.yaml";
    sandbox.write(path, &sandbox.read(path).replace("# credentials:", "credentials:"));
    sandbox.shoal(&["validate", "--deny-warnings"]).at("fleet").run().ends(0);
    let args = ["secret", "verify", "--key-file", "../me.key"];
    sandbox.shoal(&args).at("fleet").run().ends(0).prints("opened, well");
    sandbox.shoal(&["secret", "verify"]).at("fleet").run().ends(0).prints("without a key");
}

#[test]
fn an_edit_changes_the_values_and_leaves_no_clear_text_behind() {
    let sandbox = with_secret();
    let before = sandbox.read("fleet/secrets/bmc/rack-a.yaml");
    let editor = sed(&sandbox, &format!("s/{CANARY}/N3w-{CANARY}/"));
    let edit = |sandbox: &Sandbox, editor: &Path| {
        sandbox
            .shoal(&["secret", "edit", "bmc/rack-a", "--key-file", "../me.key"])
            .at("fleet")
            .env("EDITOR", editor)
            .env("XDG_RUNTIME_DIR", sandbox.tmp())
            .run()
    };
    let ran = edit(&sandbox, &editor).ends(0).says("encrypted for me");
    assert!(!ran.stdout.contains(CANARY) && !ran.stderr.contains(CANARY));
    assert_ne!(sandbox.read("fleet/secrets/bmc/rack-a.yaml"), before);
    let seen = sandbox.read("seen");
    let modes: Vec<&str> = seen.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(modes, ["600", "700"], "{seen}");
    assert_eq!(std::fs::read_dir(sandbox.tmp()).expect("a directory").count(), 0);
    // The new value is what comes out the next time; and saving it unchanged writes nothing.
    let after = sandbox.read("fleet/secrets/bmc/rack-a.yaml");
    let editor = sed(&sandbox, "/N3w-/!b;w /dev/null");
    edit(&sandbox, &editor).ends(0).says("nothing changed");
    assert_eq!(sandbox.read("fleet/secrets/bmc/rack-a.yaml"), after);
}

#[test]
fn an_editor_that_fails_or_writes_nonsense_changes_nothing() {
    let sandbox = with_secret();
    let before = sandbox.read("fleet/secrets/bmc/rack-a.yaml");
    for (editor, word) in [
        ("false".to_owned(), "ended with"),
        ("/nonexistent/editor".to_owned(), "ended with"),
        (sed(&sandbox, &format!("s/.*/- {CANARY}/")).display().to_string(), "cannot be read"),
    ] {
        let ran = sandbox
            .shoal(&["secret", "edit", "bmc/rack-a", "--key-file", "../me.key"])
            .at("fleet")
            .env("EDITOR", &editor)
            .run()
            .ends(1)
            .prints_nothing()
            .says(word);
        assert!(!ran.stderr.contains(CANARY), "{}", ran.stderr);
        assert_eq!(sandbox.read("fleet/secrets/bmc/rack-a.yaml"), before);
    }
    let args = ["secret", "edit", "bmc/rack-a", "--key-file", "../me.key"];
    sandbox.shoal(&args).at("fleet").run().ends(1).says("EDITOR");
}

#[test]
fn a_file_with_more_in_it_than_the_secret_is_not_rewritten() {
    let sandbox = with_secret();
    let path = "fleet/secrets/bmc/rack-a.yaml";
    let one = sandbox.read(path);
    let args = ["secret", "edit", "bmc/rack-a", "--key-file", "../me.key"];
    let edit = || sandbox.shoal(&args).at("fleet").env("EDITOR", "true").run().ends(1).prints_nothing();
    for (more, word) in [
        (one.replace("name: bmc/rack-a", "name: bmc/rack-b"), "several secrets"),
        ("kind: Secret\nmetadata: {name: half}\n".to_owned(), "would be lost"),
    ] {
        let both = format!("{one}---\n{more}");
        sandbox.write(path, &both);
        assert!(edit().stderr.contains(word));
        assert_eq!(sandbox.read(path), both);
    }
}

#[test]
fn keys_come_from_a_file_the_environment_or_standard_input() {
    let sandbox = with_secret();
    let key = sandbox.read("me.key");
    let verify = |args: &[&str]| {
        let mut all = vec!["secret", "verify"];
        all.extend(args);
        sandbox.shoal(&all).at("fleet")
    };
    verify(&["--key-file", "-"]).stdin(&key).run().ends(0).prints("opened, well");
    verify(&[]).env("SHOAL_AGE_KEY", key.trim()).run().ends(0).prints("opened, well");
    verify(&[]).env("SHOAL_AGE_KEY_FILE", sandbox.path("me.key")).run().ends(0).prints("opened, well");
    sandbox.run(&["secret", "keygen", "--out", "other.key"]).ends(0);
    let ran = verify(&["--key-file", "../other.key"]).run().ends(7).prints("wrong");
    assert!(ran.stderr.contains("none of the given private keys"), "{}", ran.stderr);
    std::fs::set_permissions(sandbox.path("me.key"), std::fs::Permissions::from_mode(0o644)).expect("a mode");
    verify(&["--key-file", "../me.key"]).run().ends(1).says("chmod 600");
}

#[test]
fn a_secret_that_was_copied_under_another_name_is_found() {
    let sandbox = with_secret();
    let text = sandbox.read("fleet/secrets/bmc/rack-a.yaml").replace("bmc/rack-a", "bmc/rack-b");
    sandbox.write("fleet/secrets/bmc/rack-b.yaml", &text);
    let args = ["secret", "verify", "--key-file", "../me.key", "--json"];
    let ran = sandbox.shoal(&args).at("fleet").run().ends(7).says("another name").json();
    let wrong: Vec<&str> = ran
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| !one["problems"].as_array().expect("a list").is_empty())
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(wrong, ["bmc/rack-b"]);
}

#[test]
fn a_secret_is_not_made_twice_nor_for_nobody_nor_for_strangers() {
    let sandbox = with_secret();
    let new = |args: &[&str]| {
        let mut all = vec!["secret", "new"];
        all.extend(args);
        all.extend(["--from", "-"]);
        sandbox.shoal(&all).at("fleet").stdin(&format!("a: {CANARY}\n")).run().ends(1).prints_nothing()
    };
    assert!(new(&["bmc/rack-a"]).stderr.contains("there already"));
    assert!(new(&["../../outside"]).stderr.contains("cannot be the name"));
    assert!(new(&["x", "--recipient", "stranger"]).says("it lists me").stderr.contains("stranger"));
    let text = sandbox.read("fleet/shoal.yaml");
    sandbox.write("fleet/shoal.yaml", text.split("  recipients:\n    - name: me").next().expect("a head"));
    assert!(new(&["x"]).stderr.contains("no recipients"));
    assert!(!sandbox.exists("fleet/secrets/x.yaml"));
}
