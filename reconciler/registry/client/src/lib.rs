// SPDX-License-Identifier: AGPL-3.0-or-later
//! Talks to OCI registries: push with resume, pull with verification, bundles for air gaps.
//!
//! # Guarantees
//!
//! * Whatever is pulled by digest has that digest, or the call fails. Bytes already handed to a writer
//!   are not to be used until the call returned.
//! * Memory is constant: blobs are streamed in pieces, both ways. Manifests are bounded.
//! * Credentials go to the registry that they were given for (and to its token server), never to the
//!   target of a redirect, never over plain HTTP except to this machine.
//! * Every wait and every repetition is bounded.
//! * The same file pushed twice is the same artifact; the same images exported twice are the same file.
//!
//! # What it does not do
//!
//! It reads no environment and no home directory ([`credentials_from_auth_files()`] takes texts), it
//! prints nothing, and it starts no credential helpers.

mod auth;
mod bundle;
mod call;
mod client;
mod delete;
mod error;
mod image;
mod link;
mod list;
mod options;
mod presence;
mod progress;
mod pull;
mod push;
mod referrers;
mod retry;
mod source;

pub use auth::files::{AuthFileError, AuthFilePlaces, AuthLookup, credentials_from_auth_files};
pub use bundle::error::BundleError;
pub use bundle::export::{ExportItem, Exported, export};
pub use bundle::import::{ImportOptions, Imported, ImportedImage, import};
pub use client::Client;
pub use error::{Answer, ClientError, Operation, Place};
pub use image::detect::{Compression, Detected, ImageFileError, detect_format};
pub use image::media::layer_media_type;
pub use options::{ClientOptions, Credentials, Retries, Timeouts};
pub use presence::{DeepPresence, Presence};
pub use progress::{Progress, ProgressUpdate, SharedProgress, Stage, silent};
pub use pull::blob::BlobPull;
pub use pull::manifest::{PulledManifest, select_platform};
pub use push::artifact::{FilePush, PushedArtifact};
pub use push::blob::BlobOutcome;
pub use source::BlobSource;
