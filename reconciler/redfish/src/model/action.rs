// SPDX-License-Identifier: AGPL-3.0-or-later
//! Actions and what they take, inline or in an `ActionInfo` (Supermicro, Lenovo,
//! OpenBMC and NVIDIA have allowable values only there).

use serde_json::Value;

use super::json;

/// An action that a resource offers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Action {
    pub(crate) target: String,
    pub(crate) info: Option<String>,
    /// `Name@Redfish.AllowableValues` beside the target.
    pub(crate) inline: Parameters,
}

impl Action {
    fn read(value: &Value) -> Option<Self> {
        let inline = value
            .as_object()?
            .keys()
            .filter_map(|key| key.strip_suffix("@Redfish.AllowableValues").map(|name| (key, name)))
            .map(|(key, name)| Parameter {
                name: name.to_owned(),
                required: false,
                allowed: json::texts(value, key),
            })
            .collect();
        Some(Self {
            target: json::link(value, "target")?,
            info: json::link(value, "@Redfish.ActionInfo"),
            inline: Parameters(inline),
        })
    }
}

/// The action of this name, for example `#ComputerSystem.Reset`.
pub(crate) fn find(resource: &Value, name: &str) -> Option<Action> {
    Action::read(json::object(json::object(resource, "Actions"), name))
}

/// A vendor's own action whose name ends like this, under `Actions.Oem`, `Oem.X.Actions` or
/// `Actions.Oem.X` (iLO 4: `Oem.Hp.Actions.#HpiLOVirtualMedia.InsertVirtualMedia`). Older iDRACs have
/// no `#` in front (`OemManager.v1_0_0#OemManager.ImportSystemConfiguration`).
pub(crate) fn find_oem(resource: &Value, ending: &str) -> Option<Action> {
    let under_actions = json::object(json::object(resource, "Actions"), "Oem");
    let own = json::object(resource, "Oem");
    let mut holders = vec![under_actions];
    for oem in [under_actions, own] {
        for key in oem.as_object().into_iter().flat_map(|map| map.keys()) {
            holders.push(json::object(oem, key));
            holders.push(json::object(json::object(oem, key), "Actions"));
        }
    }
    holders.into_iter().find_map(|holder| {
        holder
            .as_object()?
            .iter()
            .filter(|(name, _)| name.contains('#') && name.ends_with(ending))
            .find_map(|(_, value)| Action::read(value))
    })
}

/// One parameter of an action.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) allowed: Vec<String>,
}

/// The parameters of an action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Parameters(pub(crate) Vec<Parameter>);

impl Parameters {
    /// Reads an `ActionInfo`.
    pub(crate) fn read(info: &Value) -> Self {
        let items = info.get("Parameters").and_then(Value::as_array);
        Self(
            items
                .into_iter()
                .flatten()
                .take(64)
                .filter_map(|item| {
                    Some(Parameter {
                        name: json::text(item, "Name")?,
                        required: json::flag(item, "Required").unwrap_or(false),
                        allowed: json::texts(item, "AllowableValues"),
                    })
                })
                .collect(),
        )
    }

    /// For a route of a maker's own that takes `http` and lists nothing.
    pub(crate) fn http_alone() -> Self {
        Self(vec![Parameter {
            name: "TransferProtocolType".to_owned(),
            required: false,
            allowed: vec!["HTTP".to_owned()],
        }])
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Parameter> {
        self.0.iter().find(|parameter| parameter.name == name)
    }

    /// Allowable values of a parameter; empty when there are none or none are listed.
    pub(crate) fn allowed(&self, name: &str) -> &[String] {
        self.get(name).map_or(&[], |parameter| &parameter.allowed)
    }

    /// These parameters, completed by those of `other` that are not known here.
    pub(crate) fn or(mut self, other: Parameters) -> Self {
        for parameter in other.0 {
            match self.0.iter_mut().find(|known| known.name == parameter.name) {
                Some(known) => {
                    known.required |= parameter.required;
                    if known.allowed.is_empty() {
                        known.allowed = parameter.allowed;
                    }
                }
                None => self.0.push(parameter),
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_action_without_a_target_is_none() {
        assert_eq!(find(&json!({"Actions": {"#A.B": {}}}), "#A.B"), None);
        assert_eq!(find(&json!({"Actions": null}), "#A.B"), None);
    }

    #[test]
    fn oem_actions_are_found_where_vendors_put_them() {
        let action = json!({"target": "/t"});
        for resource in [
            json!({"Oem": {"Hp": {"Actions": {"#HpiLOVirtualMedia.InsertVirtualMedia": action}}}}),
            json!({"Actions": {"Oem": {"#HpiLOVirtualMedia.InsertVirtualMedia": action}}}),
            json!({"Actions": {"Oem": {"Hp": {"#HpiLOVirtualMedia.InsertVirtualMedia": action}}}}),
        ] {
            let found = find_oem(&resource, ".InsertVirtualMedia").map(|found| found.target);
            assert_eq!(found.as_deref(), Some("/t"), "{resource}");
        }
    }

    #[test]
    fn allowable_values_come_inline_or_from_the_info() {
        let action = find(
            &json!({"Actions": {"#X.Y": {"target": "/t", "Kind@Redfish.AllowableValues": ["a"]}}}),
            "#X.Y",
        )
        .unwrap();
        let info = Parameters::read(&json!({"Parameters": [
            {"Name": "Kind", "Required": true, "AllowableValues": ["b"]},
            {"Name": "Other"}, {"Required": true}, null
        ]}));
        let all = action.inline.or(info);
        assert_eq!(all.allowed("Kind"), ["a"]);
        assert!(all.get("Kind").unwrap().required);
        assert!(all.get("Other").is_some());
        assert_eq!(all.0.len(), 2);
    }
}
