// SPDX-License-Identifier: AGPL-3.0-or-later
//! The way to BMCs: who opens a connection, and remembers what a BMC is like.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use shoal_redfish::{Bmc, BmcEndpoint, Discovery, Error, RedfishBmc, Wiring};

/// Opens connections to BMCs, and remembers what was found of each server's.
#[async_trait]
pub trait BmcDoor: Send + Sync {
    /// Logs in and reads everything anew.
    async fn discover(
        &self,
        server: &str,
        endpoint: &BmcEndpoint,
        wiring: Wiring,
    ) -> Result<Box<dyn Bmc>, Error>;

    /// As [`BmcDoor::discover`], but what was learnt of the BMC's refusals stays.
    async fn refresh(
        &self,
        server: &str,
        endpoint: &BmcEndpoint,
        wiring: Wiring,
    ) -> Result<Box<dyn Bmc>, Error>;

    /// Takes up what is known of the server's BMC; nothing where nothing is.
    fn resume(
        &self,
        server: &str,
        endpoint: &BmcEndpoint,
        wiring: Wiring,
    ) -> Result<Option<Box<dyn Bmc>>, Error>;

    /// Forgets what is known of the server's BMC.
    fn forget(&self, server: &str);
}

/// Redfish.
#[derive(Default)]
pub struct RedfishDoor {
    known: Mutex<HashMap<String, Arc<Discovery>>>,
}

impl RedfishDoor {
    fn known(&self, server: &str) -> Option<Arc<Discovery>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(server).cloned()
    }

    fn keep(&self, server: &str, discovery: Arc<Discovery>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(server.to_owned(), discovery);
    }
}

#[async_trait]
impl BmcDoor for RedfishDoor {
    async fn discover(
        &self,
        server: &str,
        endpoint: &BmcEndpoint,
        wiring: Wiring,
    ) -> Result<Box<dyn Bmc>, Error> {
        let bmc = RedfishBmc::connect(endpoint, wiring).await?;
        self.keep(server, bmc.discovery());
        Ok(Box::new(bmc))
    }

    async fn refresh(
        &self,
        server: &str,
        endpoint: &BmcEndpoint,
        wiring: Wiring,
    ) -> Result<Box<dyn Bmc>, Error> {
        let bmc = RedfishBmc::connect(endpoint, wiring).await?;
        let discovery = match self.known(server) {
            Some(earlier) => Arc::new(bmc.discovery().remembering(&earlier)),
            None => bmc.discovery(),
        };
        self.keep(server, discovery);
        Ok(Box::new(bmc))
    }

    fn resume(
        &self,
        server: &str,
        endpoint: &BmcEndpoint,
        wiring: Wiring,
    ) -> Result<Option<Box<dyn Bmc>>, Error> {
        let Some(discovery) = self.known(server) else { return Ok(None) };
        Ok(Some(Box::new(RedfishBmc::resume(endpoint, wiring, discovery)?)))
    }

    fn forget(&self, server: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
    }
}
