// SPDX-License-Identifier: AGPL-3.0-or-later
//! The grammar of OCI content: names, tags, digests, descriptors, manifests, errors. No IO.
