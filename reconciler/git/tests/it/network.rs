// SPDX-License-Identifier: AGPL-3.0-or-later
//! Remotes over a network: what works, and how each failure is told apart.

use std::error::Error;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shoal_git::{
    Credential, CredentialError, CredentialSource, GitError, Mirror, PublishOutcome, PushOutcome, RefUpdate,
    RemoteSpec, RemoteUrl, StatusError, Timeouts, Token, UpdateKind, connect_remote,
};

use crate::common::{Origin, author, files, fsck, git, git_command, publish, status};
use crate::server::{Forge, Manner};

/// What no text may show.
const SECRET: &str = "s3cr3t-t0k3n";

/// `user:s3cr3t-t0k3n` as a header.
const HEADER: &str = "Basic dXNlcjpzM2NyM3QtdDBrM24=";

fn token() -> Credential {
    Credential::UserPass { username: "user".to_owned(), password: Token::new(SECRET.to_owned()) }
}

fn spec(url: RemoteUrl, credential: Credential) -> RemoteSpec {
    let mut spec = RemoteSpec::new(url);
    spec.credentials = Arc::new(credential);
    spec
}

fn mirror(origin: &Origin, spec: RemoteSpec) -> Mirror {
    Mirror::open_or_init(&origin.mirror_dir(), spec).expect("a mirror")
}

/// The error of a fetch, with a proof that nothing of it shows the secret.
fn failure(origin: &Origin, spec: RemoteSpec) -> GitError {
    let error = mirror(origin, spec).fetch().expect_err("it fails");
    let mut text = format!("{error} {error:?} {:?}", error.hint());
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(" {inner} {inner:?}"));
        cause = inner.source();
    }
    assert!(!text.contains(SECRET), "{text}");
    error
}

#[test]
fn fetch_and_publication_work_over_http() {
    let origin = Origin::new();
    let forge = Forge::start(Manner::Guarded(origin.path().to_owned(), HEADER));
    let mirror = mirror(&origin, spec(forge.url("", "origin.git"), token()));
    let fetched = mirror.fetch().expect("fetched");
    assert_eq!((fetched.branch.as_str(), fetched.tip), ("main", origin.head()));
    assert_eq!(mirror.fetch_status().expect("no branch is no error"), None);

    origin.write("shoal.yaml", "changed\n");
    let second = origin.push("second");
    assert_eq!(mirror.fetch().expect("fetched").tip, second);
    assert!(!mirror.fetch().expect("fetched").changed);

    publish(&mirror, &[("servers/a", Some("1")), ("servers/b", Some("1"))]);
    let outcome = publish(&mirror, &[("servers/a", Some("2"))]);
    assert!(matches!(outcome, PublishOutcome::Pushed { files: 1, .. }));
    assert_eq!(git(&origin.bare(), &["log", "--format=%s", "shoal/status"]).lines().count(), 2);
    origin.is_sound();
    fsck(&origin.mirror_dir());
    // Nothing of the credentials stays in the mirror.
    let config = fs::read_to_string(origin.mirror_dir().join("config")).expect("there");
    assert!(!config.contains(SECRET));
}

#[test]
fn credentials_in_the_address_are_used_and_kept_out_of_the_mirror() {
    let origin = Origin::new();
    let forge = Forge::start(Manner::Guarded(origin.path().to_owned(), HEADER));
    let url = forge.url(&format!("user:{SECRET}@"), "origin.git");
    let mirror = mirror(&origin, RemoteSpec::new(url));
    assert_eq!(mirror.fetch().expect("fetched").tip, origin.head());
    for entry in fs::read_dir(origin.mirror_dir()).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_file() {
            let bytes = fs::read(&path).expect("readable");
            assert!(!String::from_utf8_lossy(&bytes).contains(SECRET), "{}", path.display());
        }
    }
}

#[test]
fn refused_credentials_are_shown_once_and_named_as_such() {
    let origin = Origin::new();
    let forge = Forge::start(Manner::Guarded(origin.path().to_owned(), "Basic other"));
    let error = failure(&origin, spec(forge.url("", "origin.git"), token()));
    assert!(matches!(error, GitError::Auth { .. }), "{error:?}");
    assert!(!error.is_transient());
    let shown = forge.asked().iter().filter(|(_, _, header)| header.is_some()).count();
    assert_eq!(shown, 1, "{:?}", forge.asked());

    let error = failure(&origin, RemoteSpec::new(forge.url("", "origin.git")));
    assert!(matches!(error, GitError::Auth { .. }), "{error:?}");
}

#[test]
fn a_source_that_has_no_credential_is_told_apart_from_a_refusal() {
    struct Locked;
    impl CredentialSource for Locked {
        fn credential(&self, _url: &RemoteUrl) -> Result<Credential, CredentialError> {
            Err("the key that opens the secret is not loaded".into())
        }
    }
    let origin = Origin::new();
    let forge = Forge::start(Manner::Guarded(origin.path().to_owned(), HEADER));
    let mut spec = RemoteSpec::new(forge.url("", "origin.git"));
    spec.credentials = Arc::new(Locked);
    let error = failure(&origin, spec);
    assert!(matches!(error, GitError::Credentials { .. }), "{error:?}");
    let source = error.source().expect("a source").to_string();
    assert_eq!(source, "the key that opens the secret is not loaded");
}

#[test]
fn credentials_are_asked_for_only_when_the_remote_wants_them() {
    struct Counted(Arc<AtomicUsize>);
    impl CredentialSource for Counted {
        fn credential(&self, _url: &RemoteUrl) -> Result<Credential, CredentialError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Credential::None)
        }
    }
    let origin = Origin::new();
    let forge = Forge::start(Manner::Open(origin.path().to_owned()));
    let asked = Arc::new(AtomicUsize::new(0));
    let mut spec = RemoteSpec::new(forge.url("", "origin.git"));
    spec.credentials = Arc::new(Counted(Arc::clone(&asked)));
    mirror(&origin, spec).fetch().expect("fetched");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[test]
fn credentials_do_not_travel_where_they_could_be_read() {
    let origin = Origin::new();
    for url in
        [format!("http://user:{SECRET}@git.invalid/x.git"), format!("http://{SECRET}@git.invalid/x.git")]
    {
        let error = failure(&origin, RemoteSpec::new(RemoteUrl::parse(&url).expect("valid")));
        assert!(matches!(error, GitError::Insecure { .. }), "{error:?}");
    }
    // A server that asks gets none either. This address leads here without being a loopback one.
    let forge = Forge::start(Manner::Guarded(origin.path().to_owned(), HEADER));
    let url = format!("http://0.0.0.0:{}/origin.git", forge.address().port());
    let error = failure(&origin, spec(RemoteUrl::parse(&url).expect("valid"), token()));
    assert!(matches!(error, GitError::Insecure { .. }), "{error:?}");
    assert!(forge.asked().iter().all(|(_, _, header)| header.is_none()), "{:?}", forge.asked());
}

#[test]
fn what_a_forge_answers_decides_what_the_operator_is_told() {
    let origin = Origin::new();
    let told = |status| {
        let forge = Forge::start(Manner::Always(status));
        let url = forge.url(&format!("user:{SECRET}@"), "x.git?private_token=s3cr3t-t0k3n");
        failure(&origin, RemoteSpec::new(url))
    };
    let error = told("404 Not Found");
    assert!(matches!(error, GitError::NotFound { .. }), "{error:?}");
    let error = told("403 Forbidden");
    assert!(matches!(error, GitError::Auth { .. }), "{error:?}");
    let error = told("500 Internal Server Error");
    assert!(matches!(error, GitError::Remote { .. }), "{error:?}");
    assert!(error.is_transient());
    let error = told("200 OK");
    assert!(matches!(error, GitError::Remote { .. }), "{error:?}");
}

#[test]
fn a_repository_that_the_forge_does_not_have_is_not_found() {
    let origin = Origin::new();
    let forge = Forge::start(Manner::Open(origin.path().to_owned()));
    let error = failure(&origin, RemoteSpec::new(forge.url("", "nope.git")));
    assert!(matches!(error, GitError::NotFound { .. }), "{error:?}");
}

#[test]
fn an_empty_repository_and_a_missing_branch_are_named_over_http_too() {
    let origin = Origin::empty();
    let forge = Forge::start(Manner::Open(origin.path().to_owned()));
    let error = failure(&origin, RemoteSpec::new(forge.url("", "origin.git")));
    assert!(matches!(error, GitError::EmptyRepository { .. }), "{error:?}");

    origin.push("first");
    let mut other = RemoteSpec::new(forge.url("", "origin.git"));
    other.branch = Some("prod".to_owned());
    let error = failure(&origin, other);
    assert!(matches!(&error, GitError::BranchMissing { existing, .. } if existing == &["main"]), "{error:?}");
}

#[test]
fn sha256_names_are_refused_by_name_over_http_too() {
    let origin = Origin::new();
    git(origin.path(), &["init", "-q", "--object-format=sha256", "-b", "main", "new"]);
    git(&origin.path().join("new"), &["commit", "-q", "--allow-empty", "-m", "x"]);
    let forge = Forge::start(Manner::Open(origin.path().to_owned()));
    let error = failure(&origin, RemoteSpec::new(forge.url("", "new/.git")));
    assert!(matches!(error, GitError::Sha256 { .. }), "{error:?}");
}

#[test]
fn nobody_listening_and_names_that_do_not_resolve_are_unreachable() {
    let origin = Origin::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    for url in [
        format!("http://user:{SECRET}@{address}/x.git"),
        format!("https://user:{SECRET}@{address}/x.git"),
        format!("ssh://git@{address}/x.git"),
        format!("https://user:{SECRET}@git.invalid/x.git"),
    ] {
        let error = failure(&origin, RemoteSpec::new(RemoteUrl::parse(&url).expect("valid")));
        assert!(matches!(error, GitError::Unreachable { .. }), "{url}: {error:?}");
        assert!(error.is_transient());
    }
}

#[test]
fn a_remote_that_never_answers_costs_no_more_than_the_limit() {
    let origin = Origin::new();
    let silent = Forge::start(Manner::Silent);
    let half = Forge::start(Manner::SilentAfterListing(origin.path().to_owned()));
    let limits = Timeouts { connect: Duration::from_millis(300), stall: Duration::from_millis(200) };
    for (url, expected) in [
        (silent.url("", "origin.git"), "connecting"),
        (
            RemoteUrl::parse(&format!("ssh://git@{}/origin.git", silent.address())).expect("valid"),
            "connecting",
        ),
        (RemoteUrl::parse(&format!("https://{}/origin.git", silent.address())).expect("valid"), "connecting"),
        (half.url("", "origin.git"), "transferring"),
    ] {
        let mut spec = RemoteSpec::new(url);
        // Long enough to list the branches on a busy machine.
        spec.timeouts = if expected == "transferring" {
            Timeouts { connect: Duration::from_secs(20), ..limits }
        } else {
            limits
        };
        let error = failure(&origin, spec);
        match error {
            GitError::TimedOut { stage, .. } => assert_eq!(stage, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_race_over_http_is_lost_by_one_and_won_by_both() {
    let origin = Origin::new();
    let forge = Forge::start(Manner::Open(origin.path().to_owned()));
    let open = |name: &str| {
        Mirror::open_or_init(&origin.path().join(name), RemoteSpec::new(forge.url("", "origin.git")))
            .expect("a mirror")
    };
    let (fast, slow) = (open("fast.git"), open("slow.git"));
    publish(&fast, &[("a", Some("1"))]);
    slow.fetch_status().expect("fetched");
    publish(&fast, &[("b", Some("1"))]);
    let mine = files(&[("c", Some("1"))]);
    let outcome = slow
        .status_writer()
        .publish(&status(mine.clone()), &mut |tip| {
            assert!(tip.is_some());
            Ok(mine.clone())
        })
        .expect("published");
    assert!(matches!(outcome, PublishOutcome::Pushed { attempts: 2, .. }), "{outcome:?}");
    assert_eq!(git(&origin.bare(), &["ls-tree", "-r", "--name-only", "shoal/status"]), "a\nb\nc");
    // And when the branch is gone, so that all has to be written anew.
    git(&origin.bare(), &["branch", "-D", "shoal/status"]);
    let all = files(&[("a", Some("2")), ("b", Some("1"))]);
    let outcome = fast
        .status_writer()
        .publish(&status(files(&[("a", Some("2"))])), &mut |tip| {
            Ok(if tip.is_some() { mine.clone() } else { all.clone() })
        })
        .expect("published");
    assert!(matches!(outcome, PublishOutcome::Pushed { .. }), "{outcome:?}");
    assert_eq!(git(&origin.bare(), &["ls-tree", "-r", "--name-only", "shoal/status"]), "a\nb");
    origin.is_sound();
}

#[test]
fn a_server_that_refuses_the_push_is_not_asked_again_and_again() {
    let origin = Origin::new();
    let hook = origin.bare().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().expect("a parent")).expect("hooks");
    fs::write(&hook, "#!/bin/sh\necho protected >&2\nexit 1\n").expect("a hook");
    let mut permissions = fs::metadata(&hook).expect("there").permissions();
    permissions.set_mode(0o755);
    fs::set_permissions(&hook, permissions).expect("executable");
    let forge = Forge::start(Manner::Open(origin.path().to_owned()));
    let mirror = mirror(&origin, RemoteSpec::new(forge.url("", "origin.git")));
    let error = mirror
        .status_writer()
        .publish(&status(files(&[("a", Some("1"))])), &mut |_| panic!("nobody moved the branch"))
        .expect_err("refused");
    assert!(matches!(&error, StatusError::Refused { reason, .. } if reason.contains("hook")), "{error:?}");
    assert!(error.hint().is_some());
    let pushes = forge
        .asked()
        .iter()
        .filter(|(method, path, _)| method == "POST" && path.ends_with("git-receive-pack"))
        .count();
    assert_eq!(pushes, 1);
}

#[test]
fn a_server_whose_disk_is_full_is_quoted_with_what_to_do() {
    let origin = Origin::new();
    let hook = origin.bare().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().expect("a parent")).expect("hooks");
    // Says 'block', which is no lock.
    let said = "fatal: cannot write block: No space left on device";
    fs::write(&hook, format!("#!/bin/sh\necho '{said}' >&2\nexit 1\n")).expect("a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("executable");
    let forge = Forge::start(Manner::Open(origin.path().to_owned()));
    let mirror = mirror(&origin, RemoteSpec::new(forge.url("", "origin.git")));
    let error = mirror
        .status_writer()
        .publish(&status(files(&[("a", Some("1"))])), &mut |_| panic!("nobody moved the branch"))
        .expect_err("refused");
    let text = error.to_string();
    assert!(text.contains("shoal/status") && text.contains(said), "{text}");
    assert!(error.hint().is_some_and(|hint| hint.contains("disk of the Git server is full")), "{error:?}");
}

#[test]
fn a_rotation_works_over_http_and_loses_to_a_faster_writer() {
    let origin = Origin::new();
    let forge = Forge::start(Manner::Open(origin.path().to_owned()));
    let mirror = mirror(&origin, RemoteSpec::new(forge.url("", "origin.git")));
    publish(&mirror, &[("a", Some("1"))]);
    publish(&mirror, &[("a", Some("2"))]);
    let done =
        mirror.status_writer().rotate("archive/2026", "status: anew", &[], &author()).expect("rotated");
    let tip = |branch: &str| git(&origin.bare(), &["rev-parse", branch]);
    assert_eq!(tip("archive/2026"), done.archived.to_string());
    assert_eq!(tip("shoal/status"), done.root.to_string());
    assert_eq!(git(&origin.bare(), &["rev-list", "--count", "shoal/status"]), "1");
    // The lease: another writer who still thinks that the old tip is there has to look again.
    let late = RefUpdate {
        branch: "shoal/status".to_owned(),
        new: done.archived,
        expected: Some(done.archived),
        kind: UpdateKind::Replace,
    };
    let remote =
        connect_remote(&forge.url("", "origin.git"), Arc::new(Credential::None), Timeouts::default());
    let outcome = remote.push(&origin.mirror_dir(), &late).expect("answered");
    assert!(matches!(outcome, PushOutcome::Rejected { .. }), "{outcome:?}");
    assert_eq!(tip("shoal/status"), done.root.to_string());
}

#[test]
fn a_branch_whose_name_is_no_text_does_not_stop_the_others() {
    use std::os::unix::ffi::OsStrExt as _;
    let origin = Origin::new();
    let odd = std::ffi::OsStr::from_bytes(b"refs/heads/\xff\xfe");
    let head = origin.head().to_string();
    let made = git_command(&origin.bare()).arg("update-ref").arg(odd).arg(&head).output().expect("git runs");
    assert!(made.status.success());
    let forge = Forge::start(Manner::Open(origin.path().to_owned()));
    for url in [forge.url("", "origin.git"), origin.url()] {
        let dir = origin.path().join(format!("mirror-{}", url.local_path().is_some()));
        let mirror = Mirror::open_or_init(&dir, RemoteSpec::new(url)).expect("a mirror");
        assert_eq!(mirror.fetch().expect("fetched").tip, origin.head());
        mirror.fetch_status().expect("fetched");
        publish(&mirror, &[("a", Some(&dir.display().to_string()))]);
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_trusted() {
    let origin = Origin::new();
    let forge = Forge::start(Manner::Tls);
    let url = format!("https://user:{SECRET}@{}/origin.git", forge.address());
    let error = failure(&origin, RemoteSpec::new(RemoteUrl::parse(&url).expect("valid")));
    assert!(matches!(error, GitError::Untrusted { .. }), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("authority")));
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_host() {
    let origin = Origin::new();
    let target = Forge::start(Manner::Guarded(origin.path().to_owned(), HEADER));
    let redirect = |host: &str| {
        let port = target.address().port();
        let location = format!("http://{host}:{port}/origin.git/info/refs?service=git-upload-pack");
        Forge::start(Manner::Redirect(location))
    };
    let away = redirect("localhost");
    let error = failure(&origin, spec(away.url("", "origin.git"), token()));
    assert!(matches!(error, GitError::Remote { .. }), "{error:?}");
    assert!(target.asked().is_empty(), "{:?}", target.asked());
    // A forge that moved a repository says so on its own host.
    let here = redirect("127.0.0.1");
    let dir = origin.path().join("moved.git");
    let mirror = Mirror::open_or_init(&dir, spec(here.url("", "old.git"), token())).expect("a mirror");
    assert_eq!(mirror.fetch().expect("fetched").tip, origin.head());
}
