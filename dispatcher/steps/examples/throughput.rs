// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pulls a root file system into a directory, as the image step does, and says how long it took:
//!
//! ```text
//! cargo run --release -p shoal-steps --example throughput -- 127.0.0.1:5000/os@sha256:… DIRECTORY
//! ```

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use shoal_dispatcher::output::env_file;
use shoal_steps::image::{ImageSource, install};
use shoal_steps::progress::Progress;
use shoal_steps::provision::Provision;
use shoal_steps::root::Root;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(image), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err("usage: throughput IMAGE DIRECTORY".into());
    };
    let dir = tempfile::tempdir()?;
    let variables = [("TARGET_DISK", "none".to_owned()), ("OCI_URL", image)];
    std::fs::write(dir.path().join("recipe.env"), env_file::render(&variables)?)?;
    let layout = r#"{"disk":{"path":"none","size_bytes":0},"partitions":[]}"#;
    std::fs::write(dir.path().join("layout.json"), layout)?;
    let source = ImageSource::new(&Provision::read(dir.path())?)?;
    let begun = Instant::now();
    let found = source.find()?;
    let root = Root::open(Path::new(&target))?;
    let bytes = install(&source, &found, &root, &Arc::new(Progress::silent()))?;
    let seconds = begun.elapsed().as_secs_f64();
    let rate = bytes as f64 / 1e6 / seconds;
    writeln!(std::io::stdout(), "{bytes} bytes in {seconds:.2} s, {rate:.0} MB/s unpacked")?;
    Ok(())
}
