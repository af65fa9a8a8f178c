// SPDX-License-Identifier: AGPL-3.0-or-later
//! The end of a run that went well: files for the steps, then the target.

use shoal_schema::disk::DiskFacts;
use shoal_schema::wire::permit::Grant;
use shoal_schema::wire::task::Identity;

use super::error::RunError;
use crate::documents::{Recipe, TaskSheet};
use crate::host::Host;
use crate::output::files::{self, Sources};
use crate::output::{HANDED_OFF, OutputFile};
use crate::session::Session;
use crate::transport::{Route, route_url};

/// What the hand-over is made of.
pub(super) struct HandOver<'a> {
    pub(super) sheet: &'a TaskSheet,
    pub(super) recipe: &'a Recipe,
    pub(super) grant: &'a Grant,
    pub(super) target: &'a str,
    pub(super) disk: Option<&'a DiskFacts>,
    pub(super) identity: &'a Identity,
    pub(super) boot_id: &'a str,
    pub(super) session: &'a Session,
}

impl HandOver<'_> {
    /// Writes every file.
    pub(super) async fn write<H: Host + ?Sized>(&self, host: &H) -> Result<(), RunError> {
        let webhook_url =
            route_url(self.sheet.endpoint.base(), &Route::Webhook(self.session.machine.clone()));
        let files = files::render(&Sources {
            task: &self.sheet.task,
            recipe: &self.recipe.recipe,
            grant: self.grant,
            target: self.target,
            disk: self.disk,
            serial: self.identity.serial.as_deref(),
            boot_id: self.boot_id,
            schema_id: &self.recipe.schema_id,
            webhook_url: webhook_url.as_str(),
        })?;
        for file in &files {
            host.write(file).await.map_err(RunError::output(file.path))?;
        }
        Ok(())
    }

    /// Starts the target. The mark comes first: a crash in between starts it again, never does the rest again.
    pub(super) async fn start<H: Host + ?Sized>(&self, host: &H) -> Result<(), RunError> {
        let mark = OutputFile::public(HANDED_OFF, format!("{}\n", self.target));
        host.write(&mark).await.map_err(RunError::output(HANDED_OFF))?;
        start(host, self.target).await
    }
}

/// Starts a target that was checked before.
pub(super) async fn start<H: Host + ?Sized>(host: &H, target: &str) -> Result<(), RunError> {
    host.start(target).await.map_err(|source| RunError::Start { target: target.to_owned(), source })
}
