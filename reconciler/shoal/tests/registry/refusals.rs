// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal registry serve` where it must not start.

use crate::harness::{Ran, Sandbox};
use crate::server::{Server, sandbox};

/// Tries to serve `images`.
fn serve(sandbox: &Sandbox, more: &[&str]) -> Ran {
    sandbox.run(&[&["registry", "serve", "--storage", "images"], more].concat()).prints_nothing()
}

#[test]
fn nobody_beyond_this_machine_is_served_without_tls_and_accounts() {
    let sandbox = Sandbox::new();
    let ran = serve(&sandbox, &["--listen", "0.0.0.0:0"]).ends(78);
    insta::assert_snapshot!("serve-open", ran.golden());
    let _ =
        serve(&sandbox, &["--listen", "[::]:0", "--tls-mode", "own"]).ends(78).says("REGISTRY_USERS_FILE");
    sandbox.write("users", &format!("ada:{}\n", bcrypt::hash("s3cret", 4).expect("a hash")));
    let _ = serve(&sandbox, &["--listen", "0.0.0.0:0", "--users-file", "users"]).ends(78).says("without TLS");
    assert!(!sandbox.exists("images"));
}

#[test]
fn accounts_that_are_easy_to_guess_are_refused_by_line() {
    let sandbox = Sandbox::new();
    let good = bcrypt::hash("s3cret", 4).expect("a hash");
    sandbox.write("users", &format!("ada:{good}\nbob:$apr1$abcdefgh$0123456789012345678901\n"));
    let ran = serve(&sandbox, &["--listen", "127.0.0.1:0", "--users-file", "users"]).ends(78);
    let ran = ran.says("line 2: the password of bob is kept as an MD5 hash").says("htpasswd -nBC 10 bob");
    assert!(!ran.stderr.contains("apr1") && !ran.stderr.contains(&good), "{}", ran.stderr);
    let ran = serve(&sandbox, &["--listen", "127.0.0.1:0", "--users-file", "nowhere"]).ends(78);
    let _ = ran.says("nowhere");
}

#[test]
fn a_policy_with_a_field_that_is_not_known_is_refused_with_all_its_faults() {
    let sandbox = Sandbox::new();
    sandbox.write("policy.yaml", "immutable: [os-images/*]\ngc: {grace: soon}\nuploads: 0\n");
    let ran = serve(&sandbox, &["--listen", "127.0.0.1:0", "--policy-file", "policy.yaml"]).ends(78);
    insta::assert_snapshot!("serve-policy", ran.golden());
    assert!(!sandbox.exists("images"));
}

#[test]
fn a_directory_that_another_process_has_open_is_left_alone() {
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let pid = format!("(pid {})", server.pid());
    let _ =
        serve(&sandbox, &["--listen", "127.0.0.1:0"]).ends(69).says("in use by another process").says(&pid);
    let _ = sandbox.run(&["image", "scrub", "--storage", "images"]).ends(1).says("in use by another process");
    server.http().get("/v2/").is(200);
    // After a kill nobody has it open, whatever the file says.
    server.kill();
    Server::start(&sandbox).http().get("/v2/").is(200);
}

#[test]
fn a_directory_with_something_else_in_it_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("images/thesis.txt", "years of work");
    let ran = serve(&sandbox, &["--listen", "127.0.0.1:0"]).ends(69).says("is not an OCI image layout");
    let _ = ran.says("thesis.txt").says("an empty directory");
    let left: Vec<_> = std::fs::read_dir(sandbox.path("images")).expect("a directory").collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let _ = sandbox.run(&["image", "list", "--storage", "images"]).ends(1).says("there is no oci-layout");
    sandbox.write("a file", "");
    let ran = sandbox.run(&["registry", "serve", "--storage", "a file", "--listen", "127.0.0.1:0"]).ends(78);
    let _ = ran.says("a file is no directory");
}
