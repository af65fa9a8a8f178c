// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether the registries have what the inventory names: the manifest, and everything in it.

use std::collections::BTreeMap;

use shoal_core::inventory::Inventory;
use shoal_inventory::{Diagnostic, Severity, Span, Subject, codes};
use shoal_oci::{ImageReference, Reference};
use shoal_registry_client::{Client, Presence};

use crate::cli::image::connect::RegistryArgs;
use crate::error::CliError;
use crate::host::Context;

/// What is wrong with an image: the code, how bad it is, in words, what to do.
type Finding = (&'static str, Severity, String, Option<String>);

/// Asks the registry of every version of every image.
pub(super) fn check(context: &Context, registry: &RegistryArgs, inventory: &Inventory) -> Vec<Diagnostic> {
    let mut clients: BTreeMap<String, Result<Client, String>> = BTreeMap::new();
    let mut found = Vec::new();
    for (name, image) in &inventory.images {
        for (version, artifact) in &image.value.spec.versions {
            let Ok(reference) = ImageReference::parse(&artifact.oci) else { continue };
            let key = format!("{}/{}", reference.registry, reference.repository);
            let client = clients.entry(key).or_insert_with(|| {
                registry
                    .client(context, &reference.registry, Some(&reference.repository))
                    .map_err(|error: CliError| error.one_line())
            });
            let finding = match client {
                Err(why) => Some((
                    codes::IMAGE_UNKNOWN,
                    Severity::Error,
                    format!("cannot ask the registry: {why}"),
                    None,
                )),
                Ok(client) => {
                    let _progress =
                        context.progress(format!("asking {} for {name} {version}", reference.registry));
                    context.wait(look(client, &reference))
                }
            };
            let Some((code, severity, message, hint)) = finding else { continue };
            let pointer = format!("/spec/versions/{}/oci", version.replace('~', "~0").replace('/', "~1"));
            found.push(Diagnostic {
                severity,
                code,
                message: format!("{name} {version}: {message}"),
                file: image.file.clone(),
                span: Some(Span::line_start(image.lines.line_of(&pointer))),
                source_line: None,
                hint,
                related: Vec::new(),
                subject: Some(Subject { kind: "Image", name: name.clone() }),
            });
        }
    }
    found
}

async fn look(client: &Client, reference: &ImageReference) -> Option<Finding> {
    let digest = reference.digest.clone()?;
    let wanted = Reference::Digest(digest);
    let shown = format!("{}/{}@{}", reference.registry, reference.repository, wanted.as_str());
    let presence = match client.exists_deep(&reference.repository, &wanted).await {
        Ok(deep) if deep.missing.is_empty() => deep.presence,
        Ok(deep) => {
            let first = deep.missing.first().map(|missing| missing.digest.to_string()).unwrap_or_default();
            let message = format!("{shown} lacks {} of what it names, such as {first}", deep.missing.len());
            let hint = Some("push the image again".to_owned());
            return Some((codes::IMAGE_ABSENT, Severity::Error, message, hint));
        }
        Err(error) => Presence::Unreachable(Box::new(error)),
    };
    match presence {
        Presence::Present { .. } => None,
        Presence::Absent => Some((
            codes::IMAGE_ABSENT,
            Severity::Error,
            format!("{shown} does not exist"),
            Some("push it with 'shoal image push', or name the digest that was meant".to_owned()),
        )),
        Presence::Denied(error) => {
            Some((codes::IMAGE_DENIED, Severity::Error, error.to_string(), error.hint()))
        }
        Presence::Unreachable(error) => {
            Some((codes::IMAGE_UNKNOWN, Severity::Error, error.to_string(), error.hint()))
        }
    }
}
