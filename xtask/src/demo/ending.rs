// SPDX-License-Identifier: AGPL-3.0-or-later
//! How the story ends: the last look at everything, and the evidence of all that there was.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;

use super::cast::Player;
use super::evidence::{Api, Bump, Crash, Evidence};
use super::secrets::Planted;
use super::story::Stage;
use super::{collect, collect_git, repository};
use shoal_testbed_site::Controller;

impl Stage<'_> {
    /// How it all ended, and the evidence.
    pub(super) async fn close(
        mut self,
        controller: Controller,
        crash: Crash,
        bump: Bump,
        planted: &Planted,
    ) -> anyhow::Result<Evidence> {
        self.screen.act("The end");
        for args in [&["status"][..], &["jobs"]] {
            let said = self.shoal(args)?;
            self.screen.command(&format!("shoal {}", args.join(" ")), &said);
        }
        let api = collect::api(&self.controller).await?;
        let served = self.served(&api).await?;
        // The last word on the status branch is published when it stops.
        let stopped = controller.stop().await?;
        let crash = Crash { stopped, ..crash };
        let log = self.programs.git(&self.place.bare(), &["log", "--oneline", "-8", collect_git::STATUS])?;
        self.screen.command(&format!("git log --oneline -8 {}", collect_git::STATUS), &log);
        let machines = collect::machines(&self.control, &self.players).await?;
        let git = collect_git::git(&self.programs, self.place)?;
        let files = self.machines.disk_files();
        self.machines.stop().await;
        let disks = collect::disks(&self.players, &files)?;
        let mut texts = BTreeMap::from([
            ("what the API answers".to_owned(), served),
            ("what commands print".to_owned(), self.printed.into_bytes()),
            ("the media".to_owned(), self.media),
        ]);
        let history = collect_git::whole_status_history(&self.programs, self.place)?;
        texts.insert("the status branch".to_owned(), history.into_bytes());
        for (what, path) in [
            ("the controller's log", self.place.controller_log()),
            ("the plan", self.place.root().join("plan.json")),
            ("the BMCs' request log", self.place.bmc_log()),
            ("the database", self.place.database()),
        ] {
            texts.insert(
                what.to_owned(),
                fs::read(&path).with_context(|| format!("read {}", path.display()))?,
            );
        }
        Ok(Evidence {
            cast: self.players.iter().map(Player::actor).collect(),
            rack_limit: repository::RACK_LIMIT,
            crash,
            bump,
            git,
            api,
            machines,
            disks,
            search: planted.search(&texts)?,
        })
    }

    /// Everything that a reader can get from the API.
    async fn served(&self, api: &Api) -> anyhow::Result<Vec<u8>> {
        let fixed = [
            "/api/v1/jobs",
            "/api/v1/servers",
            "/api/v1/status",
            "/api/v1/plan",
            "/metrics",
            "/openapi.json",
        ];
        let mut paths: Vec<String> = fixed.map(str::to_owned).to_vec();
        paths.extend(api.jobs.iter().map(|job| format!("/api/v1/jobs/{}", job.id)));
        let mut bytes = Vec::new();
        for path in paths {
            bytes.extend_from_slice(&self.controller.get(&path).await?.1);
        }
        Ok(bytes)
    }
}
