// SPDX-License-Identifier: AGPL-3.0-or-later
//! Images in and out by makers' own actions, and what must be switched on before.

use serde_json::{Value, json};
use url::Url;

use super::patience::Patience;
use super::{RedfishBmc, Resource};
use crate::contract::error::{Error, ErrorKind};
use crate::contract::image::MediaUrl;
use crate::contract::observe::Op;
use crate::model::action::Action;
use crate::model::json::links;
use crate::model::oem::{OemRoute, configured_image, listed_image, remote_media_are_off};
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
        OemRoute::MountList { mount, images, .. } => {
            let is_listed =
                listed(bmc, op, images).await?.iter().any(|(_, known, _)| known.as_ref() == Some(image));
            if !is_listed {
                let body = json!({
                    "FilePath": image.expose(),
                    "Type": image.scheme().unwrap_or_default().to_ascii_uppercase(),
                    "Username": "",
                    "Password": "",
                    "Domain": "",
                    "Readonly": true,
                    "Options": "",
                });
                bmc.post(op, images, Some(body), Replay::Unsent).await?;
            }
            post(bmc, op, &mount.target).await
        }
    }
}

/// Images of a list that are looked at; XCC mounts four at once.
const MOST_IMAGES: usize = 8;

/// The images of such a list: where each is, its address, and whether it is mounted.
pub(super) async fn listed(
    bmc: &RedfishBmc,
    op: Op,
    images: &str,
) -> Result<Vec<(String, Option<MediaUrl>, bool)>, Failure> {
    let page = bmc.try_read(op, images).await?.value;
    let mut found = Vec::new();
    for uri in links(&page, "Members").into_iter().take(MOST_IMAGES) {
        match bmc.try_read(op, &uri).await {
            Ok(member) => {
                let (image, is_mounted) = listed_image(&member.value);
                found.push((uri, image, is_mounted));
            }
            // Taken off the list meanwhile.
            Err(Failure::Refused(refusal)) if refusal.status == 404 => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}

/// Unmounts the whole list, and takes off it what stays there: the next mount would mount it again.
async fn unmount(bmc: &RedfishBmc, op: Op, unmount: &Action, images: &str) -> Result<Answer, Failure> {
    let answer = post(bmc, op, &unmount.target).await?;
    for (uri, ..) in listed(bmc, op, images).await? {
        match bmc.delete(op, &uri).await {
            // What cannot be taken off is not mounted any more, as the slot will tell.
            Ok(_) | Err(Failure::Refused(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(answer)
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
        OemRoute::MountList { unmount, images, .. } => {
            self::unmount(bmc, op, unmount.as_ref()?, images).await
        }
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
