// SPDX-License-Identifier: AGPL-3.0-or-later
//! The maintenance ISO: the seeds name it by an address; the file behind it is on this machine.

use std::path::{Path, PathBuf};

use url::Url;

use super::value::Values;

/// The path below which static files are served.
const STATIC: &str = "/static/";

/// Finds the file that `MAINTENANCE_ISO_URL` means.
pub(super) fn find(values: &mut Values<'_>, static_dir: Option<&Path>) -> Option<PathBuf> {
    const NAME: &str = "MAINTENANCE_ISO_URL";
    let Some(given) = values.layers.get(NAME).cloned() else {
        values.missing(
            NAME,
            "a path, a file:// address, or an address whose /static/isos/NAME is in STATIC_DIR",
        );
        return None;
    };
    let text = given.text.trim();
    let path = if !text.contains("://") {
        Some(PathBuf::from(text))
    } else {
        match text.parse::<Url>() {
            Ok(url) if url.scheme() == "file" => url.to_file_path().ok(),
            Ok(url) if matches!(url.scheme(), "http" | "https") => served(&url, static_dir),
            _ => None,
        }
    };
    let Some(path) = path else {
        values.wrong(NAME, given, "expected a path, a file:// address, or an address whose path begins with /static/ and names a file in STATIC_DIR");
        return None;
    };
    if !path.is_file() {
        let expected = format!("there is no file {}", path.display());
        values.wrong(NAME, given, &expected);
        return None;
    }
    Some(path)
}

/// The file that is served at an address of ours.
fn served(url: &Url, static_dir: Option<&Path>) -> Option<PathBuf> {
    let relative = url.path().strip_prefix(STATIC)?;
    let dir = static_dir?;
    // No part of an address leads out of the directory.
    if relative.contains('%') || relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return None;
    }
    let whole = dir.join(relative);
    // Where STATIC_DIR is the directory of images itself, as some have it.
    let bare = relative.strip_prefix("isos/").map(|name| dir.join(name));
    Some(if whole.is_file() { whole } else { bare.filter(|bare| bare.is_file()).unwrap_or(whole) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ours_is_a_file_below_the_static_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("isos")).unwrap();
        std::fs::write(dir.path().join("isos/m.iso"), "x").unwrap();
        let at = |text: &str| served(&text.parse().unwrap(), Some(dir.path()));
        assert_eq!(at("https://shoal:8443/static/isos/m.iso").unwrap(), dir.path().join("isos/m.iso"));
        assert!(at("https://shoal/other/m.iso").is_none());
        assert!(at("https://shoal/static/%2e%2e/secret").is_none());
        let flat = served(&"http://h/static/isos/m.iso".parse().unwrap(), Some(&dir.path().join("isos")));
        assert_eq!(flat.unwrap(), dir.path().join("isos/m.iso"));
    }
}
