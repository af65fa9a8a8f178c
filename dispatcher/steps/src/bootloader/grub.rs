// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which of GRUB's programs are called, by what the image has. Pure.

use std::path::Path;

use crate::programs::{Call, Program};

/// What an image, or this system, has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Has {
    /// `grub-install`, with the modules for UEFI.
    pub grub_install: bool,
    /// `grub2-install`, with the modules for UEFI.
    pub grub2_install: bool,
    /// `update-grub`.
    pub update_grub: bool,
    /// `grub-mkconfig`.
    pub grub_mkconfig: bool,
    /// `grub2-mkconfig`.
    pub grub2_mkconfig: bool,
}

/// The call that puts GRUB on the ESP, inside the image where it can do that, else with the programs of this system.
/// `--removable` puts it where any firmware looks; no boot entry is needed.
pub fn install(has: Has, root: &Path) -> Call {
    let arguments = |efi: &Path, boot: &Path| {
        let with = |flag: &str, path: &Path| format!("{flag}={}", path.display());
        vec![
            "--target=x86_64-efi".to_owned(),
            with("--efi-directory", efi),
            with("--boot-directory", boot),
            "--removable".to_owned(),
            "--no-nvram".to_owned(),
        ]
    };
    let inside = || arguments(Path::new("/boot/efi"), Path::new("/boot"));
    if has.grub_install {
        Call::new(Program::GrubInstall, inside()).within(root)
    } else if has.grub2_install {
        Call::new(Program::Grub2Install, inside()).within(root)
    } else {
        Call::new(Program::GrubInstall, arguments(&root.join("boot/efi"), &root.join("boot")))
    }
}

/// The call that writes GRUB's configuration; nothing where the image has no program for it.
pub fn configure(has: Has, root: &Path) -> Option<Call> {
    let call = if has.update_grub {
        Call::new(Program::UpdateGrub, [""; 0])
    } else if has.grub_mkconfig {
        Call::new(Program::GrubMkconfig, ["-o", "/boot/grub/grub.cfg"])
    } else if has.grub2_mkconfig {
        Call::new(Program::Grub2Mkconfig, ["-o", "/boot/grub2/grub.cfg"])
    } else {
        return None;
    };
    Some(call.within(root))
}

/// A configuration for an image without a program that writes one: the newest kernel, and nothing else. `arguments` are
/// the image's own for its kernel; ours come behind them, because the last root counts.
pub fn minimal(root_uuid: &str, kernel: &str, initrd: Option<&str>, arguments: &str) -> String {
    // The image's words stay words: quotes, braces and the like would be GRUB's.
    let plain = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.,:=/@+".contains(c));
    let words: String = arguments.split_whitespace().filter(plain).flat_map(|word| [" ", word]).collect();
    let mut text = format!(
        "search --no-floppy --fs-uuid --set=root {root_uuid}\nset timeout=1\nmenuentry 'Linux' {{\n  \
         linux /boot/{kernel}{words} root=UUID={root_uuid} ro\n"
    );
    if let Some(initrd) = initrd {
        text.push_str(&format!("  initrd /boot/{initrd}\n"));
    }
    text.push_str("}\n");
    text
}

/// The newest kernel among the names in `/boot`, and the initrd that goes with it.
pub fn kernel(names: &[String]) -> Option<(&str, Option<&str>)> {
    let version = |name: &'_ str| {
        let rest = name.strip_prefix("vmlinuz").or_else(|| name.strip_prefix("Image"))?;
        Some(rest.strip_prefix('-').unwrap_or(rest).to_owned())
    };
    let newest = names.iter().filter_map(|name| Some((order(&version(name)?), name))).max()?.1;
    let version = version(newest)?;
    let candidates =
        [format!("initrd.img-{version}"), format!("initramfs-{version}.img"), format!("initrd-{version}")];
    let initrd =
        names.iter().find(|name| candidates.contains(name) || (version.is_empty() && *name == "initrd.img"));
    Some((newest, initrd.map(String::as_str)))
}

/// Versions in the order of their numbers.
fn order(version: &str) -> Vec<(u64, String)> {
    let parts = version.split(|c: char| !c.is_ascii_alphanumeric());
    parts.map(|part| (part.parse().unwrap_or_default(), part.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_of_the_image_come_first() {
        let root = Path::new("/mnt/new-root");
        let all = Has { grub_install: true, update_grub: true, ..Has::default() };
        let call = install(all, root);
        assert_eq!(call.root.as_deref(), Some(root));
        assert_eq!(
            call.line(),
            "grub-install --target=x86_64-efi --efi-directory=/boot/efi --boot-directory=/boot --removable --no-nvram"
        );
        let call = install(Has::default(), root);
        assert_eq!(call.root, None);
        assert!(call.line().contains("--efi-directory=/mnt/new-root/boot/efi"), "{}", call.line());
        assert_eq!(configure(all, root).map(|call| call.line()).as_deref(), Some("update-grub"));
        let fedora = Has { grub2_mkconfig: true, ..Has::default() };
        let call = configure(fedora, root).expect("a program");
        assert_eq!(call.line(), "grub2-mkconfig -o /boot/grub2/grub.cfg");
        assert_eq!(configure(Has::default(), root), None);
    }

    #[test]
    fn the_newest_kernel_is_booted_with_its_own_initrd() {
        let names: Vec<String> = [
            "vmlinuz-6.9.1-amd64",
            "vmlinuz-6.12.3-amd64",
            "initrd.img-6.9.1-amd64",
            "initrd.img-6.12.3-amd64",
            "config-6.12.3-amd64",
        ]
        .map(String::from)
        .to_vec();
        let (kernel, initrd) = kernel(&names).expect("a kernel");
        assert_eq!((kernel, initrd), ("vmlinuz-6.12.3-amd64", Some("initrd.img-6.12.3-amd64")));
        let own = minimal("aa-bb", kernel, initrd, "console=ttyS0,115200 quiet x='}' root=/dev/sda\n");
        assert!(own.contains(" console=ttyS0,115200 quiet root=/dev/sda root=UUID=aa-bb ro\n"), "{own}");
        let text = minimal("aa-bb", kernel, initrd, "");
        assert!(text.contains(
            "linux /boot/vmlinuz-6.12.3-amd64 root=UUID=aa-bb ro\n  initrd /boot/initrd.img-6.12.3"
        ));
        assert_eq!(super::kernel(&["grub".to_owned()]), None);
    }
}
