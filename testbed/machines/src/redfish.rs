// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a person does in the web page of a BMC, over Redfish: media in and out, one-time boot, power.
//!
//! Independent of the product's own client.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use shoal_testbed::bmc::BmcHandle;
use shoal_testbed::tls::unverified_client_config;

use crate::server::Account;

/// A person at the BMC of a Dell (two virtual CDs).
pub struct Person<'a> {
    bmc: &'a BmcHandle,
    account: &'a Account,
    http: reqwest::Client,
}

/// The one system of that model.
const SYSTEM: &str = "/redfish/v1/Systems/System.Embedded.1";

impl<'a> Person<'a> {
    pub(crate) fn at(bmc: &'a BmcHandle, account: &'a Account) -> anyhow::Result<Self> {
        let tls = unverified_client_config().context("make a TLS client")?;
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build();
        Ok(Self { bmc, account, http: http.context("make an HTTP client")? })
    }

    /// Inserts an image into a slot, counted from 1.
    pub async fn insert(&self, slot: u8, image: &str) -> anyhow::Result<()> {
        let path = format!("{SYSTEM}/VirtualMedia/{slot}/Actions/VirtualMedia.InsertMedia");
        self.send(self.http.post(self.url(&path)).json(&json!({"Image": image}))).await
    }

    /// Empties a slot.
    pub async fn eject(&self, slot: u8) -> anyhow::Result<()> {
        let path = format!("{SYSTEM}/VirtualMedia/{slot}/Actions/VirtualMedia.EjectMedia");
        self.send(self.http.post(self.url(&path)).json(&json!({}))).await
    }

    /// The next boot is from the virtual CD.
    pub async fn boot_once_from_cd(&self) -> anyhow::Result<()> {
        let boot = json!({"Boot": {
            "BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Cd", "BootSourceOverrideMode": "UEFI",
        }});
        self.send(self.http.patch(self.url(SYSTEM)).json(&boot)).await
    }

    /// Resets: `On`, `ForceOff`, …
    pub async fn reset(&self, kind: &str) -> anyhow::Result<()> {
        let path = format!("{SYSTEM}/Actions/ComputerSystem.Reset");
        self.send(self.http.post(self.url(&path)).json(&json!({"ResetType": kind}))).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.bmc.url())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<()> {
        let request = request.basic_auth(&self.account.user, Some(&self.account.password));
        let answer = request.send().await.context("ask the BMC")?;
        let status = answer.status();
        if !status.is_success() {
            let said: Value = answer.json().await.unwrap_or_default();
            bail!("the BMC answered {status}: {said}");
        }
        Ok(())
    }
}
