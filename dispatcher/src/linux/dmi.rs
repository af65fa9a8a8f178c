// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who the machine is, by its firmware's tables and its network hardware.

use std::fs;
use std::path::Path;

use shoal_schema::network::Mac;
use shoal_schema::wire::task::Identity;

/// Reads `/sys/class/dmi/id` and `/sys/class/net`. What cannot be read is left out; reading serials needs root.
pub(super) fn identity(sys: &Path) -> Identity {
    let dmi = |name: &str| {
        let text = fs::read(sys.join("class/dmi/id").join(name)).ok()?;
        // Firmware puts anything into its strings.
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let dell = dmi("sys_vendor").is_some_and(|vendor| vendor.to_ascii_lowercase().starts_with("dell"));
    // Dell's SKU field has `SKU=...;ModelName=...` on current servers; only a bare service tag says who it is.
    let tag =
        |sku: &String| dell && (5..=7).contains(&sku.len()) && sku.bytes().all(|b| b.is_ascii_alphanumeric());
    Identity {
        serial: dmi("product_serial"),
        uuid: dmi("product_uuid"),
        macs: macs(&sys.join("class/net")),
        sku: dmi("product_sku").filter(tag),
    }
}

/// Addresses of real interfaces. Bridges, bonds and VLANs have no device behind them and borrow addresses.
fn macs(net: &Path) -> Vec<Mac> {
    let Ok(interfaces) = fs::read_dir(net) else { return Vec::new() };
    let mut macs: Vec<Mac> = interfaces
        .flatten()
        .map(|interface| interface.path())
        .filter(|interface| interface.join("device").exists())
        .flat_map(|interface| {
            // A member of a bond shows the bond's address; its own is kept beside it.
            ["bonding_slave/perm_hwaddr", "address"].map(|name| fs::read_to_string(interface.join(name)).ok())
        })
        .flatten()
        .filter_map(|text| Mac::parse(text.trim()).ok())
        .filter(|mac| mac.as_str() != "00:00:00:00:00:00")
        .collect();
    macs.sort();
    macs.dedup();
    macs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("made");
            fs::write(path, content).expect("written");
        }
        root
    }

    #[test]
    fn strings_are_trimmed_and_what_is_missing_stays_unknown() {
        let root = tree(&[("class/dmi/id/product_serial", " S1 \n"), ("class/dmi/id/product_uuid", "\n")]);
        let identity = identity(root.path());
        assert_eq!((identity.serial.as_deref(), identity.uuid, identity.sku), (Some("S1"), None, None));
    }

    #[test]
    fn a_sku_counts_on_dell_only_and_only_as_a_service_tag() {
        for (vendor, sku, counts) in [
            ("Dell Inc.", "ABC1234", true),
            ("Dell Inc.", "SKU=0A6B;ModelName=PowerEdge R750", false),
            ("HPE", "ABC1234", false),
        ] {
            let root = tree(&[("class/dmi/id/sys_vendor", vendor), ("class/dmi/id/product_sku", sku)]);
            assert_eq!(identity(root.path()).sku.is_some(), counts, "{vendor} {sku}");
        }
    }

    #[test]
    fn only_interfaces_with_hardware_have_addresses_that_count() {
        let root = tree(&[
            ("class/net/eth1/address", "02:00:00:00:00:02\n"),
            ("class/net/eth1/device/vendor", "0x8086"),
            ("class/net/eth0/address", "02:00:00:00:00:01\n"),
            ("class/net/eth0/device/vendor", "0x8086"),
            ("class/net/br0/address", "02:00:00:00:00:09\n"),
            ("class/net/ib0/address", "80:00:02:08:fe:80:00:00:00:00:00:00:00:11:22:33:44:55:66:77\n"),
            ("class/net/ib0/device/vendor", "0x15b3"),
            ("class/net/lo/address", "00:00:00:00:00:00\n"),
        ]);
        let macs: Vec<String> =
            identity(root.path()).macs.iter().map(|mac| mac.as_str().to_owned()).collect();
        assert_eq!(macs, ["02:00:00:00:00:01", "02:00:00:00:00:02"]);
    }
}
