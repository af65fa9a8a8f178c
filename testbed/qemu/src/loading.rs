// SPDX-License-Identifier: AGPL-3.0-or-later
//! Media in and out of the drives.
//!
//! An `http` image is read by QEMU itself, with Range requests to the address that the BMC was given. Everything else
//! (`https`, a QEMU without its HTTP driver, or by choice) is read through the emulated BMC: QEMU is an NBD client of
//! a socket here, and each read becomes a Range request of the BMC's.

use std::sync::Arc;

use serde_json::{Value, json};
use shoal_testbed::bmc::{AttachedMedium, Host};
use tokio::net::UnixListener;

use crate::config::MediaRoute;
use crate::driver::{Driver, reader_socket, usb_bus};
use crate::drives::{Drive, Loaded};
use crate::log::{Route, VmEvent};
use crate::nbd;
use crate::qmp::QmpError;

/// How much QEMU reads ahead over HTTP.
const READ_AHEAD: u64 = 1 << 20;
/// How long QEMU waits for an image server, in seconds.
const HTTP_SECONDS: u64 = 30;

/// Whether QEMU is to try the image's address itself.
fn direct(route: MediaRoute, url: &str) -> bool {
    route == MediaRoute::Auto && url.starts_with("http://")
}

/// The description of a node that reads `file`.
fn node(name: &str, file: Value) -> Value {
    json!({"driver": "raw", "node-name": name, "read-only": true, "file": file})
}

fn http_file(url: &str) -> Value {
    json!({
        "driver": "http", "url": url, "readahead": READ_AHEAD, "timeout": HTTP_SECONDS, "read-only": true,
    })
}

/// Whether QEMU says that it has no driver for HTTP: Debian has it in a package of its own.
fn lacks_driver(error: &QmpError) -> bool {
    matches!(error, QmpError::Refused { description, .. } if description.contains("driver"))
}

impl Driver {
    /// Takes out what the BMC has ejected, locked by the guest or not.
    pub(super) async fn unload_unwanted(&mut self) -> Result<(), QmpError> {
        for loaded in self.drives.unwanted(&self.wanted) {
            self.unload(loaded).await?;
        }
        Ok(())
    }

    /// What is read through the BMC is read on behalf of one boot: the next one opens it again.
    pub(super) async fn unload_readers_of_older_boots(&mut self) -> Result<(), QmpError> {
        let loaded = self.drives.loaded().iter().filter(|loaded| loaded.route == Route::ThroughBmc);
        for loaded in loaded.cloned().collect::<Vec<_>>() {
            self.unload(loaded).await?;
        }
        Ok(())
    }

    async fn unload(&mut self, loaded: Loaded) -> Result<(), QmpError> {
        let id = loaded.drive.id();
        match loaded.drive {
            Drive::Cd(_) => {
                self.command("blockdev-open-tray", json!({"id": id, "force": true})).await?;
                self.command("blockdev-remove-medium", json!({"id": id})).await?;
                self.command("blockdev-close-tray", json!({"id": id})).await?;
            }
            Drive::Usb(_) => self.unplug(&id).await?,
        }
        self.drives.take(loaded.drive);
        self.command("blockdev-del", json!({"node-name": loaded.node})).await?;
        self.log.push(VmEvent::Unloaded { slot: loaded.medium.slot });
        Ok(())
    }

    async fn unplug(&mut self, id: &str) -> Result<(), QmpError> {
        self.command("device_del", json!({"id": id})).await?;
        self.wait_for(|event| event.name == "DEVICE_DELETED" && event.text("device") == id).await?;
        Ok(())
    }

    /// Puts in what the BMC shows and no drive has. A medium that cannot be read stays out, as on a BMC whose image
    /// server is gone.
    pub(super) async fn load_missing(&mut self, host: &Host) -> Result<(), QmpError> {
        for medium in self.drives.missing(&self.wanted) {
            let (slot, url) = (medium.slot, medium.url.clone());
            let reason = match self.drives.free(&medium) {
                None => "every drive has a medium".to_owned(),
                Some(drive) => match self.load(host, drive, medium).await {
                    Ok(route) => {
                        self.log.push(VmEvent::Loaded { slot, url, route });
                        continue;
                    }
                    Err(Trouble::Qmp(gone @ QmpError::Gone { .. })) => return Err(gone),
                    Err(trouble) => trouble.to_string(),
                },
            };
            self.log.push(VmEvent::NotLoaded { slot, url, reason });
        }
        Ok(())
    }

    async fn load(&mut self, host: &Host, drive: Drive, medium: AttachedMedium) -> Result<Route, Trouble> {
        self.nodes += 1;
        let name = format!("medium{}", self.nodes);
        let route = self.open(host, &name, &medium).await?;
        let id = drive.id();
        let put = match drive {
            Drive::Cd(_) => self.put_disc(&id, &name).await,
            Drive::Usb(_) => {
                let stick = json!({
                    "driver": "usb-storage", "id": id, "bus": usb_bus(), "drive": name, "removable": true,
                });
                self.command("device_add", stick).await
            }
        };
        if let Err(error) = put {
            self.command("blockdev-del", json!({"node-name": name})).await?;
            return Err(error.into());
        }
        self.drives.put(Loaded { drive, medium, node: name, route });
        if self.slow.is_some() {
            self.throttle(drive).await?;
        }
        Ok(route)
    }

    async fn put_disc(&self, id: &str, node: &str) -> Result<(), QmpError> {
        self.command("blockdev-open-tray", json!({"id": id, "force": true})).await?;
        self.command("blockdev-insert-medium", json!({"id": id, "node-name": node})).await?;
        self.command("blockdev-close-tray", json!({"id": id})).await
    }

    /// Makes a node that reads the medium.
    async fn open(&mut self, host: &Host, name: &str, medium: &AttachedMedium) -> Result<Route, Trouble> {
        if direct(self.route, &medium.url) {
            match self.command("blockdev-add", node(name, http_file(&medium.url))).await {
                Ok(()) => return Ok(Route::Direct),
                Err(error) if lacks_driver(&error) => {
                    tracing::info!(%error, "this qemu cannot read over http; install qemu-block-extra to let it");
                }
                Err(error) => return Err(error.into()),
            }
        }
        let reader = host.open(medium).await.map_err(|error| Trouble::Medium(chain(&error)))?;
        let socket = reader_socket(&self.sockets, name);
        let listener = UnixListener::bind(&socket).map_err(Trouble::Socket)?;
        let reader = Arc::new(reader);
        self.readers.spawn(async move {
            // One connection: QEMU keeps it as long as the node is there.
            let Ok((stream, _)) = listener.accept().await else { return };
            if let Err(error) = nbd::serve(stream, reader).await {
                tracing::debug!(%error, "a medium's reader ended");
            }
        });
        let server = json!({"type": "unix", "path": socket.to_string_lossy()});
        let file = json!({"driver": "nbd", "server": server, "read-only": true});
        let added = self.command("blockdev-add", node(name, file)).await;
        // The connection is made; the name is not needed any more.
        let _there = std::fs::remove_file(&socket);
        // Readers whose medium is out have ended.
        while self.readers.try_join_next().is_some() {}
        added?;
        Ok(Route::ThroughBmc)
    }
}

/// Why a medium is not in its drive.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Qmp(#[from] QmpError),
    #[error("{0}")]
    Medium(String),
    #[error("make a socket: {0}")]
    Socket(std::io::Error),
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_qemu_and_the_rest_through_the_bmc() {
        assert!(direct(MediaRoute::Auto, "http://10.0.0.1/a.iso"));
        assert!(!direct(MediaRoute::Auto, "https://10.0.0.1/a.iso"));
        assert!(!direct(MediaRoute::ThroughBmc, "http://10.0.0.1/a.iso"));
    }

    #[test]
    fn nothing_writes_to_a_medium() {
        let node = node("m1", http_file("http://h/a,b.iso?x=y"));
        assert_eq!((&node["read-only"], &node["file"]["read-only"]), (&json!(true), &json!(true)));
        assert_eq!(node["file"]["url"], "http://h/a,b.iso?x=y");
    }

    #[test]
    fn a_missing_driver_is_told_from_a_missing_image() {
        let refused = |text: &str| QmpError::Refused {
            command: "blockdev-add".to_owned(),
            class: "GenericError".to_owned(),
            description: text.to_owned(),
        };
        assert!(lacks_driver(&refused("Unknown driver 'http'")));
        assert!(!lacks_driver(&refused("CURL: Error opening file: The requested URL returned error: 404")));
    }
}
