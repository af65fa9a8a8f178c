// SPDX-License-Identifier: AGPL-3.0-or-later
//! Fresh disk → running Debian, and everything that was asked for on the way.

use shoal_testbed::bmc::Power;
use shoal_testbed_machines::{DEBIAN, Disk, Options, SSH_KEY};

use crate::world::{INSTALL, assert_clean_bmc, is_ready, secrets_stay_secret, site};

#[tokio::test(flavor = "multi_thread")]
async fn a_push_ends_with_the_machine_running_the_debian_that_git_names() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    let server = site.add("web-01", Options { os: DEBIAN, ..Options::default() }).await?;
    site.push()?;
    let view = site.until(&server, "the install", INSTALL, is_ready).await?;
    let installed = view.status.record.installed.as_ref().expect("a record of the install");
    assert_eq!((installed.image.as_str(), installed.version.as_str()), ("debian", "13.1"));
    assert_eq!(view.job.as_ref().map(|job| job.attempt), Some(1));
    assert_clean_bmc(&server);

    // The first boot, on the serial console: cloud-init took the seed, and people may log in.
    server.says("web-01 login:", INSTALL).await?;
    server.says("cloud-init is done on web-01", INSTALL).await?;
    let published = site.published("web-01")?;
    assert!(published.contains("\"version\": \"13.1\""), "{published}");

    // In order: what the first boot wrote is to be on the disk.
    site.person_at(&server)?.reset("GracefulShutdown").await?;
    server.goes_off(INSTALL).await?;
    assert_eq!(server.bmc().state().power, Power::Off);
    let disk = Disk::new(&server.machine.disks()[0]);
    let partitions = disk.partitions()?;
    let seen: Vec<_> = partitions
        .iter()
        .map(|p| (p.name.as_str(), p.format.as_deref(), p.label.as_deref().map(str::to_lowercase)))
        .collect();
    let label = |text: &str| Some(text.to_owned());
    assert_eq!(
        seen,
        [
            ("esp", Some("vfat"), label("esp")),
            ("cidata", Some("vfat"), label("cidata")),
            ("swap", Some("swap"), label("swap")),
            ("root", Some("ext4"), label("root")),
        ]
    );
    // fstab names the very file systems, by UUID.
    let fstab = disk.ext4_file("root", "/etc/fstab")?.expect("an fstab");
    for (name, point) in [("root", "/"), ("esp", "/boot/efi"), ("swap", "none")] {
        let uuid = disk.partition(name)?.uuid.expect("a UUID");
        let line = fstab.lines().find(|line| line.contains(&format!("UUID={uuid}"))).unwrap_or_default();
        assert_eq!(line.split_whitespace().nth(1), Some(point), "{fstab}");
    }
    assert!(fstab.lines().any(|line| line.contains("/boot/efi") && line.contains("umask=0077")), "{fstab}");
    assert!(disk.fat_file("esp", "/EFI/BOOT/BOOTX64.EFI")?.is_some_and(|grub| grub.len() > 100_000));
    assert!(disk.ext4_file("root", "/boot/grub/grub.cfg")?.is_some_and(|text| text.contains("menuentry")));
    assert_eq!(disk.ext4_file("root", "/etc/hostname")?.as_deref().map(str::trim), Some("web-01"));
    let keys = disk.ext4_file("root", "/home/ada/.ssh/authorized_keys")?;
    assert!(keys.as_deref().is_some_and(|keys| keys.contains(SSH_KEY)), "{keys:?}");
    secrets_stay_secret(&site, &server)
}
