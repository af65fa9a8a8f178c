// SPDX-License-Identifier: AGPL-3.0-or-later

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use shoal_oci::Algorithm;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use super::*;
use crate::access::JobAccess;

/// The fields of one event; `target` and `level` among them.
pub(crate) type Fields = BTreeMap<String, String>;

/// Keeps every event.
#[derive(Clone, Default)]
pub(crate) struct Capture(Arc<Mutex<Vec<Fields>>>);

impl Capture {
    /// Every event so far.
    pub(crate) fn events(&self) -> Vec<Fields> {
        self.0.lock().unwrap().clone()
    }
}

struct Kept(Fields);

impl Visit for Kept {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl Subscriber for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut kept = Kept(Fields::new());
        event.record(&mut kept);
        kept.0.insert("target".to_owned(), event.metadata().target().to_owned());
        kept.0.insert("level".to_owned(), event.metadata().level().to_string());
        self.0.lock().unwrap().push(kept.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn captured(act: impl FnOnce()) -> Vec<Fields> {
    let capture = Capture::default();
    tracing::subscriber::with_default(capture.clone(), act);
    capture.events()
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let common = [("target", "audit"), ("message", "registry")];
    common.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn every_event_has_its_fields_and_no_others() {
    let ada = Caller::Account("ada".to_owned());
    let who = Who { caller: &ada, peer: Some("192.0.2.1:4000".parse().unwrap()) };
    let repository = RepositoryName::parse("os-images/debian").unwrap();
    let from = RepositoryName::parse("tools/oras").unwrap();
    let named = Tag::parse("13").unwrap();
    let digest = Digest::of(Algorithm::Sha256, b"x");
    let hash = digest.as_str();
    let events = captured(|| {
        push(&who, &repository, &digest, 7);
        tag(&who, &repository, &named, &digest);
        delete_tag(&who, &repository, &named);
        delete(&who, &repository, &digest);
        mount(&who, &repository, Some(&from), &digest);
        mount(&who, &repository, None, &digest);
        login_refused("ada", who.peer, "wrong");
        login_refused("", None, "wait");
        denied(&who, Right::Push, Some(&repository));
        denied(&who, Right::Admin, None);
        gc("schedule", None, Outcome::Done, 9);
        scrub("ada", who.peer, Outcome::Stopped, 10);
        restore("ada", who.peer, &digest);
        corrupt(&digest);
    });
    let (info, warn, by) = (("level", "INFO"), ("level", "WARN"), ("user", "ada"));
    let (peer, done, here) =
        (("peer", "192.0.2.1:4000"), ("outcome", "done"), ("repository", "os-images/debian"));
    let of = ("digest", hash);
    let expected = [
        fields(&[info, by, peer, done, here, of, ("op", "push"), ("bytes", "7")]),
        fields(&[info, by, peer, done, here, of, ("op", "tag"), ("reference", "13")]),
        fields(&[info, by, peer, done, here, ("op", "delete"), ("reference", "13")]),
        fields(&[info, by, peer, done, here, of, ("op", "delete")]),
        fields(&[info, by, peer, done, here, of, ("op", "mount"), ("reference", "tools/oras")]),
        fields(&[info, by, peer, done, here, of, ("op", "mount")]),
        fields(&[warn, by, peer, ("op", "login"), ("outcome", "wrong")]),
        fields(&[warn, ("op", "login"), ("outcome", "wait")]),
        fields(&[warn, by, peer, here, ("op", "denied"), ("outcome", "denied"), ("reference", "push")]),
        fields(&[warn, by, peer, ("op", "denied"), ("outcome", "denied"), ("reference", "admin")]),
        fields(&[info, done, ("op", "gc"), ("user", "schedule"), ("bytes", "9")]),
        fields(&[info, by, peer, ("op", "scrub"), ("outcome", "stopped"), ("bytes", "10")]),
        fields(&[info, by, peer, done, of, ("op", "restore")]),
        fields(&[("level", "ERROR"), of, ("op", "corrupt"), ("outcome", "quarantined")]),
    ];
    assert_eq!(events, expected);
}

#[test]
fn a_job_is_named_by_its_job_and_not_by_its_token() {
    let repository = RepositoryName::parse("os-images/debian").unwrap();
    let job = Caller::Job(JobAccess { repository: repository.clone(), job: "j-17".to_owned() });
    let events = captured(|| denied(&Who { caller: &job, peer: None }, Right::Push, Some(&repository)));
    assert_eq!(events[0]["user"], "job:j-17");
}
