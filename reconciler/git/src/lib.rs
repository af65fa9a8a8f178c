// SPDX-License-Identifier: AGPL-3.0-or-later
//! Git: a bare mirror to read blobs from, clones on an operator's machine, and the status branch.
//!
//! The only crate that knows libgit2. It deals in paths, blobs and commits, and knows nothing of
//! what the files mean.
//!
//! * [`Mirror`] keeps a bare copy of the watched branch and of the status branch.
//! * [`CloneView`] opens a clone for the command line; [`TempMirror`] copies a remote for one command.
//! * [`Reader`], from any of them, reads trees, blobs and history at any revision.
//! * [`StatusWriter`] publishes status without ever forcing the branch.
//! * [`GitRemote`] is the seam around the network, where a fake or a `git` process can stand in.
//!
//! Guarantees: never a checkout, no hook, no filter; nothing of a repository is executed. Addresses
//! are printed without credentials. Calls block: run them where blocking is allowed.
//! Assumptions: object names are SHA-1; a repository with SHA-256 names is refused by name.
//! The library reads the configuration of the repository and of the user, as git does; of it only
//! the user's identity, `safe.directory`, `url.*.insteadOf` and how objects are flushed have an effect.
//! Does not verify signatures.

mod clone;
mod credentials;
mod edit;
mod error;
mod id;
mod mirror;
mod open;
mod pack;
mod read;
mod remote;
mod status;
mod temp;
mod url;
mod worktree;

pub use clone::{CloneView, StatusRef};
pub use credentials::{Credential, CredentialError, CredentialSource, Token};
pub use edit::{Files, InvalidPath};
pub use error::{Cause, GitError};
pub use id::{BlobId, CommitId, InvalidId, TreeId};
pub use mirror::{Fetched, Maintenance, Mirror, RemoteSpec};
pub use read::{
    BlobEntry, Change, ChangeKind, CommitInfo, Limits, PathFilter, Reader, Refused, TreeSnapshot, Why,
};
pub use remote::{
    GitRemote, PushOutcome, RefUpdate, RemoteTip, Timeouts, UpdateKind, connect as connect_remote,
};
pub use status::{
    Author, InvalidMessage, PublishOutcome, Rebuild, Refuse, Rotated, StatusCommit, StatusError, StatusTip,
    StatusWriter,
};
pub use temp::TempMirror;
pub use url::{InvalidUrl, RemoteUrl, mask_urls};
pub use worktree::{Change as WorktreeChange, Identity, WorktreeError, Written};
