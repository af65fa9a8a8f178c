// SPDX-License-Identifier: AGPL-3.0-or-later
//! The registry against the OCI Distribution Specification, over HTTP, section by section.
//!
//! `requirements.list` has every requirement; a test names in a comment `covers:` those that it shows.
//! docs/registry-conformance.md is made of both, and a requirement without a test is an error there.

mod api;
mod between;
mod cancel;
mod category;
mod chunks;
mod client;
mod content;
mod delete;
mod errors;
mod head;
mod mount;
mod proxying;
mod pull_blobs;
mod pull_manifests;
mod push;
mod push_blobs;
mod push_manifests;
mod referrers;
mod rules;
mod subject;
mod support;
mod tags;
mod upgrade;
mod warnings;
