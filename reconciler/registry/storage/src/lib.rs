// SPDX-License-Identifier: AGPL-3.0-or-later
//! OCI content on disk: an image layout, crash-safe, checked on every read, collected with care.
