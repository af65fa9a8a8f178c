// SPDX-License-Identifier: AGPL-3.0-or-later
//! The OCI Distribution service over HTTP: routes, access, quotas, metrics, maintenance.
