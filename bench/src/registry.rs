// SPDX-License-Identifier: AGPL-3.0-or-later
//! The registry beside docker-registry, and beside nginx where only files are read.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use super::client::Client;
use super::content::Content;
use super::peers::{Peer, release_binary};
use super::report::{Row, say, table};

const MIB: u64 = 1 << 20;
const SMALL: u64 = 16 << 10;
const SMALL_COUNT: usize = 1000;
const SMALL_CLIENTS: usize = 8;
const CLIENTS: usize = 32;
const LAYERS: u64 = 4;
const LAYER: u64 = 32 * MIB;

/// Push and pull beside docker-registry and nginx
///
/// Needs `cargo build --release -p shoal`, and Debian's docker-registry and nginx-light.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the registries keep their content; on a tmpfs the disk bounds nothing
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// How often everything is done; the median counts
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    rounds: usize,
    /// Size of the large blob, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    large: u64,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(args))
}

/// What is pushed and pulled, with digests taken beforehand.
struct Contents {
    large: (Content, String),
    small: Arc<Vec<(Content, String)>>,
    layers: Arc<Vec<(Content, String)>>,
}

const LOADS: [&str; 6] = [
    "push of one large blob",
    "push of 1,000 small blobs",
    "first pull of one large blob",
    "the next pull of it",
    "pull of 1,000 small blobs",
    "32 clients pull one image",
];
const PEERS: [&str; 3] = ["shoal", "docker-registry", "nginx"];

async fn run(args: &Args) -> Result<()> {
    let binary = release_binary()?;
    std::fs::create_dir_all(&args.dir)?;
    let with_digest = |content: Content| {
        let digest = content.digest();
        (content, digest)
    };
    let contents = Contents {
        large: with_digest(Content::new(1, args.large * MIB)),
        small: Arc::new(
            (0..SMALL_COUNT as u64).map(|n| with_digest(Content::new(1000 + n, SMALL))).collect(),
        ),
        layers: Arc::new((0..LAYERS).map(|n| with_digest(Content::new(100 + n, LAYER))).collect()),
    };
    let units = ["MB/s", "blobs/s", "MB/s", "MB/s", "blobs/s", "MB/s"];
    let mut rows: Vec<Row> = LOADS
        .iter()
        .zip(units)
        .map(|(what, unit)| Row { what: (*what).to_owned(), unit, rounds: vec![Vec::new(); PEERS.len()] })
        .collect();
    rows.push(Row { what: "peak memory".to_owned(), unit: "MiB", rounds: vec![Vec::new(); PEERS.len()] });
    for round in 0..args.rounds {
        for peer in 0..2 {
            let peer = (peer + round) % 2;
            let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(&args.dir)?;
            let storage = dir.path().join("shoal");
            let server = match peer {
                0 => Peer::shoal(&binary, &storage)?,
                _ => Peer::docker_registry(dir.path())?,
            };
            let figures =
                loads(server.at, &contents).await.with_context(|| format!("{} failed", PEERS[peer]))?;
            for (row, figure) in rows.iter_mut().zip(figures) {
                row.rounds[peer].push(figure);
            }
            rows[LOADS.len()].rounds[peer].push(server.peak_memory()?);
            if peer == 0 {
                drop(server);
                files(dir.path(), &storage, &contents, &mut rows).await?;
            }
            say(&format!("round {} of {}: {} done", round + 1, args.rounds, PEERS[peer]));
        }
    }
    super::report::print(&table(&PEERS, &rows))
}

/// The same files by nginx.
async fn files(dir: &Path, storage: &Path, contents: &Contents, rows: &mut [Row]) -> Result<()> {
    let server = Peer::nginx(dir, &storage.join("blobs/sha256"))?;
    let path = |digest: &str| format!("/{}", digest.trim_start_matches("sha256:"));
    let large = [path(&contents.large.1)];
    for row in &mut rows[2..=3] {
        row.rounds[2].push(megabytes(contents.large.0.size(), pull(server.at, 1, &large)).await?);
    }
    let layers: Vec<String> = contents.layers.iter().map(|(_, digest)| path(digest)).collect();
    rows[5].rounds[2]
        .push(megabytes(LAYERS * LAYER * CLIENTS as u64, pull(server.at, CLIENTS, &layers)).await?);
    Ok(())
}

async fn loads(at: SocketAddr, contents: &Contents) -> Result<[f64; 6]> {
    let (large, digest) = &contents.large;
    let push_large = megabytes(large.size(), async {
        Client::new(at).await?.push_blob("bench/large", large, digest).await
    })
    .await?;
    let push_small = per_second(SMALL_COUNT, push_all(at, "bench/small", &contents.small)).await?;
    push_all(at, "bench/image", &contents.layers).await?;
    Client::new(at).await?.push_manifest("bench/image", "1", &manifest(&contents.layers)).await?;
    let path = |repository: &str, digest: &str| format!("/v2/{repository}/blobs/{digest}");
    let large_path = [path("bench/large", digest)];
    let pull_large = megabytes(large.size(), pull(at, 1, &large_path)).await?;
    let pull_again = megabytes(large.size(), pull(at, 1, &large_path)).await?;
    let small: Vec<String> = contents.small.iter().map(|(_, digest)| path("bench/small", digest)).collect();
    let pull_small = per_second(SMALL_COUNT, pull_shared(at, SMALL_CLIENTS, small)).await?;
    let image: Vec<String> = std::iter::once("/v2/bench/image/manifests/1".to_owned())
        .chain(contents.layers.iter().map(|(_, digest)| path("bench/image", digest)))
        .collect();
    let pull_image = megabytes(LAYERS * LAYER * CLIENTS as u64, pull(at, CLIENTS, &image)).await?;
    Ok([push_large, push_small, pull_large, pull_again, pull_small, pull_image])
}

fn manifest(layers: &[(Content, String)]) -> String {
    let descriptor = |kind: &str, (content, digest): &(Content, String)| serde_json::json!({"mediaType": kind, "digest": digest, "size": content.size()});
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.example.config", &layers[0]),
        "layers": layers.iter().map(|l| descriptor("application/vnd.oci.image.layer.v1.tar", l)).collect::<Vec<_>>(),
    })
    .to_string()
}

/// Every blob once, over a few connections.
async fn push_all(
    at: SocketAddr,
    repository: &'static str,
    blobs: &Arc<Vec<(Content, String)>>,
) -> Result<()> {
    let mut clients = JoinSet::new();
    for first in 0..SMALL_CLIENTS {
        let blobs = Arc::clone(blobs);
        clients.spawn(async move {
            let mut client = Client::new(at).await?;
            for (content, digest) in blobs.iter().skip(first).step_by(SMALL_CLIENTS) {
                client.push_blob(repository, content, digest).await?;
            }
            anyhow::Ok(())
        });
    }
    join(clients).await
}

/// Every client reads every path.
async fn pull(at: SocketAddr, clients: usize, paths: &[String]) -> Result<()> {
    let mut set = JoinSet::new();
    for _ in 0..clients {
        let paths = paths.to_vec();
        set.spawn(async move {
            let mut client = Client::new(at).await?;
            for path in &paths {
                client.get(path).await?;
            }
            anyhow::Ok(())
        });
    }
    join(set).await
}

/// Each path is read once, over a few connections.
async fn pull_shared(at: SocketAddr, clients: usize, paths: Vec<String>) -> Result<()> {
    let paths = Arc::new(paths);
    let mut set = JoinSet::new();
    for first in 0..clients {
        let paths = Arc::clone(&paths);
        set.spawn(async move {
            let mut client = Client::new(at).await?;
            for path in paths.iter().skip(first).step_by(clients) {
                client.get(path).await?;
            }
            anyhow::Ok(())
        });
    }
    join(set).await
}

async fn join(mut set: JoinSet<Result<()>>) -> Result<()> {
    while let Some(done) = set.join_next().await {
        done??;
    }
    Ok(())
}

async fn megabytes(bytes: u64, work: impl Future<Output = Result<()>>) -> Result<f64> {
    let began = Instant::now();
    work.await?;
    Ok(bytes as f64 / 1e6 / began.elapsed().as_secs_f64())
}

async fn per_second(count: usize, work: impl Future<Output = Result<()>>) -> Result<f64> {
    let began = Instant::now();
    work.await?;
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
