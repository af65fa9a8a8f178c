// SPDX-License-Identifier: AGPL-3.0-or-later
//! The install itself: what the step tools do on a real machine, on a disk file.
//!
//! Every step is done in two halves with the mishaps in between, so that a failure, a reboot or a power cut leaves a
//! disk that is half done. The stamp is the very last write: a stamp says that all of it is there, and the controller
//! believes it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use shoal_dispatcher::disk::{LayoutError, Place, place, type_guid};
use shoal_dispatcher::output::files::Layout;
use shoal_dispatcher::output::{
    LAYOUT, META_DATA, NETWORK_CONFIG, RECIPE_ENV, STAMP, UNATTEND, USER_DATA, env_file,
};
use shoal_schema::disk::{Format, Partition};
use shoal_schema::wire::stamp::STAMP_PATH;
use zeroize::Zeroizing;

use super::behaviour::Stage;
use super::boot::Boot;
use super::disk::{
    PAYLOAD_OFFSET, SEED_DIRECTORY, Volume, make_file_system, payload, update_root, write_fat_file,
    write_table,
};
use super::host::SimulatedHost;
use super::log::Happening;
use super::trip::Tripped;

/// The targets of the maintenance OS, with their steps.
pub(super) const TARGETS: &[(&str, &[Stage])] = &[
    (
        "install-linux.target",
        &[Stage::Partition, Stage::ImageLinux, Stage::BootloaderLinux, Stage::ConfigDrive],
    ),
    ("install-windows.target", &[Stage::Partition, Stage::ImageWindows, Stage::BootloaderWindows]),
    ("supermicro-update.target", &[Stage::FirmwareUpdate]),
];

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    /// It was told to.
    #[error(transparent)]
    Tripped(#[from] Tripped),
    /// The files of the dispatcher do not say enough.
    #[error("read {file} of the dispatcher")]
    Input { file: &'static str },
    /// The layout has no place on the disk.
    #[error("lay the disk out")]
    Layout(#[from] LayoutError),
    /// The layout lacks a partition that the step needs.
    #[error("find the {what} in the layout: there is none")]
    Missing { what: &'static str },
    /// The disk failed.
    #[error("write the disk")]
    Disk(#[from] io::Error),
}

impl StepError {
    fn code(&self) -> &str {
        match self {
            Self::Tripped(tripped) => &tripped.code,
            Self::Input { .. } => "input_missing",
            Self::Layout(_) => "layout_invalid",
            Self::Missing { .. } => "partition_missing",
            Self::Disk(_) => "disk_io",
        }
    }
}

/// A step that failed.
pub(super) struct FailedStep {
    pub(super) stage: Stage,
    pub(super) code: String,
    pub(super) message: String,
}

/// Runs the steps of a target in order.
pub(super) async fn run(boot: &Arc<Boot>, host: &SimulatedHost, target: &str) -> Result<(), FailedStep> {
    let stages = TARGETS.iter().find(|(known, _)| *known == target).map_or(&[][..], |(_, stages)| stages);
    for stage in stages {
        let unit = stage.unit().to_owned();
        boot.note(Happening::StepStarted { unit: unit.clone() });
        boot.log_line(&unit, format!("[{}] start", unit.trim_end_matches(".service")));
        let result = step(boot, host, *stage).await;
        let error = result.as_ref().err().map(|error| shoal_dispatcher::cause::chain(error));
        boot.log_line(
            &unit,
            format!("[{}] {}", unit.trim_end_matches(".service"), error.as_deref().unwrap_or("done")),
        );
        boot.note(Happening::StepEnded { unit, error });
        result.map_err(|error| FailedStep {
            stage: *stage,
            code: error.code().to_owned(),
            message: shoal_dispatcher::cause::chain(&error),
        })?;
    }
    Ok(())
}

async fn step(boot: &Arc<Boot>, host: &SimulatedHost, stage: Stage) -> Result<(), StepError> {
    let half = boot.machine.timing.step_ms / 2;
    boot.machine.time.sleep_ms(half).await;
    if stage == Stage::FirmwareUpdate {
        boot.pass(stage).await?;
        boot.machine.time.sleep_ms(half).await;
        return Ok(());
    }
    let work = Arc::new(Work::read(boot, host)?);
    blocking(work.clone(), move |work| work.first_half(stage)).await?;
    boot.pass(stage).await?;
    boot.machine.time.sleep_ms(half).await;
    blocking(work, move |work| work.second_half(stage)).await
}

/// Disk writes, on a thread that may block.
async fn blocking(
    work: Arc<Work>,
    half: impl FnOnce(&Work) -> Result<(), StepError> + Send + 'static,
) -> Result<(), StepError> {
    tokio::task::spawn_blocking(move || half(&work))
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error).into()))
}

/// What the steps know: what the dispatcher wrote, and the disk.
struct Work {
    disk: Volume,
    partitions: Vec<Partition>,
    places: Vec<Place>,
    env: BTreeMap<String, String>,
    stamp: Zeroizing<String>,
    seed: Vec<(&'static str, Zeroizing<String>)>,
    unattend: Option<Zeroizing<String>>,
}

impl Work {
    fn read(boot: &Boot, host: &SimulatedHost) -> Result<Self, StepError> {
        let need = |file| host.text(file).ok_or(StepError::Input { file });
        let layout: Layout =
            serde_json::from_str(&need(LAYOUT)?).map_err(|_| StepError::Input { file: LAYOUT })?;
        let env = env_file::parse(&need(RECIPE_ENV)?).ok_or(StepError::Input { file: RECIPE_ENV })?;
        let facts = layout.disk.ok_or(StepError::Missing { what: "disk" })?;
        let disk = boot.machine.disks.iter().find(|disk| disk.facts().path == facts.path);
        let disk = disk.ok_or(StepError::Missing { what: "disk" })?.clone();
        let places = place(&layout.partitions, facts.size_bytes)?;
        let seed = [("user-data", USER_DATA), ("meta-data", META_DATA), ("network-config", NETWORK_CONFIG)];
        Ok(Self {
            disk: Volume::whole(disk, boot.over.clone()),
            partitions: layout.partitions,
            places,
            env,
            stamp: need(STAMP)?,
            seed: seed.into_iter().filter_map(|(name, file)| Some((name, host.text(file)?))).collect(),
            unattend: host.text(UNATTEND),
        })
    }

    fn first_half(&self, stage: Stage) -> Result<(), StepError> {
        match stage {
            Stage::Partition => {
                let wiped = vec![0; 1 << 20];
                self.disk.write_all_at(0, &wiped)?;
                self.disk.write_all_at(self.disk.len().saturating_sub(1 << 20), &wiped)?;
                let seed = self.env.get("JOB_ID").map_or("", String::as_str);
                Ok(write_table(&self.disk, &self.partitions, &self.places, seed)?)
            }
            Stage::ImageLinux | Stage::ImageWindows => {
                let image = self.env.get("OCI_URL").cloned().unwrap_or_default();
                let root = self.root(stage)?;
                update_root(&root, |contents| {
                    contents.image_digest = image.split_once('@').map_or("", |(_, digest)| digest).to_owned();
                    contents.image = image.clone();
                    contents.complete = false;
                    contents.files.clear();
                })?;
                write_payload(&root, &image, 0)
            }
            Stage::BootloaderLinux => {
                Ok(write_fat_file(&self.esp()?, "EFI/BOOT/BOOTX64.EFI", b"a stand-in for GRUB")?)
            }
            Stage::BootloaderWindows => Ok(write_fat_file(
                &self.esp()?,
                "EFI/Microsoft/Boot/bootmgfw.efi",
                b"a stand-in for bootmgfw",
            )?),
            Stage::ConfigDrive => self.write_seed(&self.seed[..self.seed.len().min(1)]),
            _ => Ok(()),
        }
    }

    fn second_half(&self, stage: Stage) -> Result<(), StepError> {
        match stage {
            Stage::Partition => {
                for (partition, place) in self.partitions.iter().zip(&self.places) {
                    make_file_system(&self.disk.part(place.offset, place.len), partition)?;
                }
                Ok(())
            }
            Stage::ImageLinux | Stage::ImageWindows => {
                let image = self.env.get("OCI_URL").cloned().unwrap_or_default();
                let root = self.root(stage)?;
                write_payload(&root, &image, 1)?;
                Ok(update_root(&root, |contents| {
                    contents.complete = true;
                    if let Some(unattend) = &self.unattend {
                        contents
                            .files
                            .insert("Windows/Panther/Unattend.xml".to_owned(), unattend.to_string());
                    }
                })?)
            }
            Stage::BootloaderWindows => {
                write_fat_file(&self.esp()?, "EFI/BOOT/BOOTX64.EFI", b"a stand-in for bootmgfw")?;
                self.write_stamp(Stage::ImageWindows)
            }
            Stage::ConfigDrive => {
                self.write_seed(&self.seed[self.seed.len().min(1)..])?;
                self.write_stamp(Stage::ImageLinux)
            }
            _ => Ok(()),
        }
    }

    fn write_seed(&self, files: &[(&str, Zeroizing<String>)]) -> Result<(), StepError> {
        if let Some(drive) = self.find(|partition| partition.label.as_deref() == Some("cidata")) {
            for (name, content) in files {
                write_fat_file(&drive, name, content.as_bytes())?;
            }
            return Ok(());
        }
        let root = self.root(Stage::ImageLinux)?;
        Ok(update_root(&root, |contents| {
            for (name, content) in files {
                contents.files.insert(format!("{SEED_DIRECTORY}/{name}"), content.to_string());
            }
        })?)
    }

    fn write_stamp(&self, image: Stage) -> Result<(), StepError> {
        update_root(&self.root(image)?, |contents| {
            contents.files.insert(format!("etc/{STAMP_PATH}"), self.stamp.to_string());
        })?;
        Ok(write_fat_file(&self.esp()?, STAMP_PATH, self.stamp.as_bytes())?)
    }

    fn esp(&self) -> Result<Volume, StepError> {
        let esp = |partition: &Partition| {
            type_guid(&partition.type_guid) == type_guid("ef00") && partition.format == Format::Vfat
        };
        self.find(esp).ok_or(StepError::Missing { what: "efi system partition" })
    }

    /// The partition that the system goes to: the one labelled `root`, or the first of a fitting kind.
    fn root(&self, stage: Stage) -> Result<Volume, StepError> {
        let fits = |partition: &Partition| match stage {
            Stage::ImageWindows => partition.format == Format::Ntfs,
            _ => matches!(partition.format, Format::Ext4 | Format::Xfs | Format::Btrfs),
        };
        self.find(|partition| fits(partition) && partition.label.as_deref() == Some("root"))
            .or_else(|| self.find(fits))
            .ok_or(StepError::Missing { what: "root partition" })
    }

    fn find(&self, wanted: impl Fn(&Partition) -> bool) -> Option<Volume> {
        let found = self.partitions.iter().zip(&self.places).find(|(partition, _)| wanted(partition));
        found.map(|(_, place)| self.disk.part(place.offset, place.len))
    }
}

/// One of two halves of the image.
fn write_payload(root: &Volume, image: &str, half: usize) -> Result<(), StepError> {
    let payload = payload(image);
    let middle = payload.len() / 2;
    let (from, bytes) = if half == 0 { (0, &payload[..middle]) } else { (middle, &payload[middle..]) };
    Ok(root.write_all_at(PAYLOAD_OFFSET + from as u64, bytes)?)
}
