// SPDX-License-Identifier: AGPL-3.0-or-later
//! Audit events: who changed what, who was turned away, and what was found damaged.
//!
//! Every event goes to the log with the target `audit`, one function for each. The fields are always
//! the same: `op`, `repository`, `reference` (a tag or what was named), `digest`, `user`, `peer`,
//! `outcome`, `bytes`; those without a meaning for an event are left out. Names of accounts that do not
//! exist, passwords and tokens are never part of one.

use std::net::SocketAddr;

use shoal_oci::{Digest, RepositoryName, Tag};

use crate::access::Caller;
use crate::policy::Right;

/// Who did it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who<'a> {
    /// The caller.
    pub(crate) caller: &'a Caller,
    /// The address at the other end, where there is one.
    pub(crate) peer: Option<SocketAddr>,
}

/// What an event says. What is `None` is left out.
#[derive(Default)]
struct Event<'a> {
    op: &'static str,
    repository: Option<&'a RepositoryName>,
    reference: Option<&'a str>,
    digest: Option<&'a Digest>,
    user: Option<String>,
    peer: Option<SocketAddr>,
    outcome: &'static str,
    bytes: Option<u64>,
}

macro_rules! emit {
    ($level:ident, $event:expr) => {{
        let event: Event<'_> = $event;
        tracing::$level!(
            target: "audit",
            op = event.op,
            repository = event.repository.map(tracing::field::display),
            reference = event.reference,
            digest = event.digest.map(tracing::field::display),
            user = event.user,
            peer = event.peer.map(tracing::field::display),
            outcome = event.outcome,
            bytes = event.bytes,
            "registry"
        );
    }};
}

/// A blob or a manifest was stored.
pub(crate) fn push(who: &Who<'_>, repository: &RepositoryName, digest: &Digest, bytes: u64) {
    emit!(
        info,
        Event {
            repository: Some(repository),
            digest: Some(digest),
            bytes: Some(bytes),
            ..Event::by(who, "push")
        }
    );
}

/// A tag names a manifest from now on.
pub(crate) fn tag(who: &Who<'_>, repository: &RepositoryName, tag: &Tag, digest: &Digest) {
    emit!(
        info,
        Event {
            repository: Some(repository),
            reference: Some(tag.as_str()),
            digest: Some(digest),
            ..Event::by(who, "tag")
        }
    );
}

/// A tag was deleted.
pub(crate) fn delete_tag(who: &Who<'_>, repository: &RepositoryName, tag: &Tag) {
    emit!(
        info,
        Event { repository: Some(repository), reference: Some(tag.as_str()), ..Event::by(who, "delete") }
    );
}

/// A manifest or a blob was deleted from a repository.
pub(crate) fn delete(who: &Who<'_>, repository: &RepositoryName, digest: &Digest) {
    emit!(info, Event { repository: Some(repository), digest: Some(digest), ..Event::by(who, "delete") });
}

/// A blob of another repository belongs to this one too; `from` where the caller named it.
pub(crate) fn mount(
    who: &Who<'_>,
    repository: &RepositoryName,
    from: Option<&RepositoryName>,
    digest: &Digest,
) {
    emit!(
        info,
        Event {
            repository: Some(repository),
            reference: from.map(RepositoryName::as_str),
            digest: Some(digest),
            ..Event::by(who, "mount")
        }
    );
}

/// Nobody was let in. `user` is the name of an account that exists, or empty; `outcome` is `wrong`, or
/// `wait` where the address was not heard because it was wrong too often.
pub(crate) fn login_refused(user: &str, peer: Option<SocketAddr>, outcome: &'static str) {
    let user = (!user.is_empty()).then(|| user.to_owned());
    emit!(warn, Event { op: "login", user, peer, outcome, ..Event::default() });
}

/// Somebody known may not do what they asked for; `repository` is missing where it was about the whole
/// registry.
pub(crate) fn denied(who: &Who<'_>, right: Right, repository: Option<&RepositoryName>) {
    emit!(
        warn,
        Event { repository, reference: Some(right.as_str()), outcome: "denied", ..Event::by(who, "denied") }
    );
}

/// A garbage collection ended, having taken out `bytes`. `user` is who asked for it, or `schedule`.
pub(crate) fn gc(user: &str, peer: Option<SocketAddr>, outcome: Outcome, bytes: u64) {
    emit!(info, Event { bytes: Some(bytes), ..Event::maintenance("gc", user, peer, outcome) });
}

/// A scrub ended, having read `bytes`. `user` is who asked for it, or `schedule`.
pub(crate) fn scrub(user: &str, peer: Option<SocketAddr>, outcome: Outcome, bytes: u64) {
    emit!(info, Event { bytes: Some(bytes), ..Event::maintenance("scrub", user, peer, outcome) });
}

/// Content came back out of quarantine.
pub(crate) fn restore(user: &str, peer: Option<SocketAddr>, digest: &Digest) {
    emit!(info, Event { digest: Some(digest), ..Event::maintenance("restore", user, peer, Outcome::Done) });
}

/// Content is not what its digest says, and is in quarantine now.
pub(crate) fn corrupt(digest: &Digest) {
    emit!(error, Event { op: "corrupt", digest: Some(digest), outcome: "quarantined", ..Event::default() });
}

/// How maintenance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As asked for.
    Done,
    /// It was told to stop before its end.
    Stopped,
    /// Something failed; the log says what.
    Failed,
}

// === impl Outcome ===

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

// === impl Event ===

impl Event<'_> {
    fn by(who: &Who<'_>, op: &'static str) -> Self {
        Self { op, user: Some(who.caller.to_string()), peer: who.peer, outcome: "done", ..Self::default() }
    }

    fn maintenance(op: &'static str, user: &str, peer: Option<SocketAddr>, outcome: Outcome) -> Self {
        Self { op, user: Some(user.to_owned()), peer, outcome: outcome.as_str(), ..Self::default() }
    }
}

#[cfg(test)]
pub(crate) mod tests;
