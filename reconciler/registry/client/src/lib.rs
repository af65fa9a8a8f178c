// SPDX-License-Identifier: AGPL-3.0-or-later
//! Talks to OCI registries: push with resume, pull with verification, bundles for air gaps.
