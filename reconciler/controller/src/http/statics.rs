// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/static/…`: files out of one directory, read only. No path can leave it.

use std::fs::File;
use std::path::{Component, Path as FsPath, PathBuf};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method};

use super::error::ApiError;
use super::media::send;
use crate::controller::Controller;
use crate::media::Body;

pub(crate) async fn serve(
    State(controller): State<Arc<Controller>>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let gone = || ApiError::not_found("there is no such file").into_response();
    let Some(dir) = controller.settings.static_dir.clone() else { return gone() };
    let opened = controller.blocking.run(move || open(&dir, &path)).await;
    match opened {
        Ok(Some(body)) => send(controller.blocking, &body, &method, &headers),
        _ => gone(),
    }
}

/// A regular file below the directory, with every link on the way resolved.
fn open(dir: &FsPath, path: &str) -> Option<Body> {
    let relative = PathBuf::from(path);
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let root = dir.canonicalize().ok()?;
    let full = root.join(relative).canonicalize().ok()?;
    if !full.starts_with(&root) {
        return None;
    }
    let file = File::open(&full).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() {
        return None;
    }
    let changed = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let content_type = match full.extension().and_then(|extension| extension.to_str()) {
        Some("iso") => "application/x-iso9660-image",
        _ => "application/octet-stream",
    };
    Some(Body {
        etag: format!("{:x}-{:x}", meta.len(), changed.as_nanos()),
        source: Arc::new(file),
        content_type,
    })
}
