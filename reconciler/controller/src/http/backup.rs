// SPDX-License-Identifier: AGPL-3.0-or-later
//! A backup of the database while the controller works on it, as a stream.
//!
//! Guarantees: one moment of the database; a few pieces of it in memory, however slow the reader is; a stream that
//! breaks off is no whole answer. The view that it is read from does not stay open for a reader that stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use shoal_registry::Administrator;
use shoal_store::FORMAT;
use shoal_store::export::{About, ExportError, Exporter};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::error::ApiError;
use crate::controller::Controller;
use crate::jobs::perform::chain;

/// Pieces between the database and the reader.
const PIECES: usize = 4;
/// A reader that takes no piece for so long is gone.
const STILL: Duration = Duration::from_secs(60);
/// The database's old pages are kept for a backup's sake: not longer than this.
const AT_MOST: Duration = Duration::from_secs(3600);

/// One piece of the stream, or why there is no more.
type Piece = Result<Bytes, std::io::Error>;
/// Where the pieces come from; nothing after an error.
type Taken = Option<mpsc::Receiver<Bytes>>;

pub(crate) async fn backup(
    State(controller): State<Arc<Controller>>,
    Extension(Administrator(by)): Extension<Administrator>,
) -> Result<Response, ApiError> {
    let turn = Arc::clone(&controller.backing_up).try_acquire_owned().map_err(|_| {
        ApiError::conflict("backup_running", "another backup is being taken right now")
            .hint("wait until it is done, and try again")
    })?;
    let failed = |error: &dyn std::error::Error| {
        let why = chain(error);
        tracing::error!(by, why, "no backup of the database can be taken");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "database", why)
    };
    let (made_at, made_by) = (controller.now(), format!("shoal {}", controller.settings.version));
    let fleet = controller.world().inventory.fleet.as_ref().map(|fleet| fleet.value.metadata.name.clone());
    let store = Arc::clone(&controller.store);
    let begin = move || {
        let snapshot = store.snapshot()?;
        let about = About::of(&*snapshot, FORMAT, made_at, &made_by, fleet)?;
        Ok::<_, ExportError>((about.file_name(), Exporter::new(snapshot, about)))
    };
    let (name, exporter) = controller
        .blocking
        .run(begin)
        .await
        .map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))?;
    tracing::info!(by, "a backup of the database is being taken");
    let (pieces, taken) = mpsc::channel(PIECES);
    let whole = Arc::new(AtomicBool::new(false));
    controller.tasks.spawn(feed(Arc::clone(&controller), exporter, pieces, Arc::clone(&whole), turn, by));
    let mut response =
        Body::from_stream(stream::unfold(Some(taken), move |taken| next_piece(taken, Arc::clone(&whole))))
            .into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// What the reader is given next. Whoever broke off has said so in the log; here it must not look like an end.
async fn next_piece(taken: Taken, whole: Arc<AtomicBool>) -> Option<(Piece, Taken)> {
    let mut taken = taken?;
    match taken.recv().await {
        Some(piece) => Some((Ok(piece), Some(taken))),
        None if whole.load(Ordering::Acquire) => None,
        None => Some((Err(std::io::Error::other("the backup was broken off")), None)),
    }
}

/// Hands out piece after piece, and says how it ended.
async fn feed(
    controller: Arc<Controller>,
    exporter: Exporter,
    pieces: mpsc::Sender<Bytes>,
    whole: Arc<AtomicBool>,
    turn: OwnedSemaphorePermit,
    by: String,
) {
    let begun = Instant::now();
    let fed = tokio::select! {
        biased;
        () = controller.shutdown.cancelled() => Err("the controller stops".to_owned()),
        fed = tokio::time::timeout(AT_MOST, every_piece(&controller, exporter, &pieces)) => {
            fed.unwrap_or_else(|_| Err("it took too long".to_owned()))
        }
    };
    controller.metrics.backup(if fed.is_ok() { "ok" } else { "failed" });
    let seconds = begun.elapsed().as_secs();
    match fed {
        Ok((entries, bytes)) => {
            whole.store(true, Ordering::Release);
            tracing::info!(by, entries, bytes, seconds, "a backup of the database was taken");
        }
        Err(why) => tracing::warn!(by, why, seconds, "a backup of the database was broken off"),
    }
    drop((pieces, turn));
}

async fn every_piece(
    controller: &Controller,
    mut exporter: Exporter,
    pieces: &mpsc::Sender<Bytes>,
) -> Result<(u64, u64), String> {
    let mut bytes = 0;
    loop {
        let step = move || {
            let piece = exporter.next();
            (exporter, piece)
        };
        let (back, piece) = controller.blocking.run(step).await.map_err(|error| error.to_string())?;
        exporter = back;
        let Some(piece) = piece else { return Ok((exporter.entries(), bytes)) };
        let piece = piece.map_err(|error| chain(&error))?;
        bytes += piece.len() as u64;
        pieces
            .send_timeout(piece.into(), STILL)
            .await
            .map_err(|_| "whoever read it hung up, or stood still".to_owned())?;
    }
}
