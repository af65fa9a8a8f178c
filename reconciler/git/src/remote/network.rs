// SPDX-License-Identifier: AGPL-3.0-or-later
//! A remote over HTTPS or SSH, through libgit2's transports.
//!
//! Guarantees: credentials are asked for once per connection, shown only to the remote itself and
//! never over an unencrypted connection; certificate and host key are always checked by the
//! library; redirects are followed on the first request only; no tags are fetched; the present
//! value of a pushed branch is compared before anything is sent, and the server compares again.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{
    AutotagOption, Cred, CredentialType, Direction, ErrorClass, ErrorCode, FetchOptions, PushOptions, Remote,
    RemoteCallbacks,
};

use super::explain::explain;
use super::heads::choose;
use super::watchdog::{Expired, Pulse, Watchdog};
use super::{GitRemote, PushOutcome, RefUpdate, RemoteTip, SAID, Timeouts, UpdateKind, head_ref};
use crate::error::plain;
use crate::open::open_mirror;
use crate::{Cause, CommitId, Credential, CredentialSource, GitError, RemoteUrl};

/// The user of an SSH address that names none: what every forge uses.
const SSH_USER: &str = "git";

/// Most that is kept of what a server says beside its answer, in bytes.
const MAX_SAID: usize = 2000;

pub(super) struct NetworkRemote {
    peer: Arc<Peer>,
    timeouts: Timeouts,
    watchdog: Watchdog,
}

impl NetworkRemote {
    pub(super) fn new(url: RemoteUrl, credentials: Arc<dyn CredentialSource>, timeouts: Timeouts) -> Self {
        Self { peer: Arc::new(Peer { url, credentials }), timeouts, watchdog: Watchdog::default() }
    }

    fn watched<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Peer, &Pulse) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let url = &self.peer.url;
        if url.is_readable_on_the_way() && url.has_password() {
            return Err(GitError::Insecure { url: url.clone() });
        }
        let peer = Arc::clone(&self.peer);
        self.watchdog.run(self.timeouts, move |pulse| work(&peer, pulse)).unwrap_or_else(|expired| {
            let url = url.clone();
            Err(match expired {
                Expired::Silent { stage, after } => GitError::TimedOut { url, stage, after },
                Expired::Stuck { count } => GitError::Stuck { url, count },
                Expired::Broken => GitError::Remote {
                    action: "run a call to",
                    url,
                    source: Cause::new("the thread that talks to it could not run"),
                },
            })
        })
    }
}

impl GitRemote for NetworkRemote {
    fn fetch(&self, into: &Path, branch: Option<&str>, beside: &str) -> Result<RemoteTip, GitError> {
        let (into, beside) = (into.to_owned(), beside.to_owned());
        let branch = branch.map(str::to_owned);
        self.watched(move |peer, pulse| peer.fetch(&into, branch.as_deref(), &beside, pulse))
    }

    fn push(&self, from: &Path, update: &RefUpdate) -> Result<PushOutcome, GitError> {
        let from: PathBuf = from.to_owned();
        let update = update.clone();
        self.watched(move |peer, pulse| peer.push(&from, &update, pulse))
    }
}

/// What a thread needs of us.
struct Peer {
    url: RemoteUrl,
    credentials: Arc<dyn CredentialSource>,
}

/// The first failure inside a callback, which the library would only report as a number.
type Failure = RefCell<Option<GitError>>;

impl Peer {
    fn fetch(
        &self,
        into: &Path,
        branch: Option<&str>,
        beside: &str,
        pulse: &Pulse,
    ) -> Result<RemoteTip, GitError> {
        const ACTION: &str = "fetch from";
        let ours = open_mirror(into)?;
        let failure = Failure::default();
        let failed = |error: git2::Error| self.explain(ACTION, error, &failure);
        let mut remote = ours
            .remote_anonymous(self.url.expose())
            .map_err(|error| self.explain(ACTION, error, &failure))?;
        let mut connection = remote
            .connect_auth(Direction::Fetch, Some(self.callbacks(pulse, &failure)), None)
            .map_err(failed)?;
        pulse.connected();
        let tip = choose(&self.url, connection.list().map_err(failed)?, branch, beside)?;
        if !ours.odb().map_err(failed)?.exists(tip.commit.to_oid()) {
            let name = head_ref(&tip.branch)?;
            self.download(connection.remote(), &name, pulse, &failure).map_err(failed)?;
        }
        Ok(tip)
    }

    fn download(
        &self,
        remote: &mut Remote<'_>,
        name: &str,
        pulse: &Pulse,
        failure: &Failure,
    ) -> Result<(), git2::Error> {
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(self.callbacks(pulse, failure))
            .download_tags(AutotagOption::None)
            .update_fetchhead(false);
        remote.download(&[format!("{name}:{name}")], Some(&mut options))
    }

    fn push(&self, from: &Path, update: &RefUpdate, pulse: &Pulse) -> Result<PushOutcome, GitError> {
        const ACTION: &str = "push to";
        let name = head_ref(&update.branch)?;
        let ours = open_mirror(from)?;
        let failure = Failure::default();
        let rejected = RefCell::new(None::<String>);
        let said = RefCell::new(Vec::new());
        let mut remote = ours
            .remote_anonymous(self.url.expose())
            .map_err(|error| self.explain(ACTION, error, &failure))?;
        let mut callbacks = self.callbacks(pulse, &failure);
        let expected = update.expected.map_or(git2::Oid::ZERO_SHA1, CommitId::to_oid);
        callbacks.push_negotiation(|updates| {
            pulse.connected();
            // The lease: what the server says now must be what the caller built on.
            if updates.iter().any(|update| update.src() != expected) {
                *rejected.borrow_mut() = Some("the branch has moved".to_owned());
                return Err(git2::Error::from_str("the branch has moved"));
            }
            Ok(())
        });
        callbacks.push_update_reference(|_, status| {
            if let Some(reason) = status {
                *rejected.borrow_mut() = Some(plain(reason));
            }
            Ok(())
        });
        // Why a server does not want a push is said here, or nowhere.
        callbacks.sideband_progress(|text| {
            let mut said = said.borrow_mut();
            let room = MAX_SAID.saturating_sub(said.len());
            said.extend_from_slice(&text[..text.len().min(room)]);
            pulse.beat()
        });
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks).packbuilder_parallelism(0);
        let force = match update.kind {
            UpdateKind::FastForward => "",
            UpdateKind::Replace => "+",
        };
        let refspec = format!("{force}{}:{name}", update.new);
        let pushed = remote.push(&[refspec], Some(&mut options));
        drop(options);
        let said = said.take();
        if let Some(reason) = rejected.take() {
            return Ok(PushOutcome::Rejected { reason: with_said(reason, &said) });
        }
        match pushed {
            Ok(()) => Ok(PushOutcome::Accepted),
            Err(error) if error.code() == ErrorCode::NotFastForward => {
                Ok(PushOutcome::Rejected { reason: plain(error.message()) })
            }
            Err(error) => Err(match self.explain(ACTION, error, &failure) {
                GitError::Remote { action, url, source } => {
                    let source = Cause { message: with_said(source.message, &said) };
                    GitError::Remote { action, url, source }
                }
                other => other,
            }),
        }
    }

    /// The first failure of a callback, or what the library's own failure means.
    fn explain(&self, action: &'static str, error: git2::Error, failure: &Failure) -> GitError {
        failure.take().unwrap_or_else(|| explain(action, &self.url, &error))
    }

    fn callbacks<'a>(&'a self, pulse: &'a Pulse, failure: &'a Failure) -> RemoteCallbacks<'a> {
        let mut callbacks = RemoteCallbacks::new();
        let mut asked = false;
        callbacks
            .credentials(move |_, user, allowed| {
                pulse.beat();
                self.credential(user, allowed, &mut asked).map_err(|error| {
                    let code =
                        git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, "no usable credentials");
                    failure.borrow_mut().get_or_insert(error);
                    code
                })
            })
            .transfer_progress(move |_| pulse.beat())
            .sideband_progress(move |_| pulse.beat())
            .push_transfer_progress(move |_, _, _| {
                pulse.beat();
            })
            .pack_progress(move |_, _, _| {
                pulse.beat();
            });
        callbacks
    }

    fn credential(
        &self,
        user: Option<&str>,
        allowed: CredentialType,
        asked: &mut bool,
    ) -> Result<Cred, GitError> {
        let refused = |why: &str| GitError::Auth { url: self.url.clone(), source: Cause::new(why) };
        if self.url.is_readable_on_the_way() {
            return Err(GitError::Insecure { url: self.url.clone() });
        }
        // SSH asks for the name first when the address has none, and for the proof afterwards.
        let name_only = allowed == CredentialType::USERNAME;
        if *asked && !name_only {
            return Err(refused("the remote did not accept the credentials"));
        }
        let credential = self
            .credentials
            .credential(&self.url)
            .map_err(|source| GitError::Credentials { url: self.url.clone(), source })?;
        let ssh_user = |username: &Option<String>| {
            user.map(str::to_owned).or_else(|| username.clone()).unwrap_or_else(|| SSH_USER.to_owned())
        };
        let made = if name_only {
            match &credential {
                Credential::SshKeyFile { username, .. }
                | Credential::SshKey { username, .. }
                | Credential::SshAgent { username } => Cred::username(&ssh_user(username)),
                Credential::UserPass { username, .. } => Cred::username(username),
                Credential::None => return Err(refused("no credentials are configured")),
            }
        } else {
            *asked = true;
            let wants_key = allowed.contains(CredentialType::SSH_KEY);
            match &credential {
                Credential::None => return Err(refused("no credentials are configured")),
                Credential::UserPass { username, password }
                    if allowed.contains(CredentialType::USER_PASS_PLAINTEXT) =>
                {
                    Cred::userpass_plaintext(username, password.expose())
                }
                Credential::SshKeyFile { username, private_key, passphrase } if wants_key => Cred::ssh_key(
                    &ssh_user(username),
                    None,
                    private_key,
                    passphrase.as_ref().map(crate::Token::expose),
                ),
                Credential::SshKey { username, private_key, passphrase }
                    if allowed.contains(CredentialType::SSH_MEMORY) || wants_key =>
                {
                    Cred::ssh_key_from_memory(
                        &ssh_user(username),
                        None,
                        private_key.expose(),
                        passphrase.as_ref().map(crate::Token::expose),
                    )
                }
                Credential::SshAgent { username } if wants_key => {
                    Cred::ssh_key_from_agent(&ssh_user(username))
                }
                Credential::UserPass { .. } => {
                    return Err(refused("the remote wants an SSH key, not a password"));
                }
                _ => return Err(refused("the remote wants a password or token, not a key")),
            }
        };
        made.map_err(|error| refused(error.message()))
    }
}

/// A reason, with what the server said beside it.
fn with_said(reason: String, said: &[u8]) -> String {
    let said = plain(&String::from_utf8_lossy(said));
    if said.is_empty() { reason } else { format!("{reason}{SAID}{said})") }
}
