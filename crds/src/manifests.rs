//! The kinds as custom resource definitions, ready to be applied.

use crate::{Agent, AllocationRole, Framework, Maintenance, Offer, Reservation, Task};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

/// Every kind's definition, in the order in which they are written.
#[must_use]
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut definitions = vec![
        Agent::crd(),
        AllocationRole::crd(),
        Framework::crd(),
        Maintenance::crd(),
        Offer::crd(),
        Reservation::crd(),
        Task::crd(),
    ];
    for definition in &mut definitions {
        // Without their definitions, all objects would go; uninstalling a chart must not do that.
        definition
            .metadata
            .annotations
            .get_or_insert_default()
            .insert("helm.sh/resource-policy".to_owned(), "keep".to_owned());
    }
    definitions
}

/// Every kind's file name and YAML.
///
/// # Errors
/// A definition that cannot be written as YAML, which a schema of ours never is.
pub fn manifests() -> Result<Vec<(String, String)>, serde_yaml::Error> {
    definitions()
        .into_iter()
        .map(|definition| {
            let name = format!("{}_{}.yaml", definition.spec.group, definition.spec.names.plural);
            let mut value =
                serde_json::to_value(definition).map_err(<serde_yaml::Error as serde::ser::Error>::custom)?;
            tidy(&mut value);
            Ok((name, serde_yaml::to_string(&value)?))
        })
        .collect()
}

/// Removes what Kubernetes has no use for: schemars' unsigned formats, `nullable` on optional fields (a null is pruned
/// and defaulted instead), and quantities' `anyOf` in favour of `x-kubernetes-int-or-string` alone.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
                object.remove("format");
            }
            if object.get("nullable") == Some(&json!(true)) {
                object.remove("nullable");
            }
            if object.contains_key("x-kubernetes-int-or-string") {
                object.remove("anyOf");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
