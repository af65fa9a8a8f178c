// SPDX-License-Identifier: AGPL-3.0-or-later

use serde_json::{Value, json};

use super::*;
use crate::access::JobAccess;

fn read(value: Value) -> Policy {
    Policy::from_value(value).unwrap()
}

fn faults(value: Value) -> Vec<(String, String)> {
    let error = Policy::from_value(value).unwrap_err();
    error.faults.into_iter().map(|fault| (fault.path, fault.message)).collect()
}

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

fn account(user: &str) -> Caller {
    Caller::Account(user.to_owned())
}

/// Files that are taken and files that are not; the schema has to agree about all of them.
fn samples() -> Vec<(bool, Value)> {
    let rule = |field: &str, value: Value| {
        let mut rule = json!({"users": ["ci"], "repositories": ["os-images/*"], "allow": ["push"]});
        rule[field] = value;
        json!({ "access": [rule] })
    };
    vec![
        (true, json!({})),
        (true, rule("users", json!(["*", "ada"]))),
        (true, rule("repositories", json!(["*", "a/b_c/d--e.f", "tools/*"]))),
        (true, rule("allow", json!(["pull", "push", "delete"]))),
        (true, json!({"access": []})),
        (true, json!({"immutableTags": ["os-images/*"], "sparse": []})),
        (true, json!({"retention": [{"repositories": "tools/*", "keepLast": 5}, {"repositories": "*"}]})),
        (true, json!({"quotas": [{"repositories": "*", "max": "2T"}]})),
        (true, json!({"minFree": "0%"})),
        (true, json!({"minFree": "20G", "maxManifest": "8M", "uploads": 64})),
        (true, json!({"gc": {"every": "30m", "grace": "48h", "quarantine": "0s"}})),
        (true, json!({"scrub": {"every": "7d", "rate": "100M"}})),
        (false, json!([])),
        (false, json!("x")),
        (false, json!({"acces": []})),
        (false, json!({"access": {}})),
        (false, json!({"access": ["x"]})),
        (false, json!({"access": [{"users": ["a"], "repositories": ["*"]}]})),
        (false, rule("users", json!([]))),
        (false, rule("users", json!([""]))),
        (false, rule("users", json!("ci"))),
        (false, rule("repositories", json!([]))),
        (false, rule("repositories", json!(["Upper/*"]))),
        (false, rule("repositories", json!(["os-*"]))),
        (false, rule("repositories", json!(["/a"]))),
        (false, rule("repositories", json!(["a//b"]))),
        (false, rule("repositories", json!(["../a"]))),
        (false, rule("allow", json!([]))),
        (false, rule("allow", json!(["write"]))),
        (false, rule("alow", json!(["push"]))),
        (false, json!({"immutableTags": "os-images/*"})),
        (false, json!({"retention": [{"keepLast": 5}]})),
        (false, json!({"retention": [{"repositories": "*", "keepLast": 0}]})),
        (false, json!({"quotas": [{"repositories": "*"}]})),
        (false, json!({"quotas": [{"repositories": "*", "max": 5}]})),
        (false, json!({"minFree": "91%"})),
        (false, json!({"maxManifest": "4MB"})),
        (false, json!({"uploads": 0})),
        (false, json!({"uploads": 1.5})),
        (false, json!({"gc": {"every": "1w"}})),
        (false, json!({"gc": {"grace": 3600}})),
        (false, json!({"scrub": {"speed": "1M"}})),
    ]
}

#[test]
fn the_schema_and_the_reader_take_the_same_files() {
    let schema = jsonschema::validator_for(Policy::schema().as_value()).unwrap();
    for (good, sample) in samples() {
        assert_eq!(Policy::from_value(sample.clone()).is_ok(), good, "the reader on {sample}");
        assert_eq!(schema.is_valid(&sample), good, "the schema on {sample}");
    }
}

#[test]
fn a_policy_reads_back_as_it_was_written() {
    for (_, sample) in samples().into_iter().filter(|(good, _)| *good) {
        let policy = read(sample);
        assert_eq!(read(serde_json::to_value(&policy).unwrap()), policy);
    }
    assert_eq!(read(serde_json::to_value(Policy::default()).unwrap()), Policy::default());
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(read(Value::Null), Policy::default());
    assert_eq!(read(json!({})), Policy::default());
}

#[test]
fn every_fault_is_named_by_its_field_with_what_is_allowed() {
    let found = faults(json!({
        "access": [{"users": ["ci"], "repositories": ["os-images/*"], "allow": ["pull", "write"]}, {"users": []}],
        "gc": {"every": "10s", "grase": "1d"},
        "uploads": 0,
    }));
    let expected = [
        ("access[0].allow[1]", "expected pull, push, delete or admin, found `write`"),
        ("access[1].users", "name at least one account; * is everyone who is let in"),
        ("access[1].repositories", "the field is missing"),
        ("access[1].allow", "the field is missing"),
        ("uploads", "expected a whole number from 1 to 1024, found 0"),
        ("gc.grase", "there is no such field; allowed are every, grace, quarantine"),
        ("gc.every", "expected a span of time from 1m to 30d, such as 90m, 24h or 7d, found `10s`"),
    ];
    assert_eq!(found, expected.map(|(path, message)| (path.to_owned(), message.to_owned())));
}

#[test]
fn what_a_schema_cannot_say_is_checked_too() {
    let rule = |users: &str, repositories: &str, allow: &str| {
        faults(json!({"access": [{"users": [users], "repositories": [repositories], "allow": [allow]}]}))
    };
    assert!(rule("anonymous", "*", "push")[0].1.contains("pull alone"));
    assert!(rule("ada", "tools/*", "admin")[0].1.contains("whole registry"));
    assert!(rule("job", "*", "pull")[0].1.contains("job tokens"));
    assert!(rule("a:b", "*", "pull")[0].1.contains("colon"));
    assert!(faults(json!({"maxManifest": "1G"}))[0].1.contains("64K and 64M"));
}

#[test]
fn the_message_of_an_error_lists_every_fault() {
    let error = Policy::from_value(json!({"uploads": 0, "minFree": 5})).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("\n  uploads: ") && text.contains("\n  minFree: "), "{text}");
}

#[test]
fn without_rules_whoever_is_let_in_may_do_everything_but_maintain() {
    let policy = Policy::default();
    for right in [Right::Pull, Right::Push, Right::Delete] {
        assert!(policy.allows(&Caller::Open, right, &name("a/b")));
        assert!(policy.allows(&account("ada"), right, &name("a/b")));
        assert!(!policy.allows(&Caller::Anonymous, right, &name("a/b")));
    }
    assert!(!policy.administers(&account("ada")));
}

#[test]
fn rules_add_up_and_fit_by_account_and_prefix() {
    let policy = read(json!({"access": [
        {"users": ["*"], "repositories": ["tools/*"], "allow": ["pull"]},
        {"users": ["ci"], "repositories": ["os-images/*", "tools/oras"], "allow": ["push"]},
        {"users": ["anonymous"], "repositories": ["public/*"], "allow": ["pull"]},
        {"users": ["ada"], "repositories": ["*"], "allow": ["admin"]},
    ]}));
    let ci = account("ci");
    assert!(policy.allows(&ci, Right::Push, &name("os-images/debian")));
    assert!(policy.allows(&ci, Right::Pull, &name("os-images/debian")), "push includes pull");
    assert!(!policy.allows(&ci, Right::Delete, &name("os-images/debian")));
    assert!(policy.allows(&ci, Right::Push, &name("tools/oras")));
    assert!(!policy.allows(&ci, Right::Push, &name("tools/oras2")));
    assert!(!policy.allows(&ci, Right::Push, &name("os-images-2/debian")), "a prefix ends at a slash");
    assert!(policy.allows(&account("bob"), Right::Pull, &name("tools/oras")));
    assert!(
        policy.allows(&account("bob"), Right::Pull, &name("public/x")),
        "an account has what nobody needs one for"
    );
    assert!(policy.allows(&Caller::Anonymous, Right::Pull, &name("public/x")));
    assert!(!policy.allows(&Caller::Anonymous, Right::Pull, &name("tools/oras")));
    assert!(policy.administers(&account("ada")) && !policy.administers(&ci));
    assert!(
        !policy.allows(&account("ada"), Right::Pull, &name("os-images/debian")),
        "admin includes nothing"
    );
    assert!(policy.allows_something(&Caller::Anonymous));
}

#[test]
fn a_job_pulls_its_own_repository_and_nothing_else() {
    let job = Caller::Job(JobAccess { repository: name("os-images/debian"), job: "j1".to_owned() });
    let policy = Policy::default();
    assert!(policy.allows(&job, Right::Pull, &name("os-images/debian")));
    assert!(!policy.allows(&job, Right::Push, &name("os-images/debian")));
    assert!(!policy.allows(&job, Right::Delete, &name("os-images/debian")));
    assert!(!policy.allows(&job, Right::Pull, &name("os-images/debian/x")));
    assert!(!policy.allows(&job, Right::Pull, &name("tools/oras")));
    assert!(!policy.administers(&job));
}
