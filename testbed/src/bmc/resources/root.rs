// SPDX-License-Identifier: AGPL-3.0-or-later
//! The service root and the two documents that describe the service to OData clients.

use serde_json::{Map, Value, json};

use super::{View, since};
use crate::bmc::profiles::Profile;
use crate::bmc::routes::Resource;

pub(super) fn root(view: &View<'_>) -> Map<String, Value> {
    let mut map = view.entity(
        &Resource::Root,
        "ServiceRoot",
        view.profile.versions.service_root,
        "RootService",
        "Root Service",
    );
    map.insert("RedfishVersion".into(), json!(view.profile.redfish_version));
    for (name, resource) in SERVICES {
        map.insert((*name).to_owned(), view.link(resource));
    }
    map.insert("Links".into(), json!({"Sessions": view.link(&Resource::Sessions)}));
    if since(view.profile.versions.service_root, 3) {
        let expand = json!({"ExpandAll": false, "Levels": false, "Links": false, "NoLinks": false});
        let features = json!({
            "ExpandQuery": expand,
            "FilterQuery": false,
            "OnlyMemberQuery": true,
            "SelectQuery": false,
        });
        map.insert("ProtocolFeaturesSupported".into(), features);
    }
    map
}

const SERVICES: &[(&str, &Resource)] = &[
    ("Systems", &Resource::Systems),
    ("Chassis", &Resource::ChassisCollection),
    ("Managers", &Resource::Managers),
    ("Tasks", &Resource::TaskService),
    ("SessionService", &Resource::SessionService),
    ("AccountService", &Resource::AccountService),
];

pub(super) fn odata(view: &View<'_>) -> Value {
    let mut value = vec![json!({"name": "Service", "kind": "Singleton", "url": "/redfish/v1/"})];
    value.extend(SERVICES.iter().map(
        |(name, resource)| json!({"name": name, "kind": "Singleton", "url": resource.path(view.profile)}),
    ));
    json!({"@odata.context": "/redfish/v1/$metadata", "value": value})
}

/// The OData metadata document: references to the schemas in use.
pub(crate) fn metadata(profile: &Profile) -> String {
    let versions = &profile.versions;
    let schemas = [
        ("ServiceRoot", Some(versions.service_root)),
        ("ComputerSystemCollection", None),
        ("ComputerSystem", Some(versions.computer_system)),
        ("ManagerCollection", None),
        ("Manager", Some(versions.manager)),
        ("ChassisCollection", None),
        ("Chassis", Some(versions.chassis)),
        ("VirtualMediaCollection", None),
        ("VirtualMedia", Some(versions.virtual_media)),
        ("EthernetInterfaceCollection", None),
        ("EthernetInterface", Some(versions.ethernet_interface)),
        ("SessionService", Some(versions.session_service)),
        ("SessionCollection", None),
        ("Session", Some(versions.session)),
        ("AccountService", Some(versions.account_service)),
        ("ManagerAccountCollection", None),
        ("ManagerAccount", Some(versions.manager_account)),
        ("RoleCollection", None),
        ("Role", Some(versions.role)),
        ("TaskService", Some(versions.task_service)),
        ("TaskCollection", None),
        ("ActionInfo", Some(versions.action_info)),
    ];
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <edmx:Edmx xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\" Version=\"4.0\">\n",
    );
    for (schema, version) in schemas {
        xml.push_str(&format!(
            "  <edmx:Reference Uri=\"http://redfish.dmtf.org/schemas/v1/{schema}_v1.xml\">\n    \
             <edmx:Include Namespace=\"{schema}\"/>\n"
        ));
        if let Some(version) = version {
            xml.push_str(&format!("    <edmx:Include Namespace=\"{schema}.{version}\"/>\n"));
        }
        xml.push_str("  </edmx:Reference>\n");
    }
    xml.push_str(&format!(
        "  <edmx:DataServices>\n    <Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Service\">\n      \
         <EntityContainer Name=\"Service\" Extends=\"ServiceRoot.{}.ServiceContainer\"/>\n    </Schema>\n  \
         </edmx:DataServices>\n</edmx:Edmx>\n",
        versions.service_root
    ));
    xml
}
