// SPDX-License-Identifier: AGPL-3.0-or-later
//! Images in and out by makers' own actions, and what must be switched on before.

use serde_json::{Value, json};
use url::Url;

use super::patience::Patience;
use super::{RedfishBmc, Resource};
use crate::contract::error::{Error, ErrorKind};
use crate::contract::image::MediaUrl;
use crate::contract::observe::Op;
use crate::model::oem::{OemRoute, configured_image, remote_media_are_off};
use crate::rules::Rule;
use crate::wire::client::Failure;
use crate::wire::exchange::Answer;
use crate::wire::retry::Replay;

/// Sends an insert along a maker's own route. `body` is for those that take one.
pub(super) async fn insert(
    bmc: &RedfishBmc,
    op: Op,
    route: &OemRoute,
    resource: &Resource,
    body: Value,
    image: &MediaUrl,
) -> Result<Answer, Failure> {
    match route {
        OemRoute::Pair { insert, .. } => bmc.post(op, &insert.target, Some(body), Replay::Unsent).await,
        OemRoute::VmmControl(control) => {
            let body = json!({"VmmControlType": "Connect", "Image": image.expose()});
            bmc.post(op, &control.target, Some(body), Replay::Unsent).await
        }
        OemRoute::IsoConfig { mount, .. } => {
            let (host, path) = split(image);
            bmc.patch(op, resource, &json!({"Host": host, "Path": path})).await?;
            // Mounted too early, it is the address before (fakefish waits for three seconds).
            let mut patience = Patience::new(bmc.budgets.rewrite, bmc.budgets.poll);
            while configured_image(&bmc.try_read(op, &resource.path).await?.value).as_ref() != Some(image) {
                if !patience.wait().await {
                    break;
                }
            }
            post(bmc, op, &mount.target).await
        }
    }
}

/// Sends an eject along a maker's own route; none where there is nothing to send.
pub(super) async fn eject(bmc: &RedfishBmc, op: Op, route: &OemRoute) -> Option<Result<Answer, Failure>> {
    Some(match route {
        OemRoute::Pair { eject, .. } => post(bmc, op, &eject.as_ref()?.target).await,
        OemRoute::VmmControl(control) => {
            let body = json!({"VmmControlType": "Disconnect"});
            bmc.post(op, &control.target, Some(body), Replay::Unsent).await
        }
        OemRoute::IsoConfig { unmount, .. } => post(bmc, op, &unmount.as_ref()?.target).await,
    })
}

/// Without a body first; some answer 400 or 415 to that and want an empty object.
pub(super) async fn post(bmc: &RedfishBmc, op: Op, target: &str) -> Result<Answer, Failure> {
    match bmc.post(op, target, None, Replay::Unsent).await {
        Err(Failure::Refused(refusal))
            if matches!(refusal.status, 400 | 415) && bmc.has(Rule::EjectsMayWantABody) =>
        {
            bmc.post(op, target, Some(json!({})), Replay::Unsent).await
        }
        other => other,
    }
}

/// Scheme, host and port on the one side, the path on the other.
fn split(image: &MediaUrl) -> (String, String) {
    match Url::parse(image.expose()) {
        Ok(url) => (url.origin().ascii_serialization(), url.path().to_owned()),
        Err(_) => (String::new(), image.expose().to_owned()),
    }
}

/// Switches remote media on where discovery saw that they are off. They come up seconds later.
pub(super) async fn enable_remote_media(bmc: &RedfishBmc, op: Op) -> Result<(), Error> {
    let Some(remote) = &bmc.layout().remote_media else {
        return Ok(());
    };
    if !bmc.has(Rule::RemoteMediaAreSwitchedOnFirst) {
        return Ok(());
    }
    let off = |message: &str| {
        let kind = ErrorKind::VirtualMediaDisabled { message: message.to_owned() };
        bmc.wire.error(op, Some(&remote.manager), kind)
    };
    let mut patience = Patience::new(bmc.budgets.insert, bmc.budgets.poll);
    let mut sent = false;
    while remote_media_are_off(&bmc.read(op, &remote.manager).await?.value) {
        if !sent {
            let body = json!({"RMediaState": "Enable"});
            match bmc.post(op, &remote.target, Some(body), Replay::Unexecuted).await {
                Ok(_) => sent = true,
                Err(Failure::Refused(refusal)) => {
                    return Err(match bmc.wire.failed(op, &remote.target, Failure::Refused(refusal)) {
                        error if matches!(error.kind(), ErrorKind::Refused { .. }) => off(&error.to_string()),
                        error => error,
                    });
                }
                // Nobody knows whether it arrived: the manager will tell.
                Err(Failure::Broken(broken)) if broken.passing => sent = true,
                Err(failure) => return Err(bmc.wire.failed(op, &remote.target, failure)),
            }
        }
        if !patience.wait().await {
            return Err(off("remote media stay off although they were switched on"));
        }
    }
    Ok(())
}
