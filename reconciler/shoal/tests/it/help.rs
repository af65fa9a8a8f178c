// SPDX-License-Identifier: AGPL-3.0-or-later
//! Help, version, completions: what a person sees who knows nothing yet.

use super::harness::Sandbox;

/// Every command that has a help of its own.
const COMMANDS: &[&[&str]] = &[
    &[],
    &["accept"],
    &["adopt"],
    &["apply"],
    &["approve"],
    &["backup"],
    &["backup", "verify"],
    &["bmc", "check"],
    &["bmc", "inspect"],
    &["completions"],
    &["explain"],
    &["init"],
    &["jobs"],
    &["jobs", "cancel"],
    &["jobs", "show"],
    &["pause"],
    &["plan"],
    &["reconcile"],
    &["restore"],
    &["retry"],
    &["run"],
    &["schema"],
    &["secret"],
    &["secret", "edit"],
    &["secret", "keygen"],
    &["secret", "new"],
    &["secret", "verify"],
    &["show"],
    &["status"],
    &["status", "rebuild"],
    &["takeover"],
    &["validate"],
];

#[test]
fn help_says_what_every_command_does_and_how() {
    let sandbox = Sandbox::new();
    for command in COMMANDS {
        let mut args = command.to_vec();
        args.push("--help");
        let ran = sandbox.run(&args).ends(0);
        assert_eq!(ran.stderr, "", "help is data");
        let name = if command.is_empty() { "shoal".to_owned() } else { command.join("-") };
        insta::assert_snapshot!(format!("help-{name}"), ran.stdout);
    }
}

#[test]
fn the_version_is_one_line_of_data() {
    let ran = Sandbox::new().run(&["--version"]).ends(0);
    assert_eq!(ran.stdout, format!("shoal {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn without_a_command_help_is_shown_and_nothing_succeeds() {
    let ran = Sandbox::new().run(&[]).ends(1).prints_nothing();
    assert!(ran.stderr.contains("Usage: shoal"), "{}", ran.stderr);
}

#[test]
fn every_shell_gets_completions_that_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = Sandbox::new().run(&["completions", shell]).ends(0);
        assert!(ran.stdout.contains("validate") && ran.stdout.contains("takeover"), "{shell}");
    }
}
