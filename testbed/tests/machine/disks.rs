// SPDX-License-Identifier: AGPL-3.0-or-later
//! Disk files: the same install gives the same bytes, other tools can read them, and nothing is written out of turn.

use std::process::Command;

use shoal_testbed::machine::{Happening, digest};

use crate::bench::{Bench, Options};
use crate::controller::Controller;

#[tokio::test]
async fn the_same_install_gives_the_same_disk() {
    let mut digests = Vec::new();
    for behaviour in [
        "{}",
        "{faults: [{kind: slow, stage: partition, ms: 5000}]}",
        "{faults: [{kind: loses_webhook, tries: 1}]}",
    ] {
        let bench = Bench::new(behaviour).await;
        bench.attempt().await;
        bench.until_webhooks(1).await;
        digests.push(bench.disk_digest());
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[tokio::test]
async fn a_disk_of_terabytes_costs_what_is_written_to_it() {
    let options = Options { disk_bytes: 4 << 40, ..Options::default() };
    let bench = Bench::with(Controller::plain().await, options).await;
    bench.attempt().await;
    bench.until_webhooks(1).await;
    let written = bench.report().disks[0].bytes_written;
    assert!(written < 16 << 20, "{written}");
    assert!(bench.installed().expect("a table").stamp.is_some());
    assert_eq!(bench.disk_digest(), bench.disk_digest());
}

#[test]
fn a_digest_sees_every_byte_and_no_hole() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, len: usize, at: Option<usize>, sparse: bool| {
        let path = directory.path().join(name);
        let mut bytes = vec![0_u8; len];
        if let Some(at) = at {
            bytes[at] = 1;
        }
        if sparse {
            let file = std::fs::File::create(&path).expect("made");
            file.set_len(len as u64).expect("sized");
            let at = at.expect("a byte");
            std::os::unix::fs::FileExt::write_all_at(&file, &[1], at as u64).expect("written");
        } else {
            std::fs::write(&path, bytes).expect("written");
        }
        digest(&path).expect("readable")
    };
    let zeros = write("zeros", 100_000, None, false);
    assert_ne!(zeros, write("longer", 100_001, None, false));
    let mut seen = vec![zeros];
    for at in [0, 4095, 4096, 50_000, 99_999] {
        let dense = write(&format!("dense{at}"), 100_000, Some(at), false);
        assert_eq!(dense, write(&format!("sparse{at}"), 100_000, Some(at), true), "byte {at}");
        assert!(!seen.contains(&dense), "byte {at}");
        seen.push(dense);
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "a check that is skipped says so")]
async fn other_programs_read_what_was_installed() {
    let bench = Bench::new("{}").await;
    bench.attempt().await;
    bench.until_webhooks(1).await;
    let path = bench.machine.disks()[0].path();
    let disk = gpt::GptConfig::new().open(path).expect("a table with good checksums");
    let esp = &disk.partitions()[&1];
    assert_eq!((esp.name.as_str(), disk.partitions().len()), ("esp", 3));
    let offset = esp.first_lba * 512;

    // mtools, where it is there: nobody here has a say in how it reads FAT.
    let image = format!("{}@@{offset}", path.display());
    match Command::new("mtype").args(["-i", &image, "::/shoal/stamp.json"]).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let stamp: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(stamp, crate::controller::stamp());
        }
        Err(error) => println!("skipped: no mtools here ({error})"),
    }
}

#[tokio::test]
async fn nothing_is_written_before_the_permit_and_nothing_after_a_power_cut() {
    let bench = Bench::new("{faults: [{kind: hang, stage: image-linux}]}").await;
    bench.attempt().await;
    bench.until_happened(1, |what| matches!(what, Happening::Mishap { .. })).await;
    let report = bench.report();
    let granted = report.events.iter().position(
        |event| matches!(&event.what, Happening::PermitAsked { decision: Some(d), .. } if d == "granted"),
    );
    let first_step =
        report.events.iter().position(|event| matches!(event.what, Happening::StepStarted { .. }));
    assert!(granted.expect("granted") < first_step.expect("a step"));
    bench.finish().await;
    let (digest, writes) = (bench.disk_digest(), bench.disk_writes());
    bench.reset("On").await;
    bench.until_running(shoal_testbed::machine::Running::NoBootDevice).await;
    assert_eq!((bench.disk_digest(), bench.disk_writes()), (digest, writes));
}
