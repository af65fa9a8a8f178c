// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a policy file says, in force: tags that stay, quotas, retention, who may do what; and a new one
//! without a restart.

use crate::content::{bytes, digest, manifest, manifest_path};
use crate::server::{POLICY, Server, sandbox, until};

#[test]
fn a_tag_that_may_not_move_stays_where_it_is() {
    let sandbox = sandbox("immutableTags: [os-images/*]\n");
    let server = Server::start(&sandbox);
    let (http, layer) = (server.http(), bytes(71, 1000));
    let first = http.push_image("os-images/debian", "13", &layer);
    let other = manifest(&layer, "another");
    let answer = http.push_manifest("os-images/debian", "13", &other).is(409);
    assert_eq!(answer.code(), "DENIED");
    assert_eq!(
        http.head(&manifest_path("os-images/debian", "13")).the("docker-content-digest"),
        first.to_string()
    );
    // The same again is no move, a new tag neither.
    http.push_manifest("os-images/debian", "13", &manifest(&layer, "13")).is(201);
    http.push_manifest("os-images/debian", "13.1", &other).is(201);
    http.push_image("tools/a", "1", &layer);
    http.push_manifest("tools/a", "1", &other).is(201);
    // The command says what to do.
    std::fs::write(sandbox.path("a.tar"), crate::runnable::tar("a", b"a")).expect("a file");
    let to = server.reference("os-images/debian:13");
    let _ = sandbox.run(&["image", "push", "a.tar", &to]).ends(1).says("use another tag");
}

#[test]
fn a_quota_is_never_exceeded_and_what_is_deleted_makes_room() {
    let sandbox = sandbox("quotas: [{repositories: team/*, max: 1M}]\ngc: {grace: 1s, quarantine: 0s}\n");
    let server = Server::start(&sandbox);
    let (http, first) = (server.http(), bytes(72, 600_000));
    http.push_image("team/a", "1", &first);
    let second = bytes(73, 600_000);
    let answer = http.push_blob("team/b", &second).is(403);
    assert_eq!(answer.code(), "DENIED");
    assert!(answer.text().contains("team/*"), "{}", answer.text());
    http.push_blob("elsewhere", &second).is(201);
    // Content that others have counts too, where it is mounted.
    let mount = format!("/v2/team/b/blobs/uploads/?mount={}&from=elsewhere", digest(&second));
    assert_eq!(http.send("POST", &mount, &[], b"").status, 403);
    let usage = http.get("/api/v1/registry/usage").is(200).json();
    assert_eq!(usage["quotas"][0]["repositories"], "team/*");
    assert!(
        usage["quotas"][0]["used"].as_u64().is_some_and(|used| (600_000..1 << 20).contains(&used)),
        "{usage}"
    );

    let old = digest(&manifest(&first, "1"));
    http.delete(&manifest_path("team/a", &old.to_string())).is(202);
    until("a collection makes room", || {
        server.task("gc");
        http.get("/api/v1/registry/usage").json()["quotas"][0]["used"] == 0
    });
    http.push_image("team/b", "2", &second);
}

#[test]
fn the_newest_tags_are_kept_and_the_others_go() {
    let sandbox = sandbox("gc: {grace: 1s}\nretention: [{repositories: tools/*, keepLast: 2}]\n");
    let server = Server::start(&sandbox);
    let http = server.http();
    for number in 0..5 {
        for repository in ["tools/a", "os-images/a"] {
            http.push_image(repository, &format!("v{number}"), &bytes(740 + number, 2000));
        }
    }
    until("the others are older than the grace", || {
        server.task("gc");
        http.tags("tools/a").len() <= 2
    });
    assert_eq!(http.tags("tools/a"), ["v3", "v4"]);
    assert_eq!(http.tags("os-images/a").len(), 5);
    for number in 0..5 {
        http.has_blob("os-images/a", &bytes(740 + number, 2000));
    }
    server.task("gc");
    http.has_blob("tools/a", &bytes(744, 2000));
    assert_eq!(http.tags("tools/a"), ["v3", "v4"]);
}

#[test]
fn accounts_do_what_their_rules_allow_and_new_rules_need_no_restart() {
    let rules = "access:\n\
        - {users: [ci], repositories: [tools/*], allow: [push]}\n\
        - {users: [anonymous], repositories: [public/*], allow: [pull]}\n\
        - {users: [ada], repositories: [\"*\"], allow: [pull, push, delete, admin]}\n";
    let sandbox = sandbox(rules);
    let hash = |password: &str| bcrypt::hash(password, 4).expect("a hash");
    sandbox.write("users", &format!("ada:{}\nci:{}\n", hash("s3cret"), hash("t0ken")));
    let server = Server::with(&sandbox, &["--users-file", "users"]);
    let (nobody, ada, ci) =
        (server.http(), server.http().login("ada", "s3cret"), server.http().login("ci", "t0ken"));
    let layer = bytes(75, 1000);
    ada.push_image("public/a", "1", &layer);
    ada.push_image("os-images/a", "1", &layer);
    ci.push_image("tools/a", "1", &layer);
    assert_eq!(ci.push_blob("os-images/a", &layer).is(403).code(), "DENIED");
    assert_eq!(ci.delete(&manifest_path("tools/a", "1")).status, 403);
    nobody.has_blob("public/a", &layer);
    assert_eq!(nobody.get(&manifest_path("os-images/a", "1")).is(401).code(), "UNAUTHORIZED");
    assert_eq!(ci.get("/api/v1/registry/usage").status, 403);
    ada.get("/api/v1/registry/usage").is(200);
    // The same over the command line.
    let list = |login: &str| {
        sandbox.shoal(&["image", "list", "--json", "--url", &server.url()]).env("SHOAL_TOKEN", login).run()
    };
    assert_eq!(list("ada:s3cret").ends(0).json()["images"].as_array().map(Vec::len), Some(3));
    let _ = list("ci:t0ken").ends(1);

    // A policy that cannot be read changes nothing; one that can is in force.
    sandbox.write("policy.yaml", "accesss: []\n");
    server.signal("-HUP");
    until("it says so", || server.log().contains("the old accounts and policy stay"));
    ci.push_blob("tools/a", &bytes(76, 1000)).is(201);
    sandbox.write("policy.yaml", &format!("{POLICY}{}", rules.replace("tools/*", "ci/*")));
    server.signal("-HUP");
    until("the new rules are in force", || ci.push_blob("tools/a", &layer).status == 403);
    ci.push_image("ci/a", "1", &layer);
}
