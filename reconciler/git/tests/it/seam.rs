// SPDX-License-Identifier: AGPL-3.0-or-later
//! Other implementations of the network side, in front of the real one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use shoal_git::{
    Cause, Credential, GitError, GitRemote, Mirror, PublishOutcome, PushOutcome, RefUpdate, RemoteSpec,
    RemoteTip, StatusError, Timeouts, connect_remote,
};

use crate::common::{Origin, files, git, publish, status};

/// Does something before each push; what it answers takes the place of the push.
struct Before<F> {
    real: Arc<dyn GitRemote>,
    pushes: AtomicU32,
    act: F,
}

impl<F> GitRemote for Before<F>
where
    F: Fn(u32) -> Option<Result<PushOutcome, GitError>> + Send + Sync,
{
    fn fetch(&self, into: &Path, branch: Option<&str>, beside: &str) -> Result<RemoteTip, GitError> {
        self.real.fetch(into, branch, beside)
    }

    fn push(&self, from: &Path, update: &RefUpdate) -> Result<PushOutcome, GitError> {
        let number = self.pushes.fetch_add(1, Ordering::Relaxed) + 1;
        (self.act)(number).unwrap_or_else(|| self.real.push(from, update))
    }
}

fn mirror<F>(origin: &Origin, act: F) -> Mirror
where
    F: Fn(u32) -> Option<Result<PushOutcome, GitError>> + Send + Sync + 'static,
{
    let real = connect_remote(&origin.url(), Arc::new(Credential::None), Timeouts::default());
    let remote = Arc::new(Before { real: Arc::clone(&real), pushes: AtomicU32::new(0), act });
    Mirror::with_remotes(&origin.mirror_dir(), RemoteSpec::new(origin.url()), real, remote).expect("a mirror")
}

#[test]
fn a_lock_that_was_held_for_a_moment_is_tried_again_without_asking() {
    let origin = Origin::new();
    let mirror = mirror(&origin, |number| {
        (number == 1)
            .then(|| Ok(PushOutcome::Rejected { reason: "cannot lock ref 'refs/heads/shoal/status'".into() }))
    });
    let outcome = publish(&mirror, &[("a", Some("1"))]);
    assert!(matches!(outcome, PublishOutcome::Pushed { attempts: 2, .. }), "{outcome:?}");
}

#[test]
fn a_writer_that_always_loses_gives_up_after_the_tries_it_has() {
    let origin = Origin::new();
    let faster = origin.mirror_at("faster.git");
    publish(&faster, &[("other", Some("0"))]);
    let mirror = mirror(&origin, move |number| {
        publish(&faster, &[("other", Some(&number.to_string()))]);
        None
    });
    mirror.fetch_status().expect("fetched");
    let mut asked = 0;
    let mine = files(&[("mine", Some("1"))]);
    let error = mirror
        .status_writer()
        .with_attempts(3)
        .publish(&status(mine.clone()), &mut |_| {
            asked += 1;
            Ok(mine.clone())
        })
        .expect_err("it never wins");
    assert!(matches!(error, StatusError::Contended { attempts: 3, .. }), "{error}");
    assert!(error.hint().is_some());
    assert_eq!(asked, 3);
    assert_eq!(git(&origin.bare(), &["rev-list", "--count", "shoal/status"]), "4");
}

#[test]
fn a_push_whose_answer_was_lost_is_not_made_twice() {
    let origin = Origin::new();
    let url = origin.url();
    let lost = move || GitError::Unreachable { url: url.clone(), source: Cause::new("connection reset") };
    let real = connect_remote(&origin.url(), Arc::new(Credential::None), Timeouts::default());
    let from = origin.mirror_dir();
    let mirror = {
        let url = origin.url();
        let deaf = Deaf { real: Arc::clone(&real), lost: AtomicU32::new(0), error: Box::new(lost) };
        Mirror::with_remotes(&from, RemoteSpec::new(url), real, Arc::new(deaf)).expect("a mirror")
    };
    let writer = mirror.status_writer();
    let commit = status(files(&[("a", Some("1"))]));
    let error = writer.publish(&commit, &mut |_| panic!("not asked")).expect_err("no answer");
    assert!(matches!(error, StatusError::Git(GitError::Unreachable { .. })), "{error}");
    // It did arrive; the next try finds its own files there.
    let outcome = writer.publish(&commit, &mut |_| Ok(commit.files.clone())).expect("looked at");
    assert_eq!(outcome, PublishOutcome::Unchanged);
    assert_eq!(git(&origin.bare(), &["rev-list", "--count", "shoal/status"]), "1");
    publish(&mirror, &[("a", Some("2"))]);
}

/// Pushes, and loses the first answer.
struct Deaf {
    real: Arc<dyn GitRemote>,
    lost: AtomicU32,
    error: Box<dyn Fn() -> GitError + Send + Sync>,
}

impl GitRemote for Deaf {
    fn fetch(&self, into: &Path, branch: Option<&str>, beside: &str) -> Result<RemoteTip, GitError> {
        self.real.fetch(into, branch, beside)
    }

    fn push(&self, from: &Path, update: &RefUpdate) -> Result<PushOutcome, GitError> {
        let outcome = self.real.push(from, update)?;
        if self.lost.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err((self.error)());
        }
        Ok(outcome)
    }
}
