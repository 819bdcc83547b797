//! What people write is read, defaulted and written back without loss; every kind has what operators expect of one.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proffer_crds::{
    Agent, AllocationRole, Delivery, Framework, FrameworkSpec, Maintenance, MaintenanceReply, Offer, OfferPhase,
    QuantityText, Reservation, ReservationPhase, Strategy, Task, TaskState, definitions, manifests,
};
use serde::{Serialize, de::DeserializeOwned};

/// Reads YAML as `T` and requires that writing and reading it again gives the same.
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(yaml: &str) -> T {
    let read: T = serde_yaml::from_str(yaml).unwrap();
    let again: T = serde_yaml::from_str(&serde_yaml::to_string(&read).unwrap()).unwrap();
    assert_eq!(read, again);
    read
}

#[test]
fn a_task_of_four_lines_is_enough() {
    let task: Task = round_trip(
        "apiVersion: proffer.dev/v1alpha1\nkind: Task\nmetadata: {name: hello}\nspec:\n  frameworkRef: {name: first}\n  command: {value: echo hello}\n",
    );
    assert_eq!(task.spec.resources.cpu, QuantityText::from("100m"));
    assert_eq!(task.spec.resources.memory, QuantityText::from("32Mi"));
    assert!(task.spec.command.shell);
    assert_eq!(task.spec.kill_policy.grace_period_seconds, 5);
    assert_eq!(task.status, None);
}

#[test]
fn a_task_with_everything_keeps_everything() {
    let task: Task = round_trip(
        r"
apiVersion: proffer.dev/v1alpha1
kind: Task
metadata: {name: web, namespace: shop}
spec:
  frameworkRef: {name: services}
  command: {value: httpd, shell: false, arguments: [httpd, -f, -p, '8080']}
  resources: {cpu: 1, memory: 1.5Gi, disk: 10Mi, ports: {count: 2}}
  limits: {cpu: 2.5, memory: 2Gi}
  env: [{name: COLOUR, value: blue}, {name: EMPTY}]
  user: '1000'
  killPolicy: {gracePeriodSeconds: 30}
status:
  state: Failed
  reason: CommandExecutorFailed
  message: exited with code 3
  agent: {name: node1, id: a-1, address: 10.244.1.7}
  ports: [31000, 31001]
  exitCode: 3
  masterEpoch: 7
",
    );
    assert_eq!(task.spec.resources.cpu, QuantityText::from("1"));
    assert_eq!(task.spec.limits.as_ref().unwrap().cpu, Some(QuantityText::from("2.5")));
    assert_eq!(task.status.unwrap().state, TaskState::Failed);
}

#[test]
fn a_task_may_use_volumes() {
    let task: Task = round_trip(
        "apiVersion: proffer.dev/v1alpha1\nkind: Task\nmetadata: {name: w}\nspec:\n  frameworkRef: {name: first}\n  command: {value: ls}\n  volumes: [{id: data}, {id: logs, path: var/log, readOnly: true}]\n",
    );
    assert_eq!((task.spec.volumes[0].path.as_deref(), task.spec.volumes[1].read_only), (None, true));
}

#[test]
fn a_framework_without_a_scheduler_gets_the_built_in_one() {
    let framework: Framework =
        round_trip("apiVersion: proffer.dev/v1alpha1\nkind: Framework\nmetadata: {name: first}\nspec: {}\n");
    assert_eq!(framework.spec, FrameworkSpec::default());
    assert_eq!(framework.spec.scheduler.built_in.unwrap().strategy, Strategy::BinPack);

    let external: Framework = round_trip(
        "apiVersion: proffer.dev/v1alpha1\nkind: Framework\nmetadata: {name: mine}\nspec: {scheduler: {external: {delivery: Resource}}}\n",
    );
    assert_eq!(external.spec.scheduler.external.unwrap().delivery, Delivery::Resource);
}

#[test]
fn an_offer_and_its_reply_survive() {
    let offer: Offer = round_trip(
        r"
apiVersion: proffer.dev/v1alpha1
kind: Offer
metadata: {name: mine-1-1}
spec:
  terms:
    framework: mine
    agent: {name: node1, id: a-1}
    role: '*'
    resources: {cpu: '2', memory: 512Mi, disk: '0', ports: '[31000-32000]'}
    expiresAt: '2030-01-01T00:00:00Z'
    masterEpoch: 3
  reply: {accept: {operations: [{launch: {tasks: [one, two]}}], filters: {refuseSeconds: 2.5}}}
status: {phase: Accepted}
",
    );
    assert_eq!(offer.status.unwrap().phase, Some(OfferPhase::Accepted));
    assert_eq!(offer.spec.reply.unwrap().accept.unwrap().operations[0].launch.as_ref().unwrap().tasks, ["one", "two"]);
}

#[test]
fn an_agent_survives() {
    let agent: Agent = round_trip(
        "apiVersion: proffer.dev/v1alpha1\nkind: Agent\nmetadata: {name: node1}\nspec: {attributes: {rack: r1}}\nstatus: {tasks: 2, masterEpoch: 9}\n",
    );
    assert_eq!(agent.spec.attributes["rack"], "r1");
    assert!(!agent.spec.deactivated && !agent.spec.gone && agent.spec.drain.is_none());
}

#[test]
fn a_role_survives() {
    let role: AllocationRole = round_trip(
        r"
apiVersion: proffer.dev/v1alpha1
kind: AllocationRole
metadata: {name: eng}
spec:
  path: eng
  quota: {guarantees: {cpu: 2, memory: 1Gi}, limits: {cpu: 4, gpus: 0}}
status: {masterEpoch: 3, dominantShare: 25.0%, allocated: {cpu: '1'}}
",
    );
    assert_eq!(role.spec.weight.to_string(), "1", "without a weight, that of an ordinary role");
    assert_eq!(role.spec.quota.unwrap().limits.0["gpus"], QuantityText::from("0"));
}

#[test]
fn a_maintenance_survives() {
    let maintenance: Maintenance = round_trip(
        r"
apiVersion: proffer.dev/v1alpha1
kind: Maintenance
metadata: {name: rack-7}
spec: {window: {start: '2030-01-31T20:00:00Z', duration: 2h}, agents: [node1, node2]}
status:
  phase: Draining
  agents: [{name: node1, known: true, tasks: 1, frameworks: [{name: default/hello, reply: Asked}]}]
",
    );
    assert!(!maintenance.spec.started);
    assert_eq!(maintenance.status.unwrap().agents[0].frameworks[0].reply, MaintenanceReply::Asked);
}

#[test]
fn a_reservation_survives() {
    let reservation: Reservation = round_trip(
        r"
apiVersion: proffer.dev/v1alpha1
kind: Reservation
metadata: {name: db}
spec:
  agent: node1
  role: eng/db
  refines: [{role: eng, static: true}]
  principal: dba
  labels: [{key: team, value: storage}, {key: team}]
  resources: {cpu: 1.5, memory: 512Mi, gpus: 1, ports: '[31000-31005]', custom: {slots: 4}}
  volumes: [{id: data, size: 1Gi}, {id: logs, size: 64Mi, containerPath: var/log, shared: true, readOnly: true}]
status: {phase: Reserved, masterEpoch: 3, tasks: [{namespace: shop, name: one}]}
",
    );
    let resources = reservation.spec.resources.unwrap();
    assert_eq!(resources.custom["slots"], QuantityText::from("4"));
    assert!(reservation.spec.volumes[1].shared && !reservation.spec.volumes[0].shared);
    assert_eq!(reservation.status.unwrap().phase, ReservationPhase::Reserved);
    let least: Reservation = round_trip(
        "apiVersion: proffer.dev/v1alpha1\nkind: Reservation\nmetadata: {name: db}\nspec: {agent: node1, role: eng, volumes: [{id: v, size: 1Gi}]}\n",
    );
    assert_eq!(least.spec.volumes[0].container_path, None);
}

#[test]
fn every_kind_has_status_columns_and_the_category() {
    for definition in definitions() {
        let kind = &definition.spec.names.kind;
        assert_eq!(definition.spec.names.categories.as_deref(), Some(&["proffer".to_owned()][..]), "{kind}");
        for version in &definition.spec.versions {
            assert!(version.subresources.as_ref().is_some_and(|s| s.status.is_some()), "{kind} has no status");
            assert!(version.additional_printer_columns.as_ref().is_some_and(|c| c.len() > 4), "{kind} has no columns");
        }
    }
}

#[test]
fn the_manifests_are_yaml_of_the_definitions_without_what_kubernetes_refuses() {
    let manifests = manifests().unwrap();
    assert_eq!(manifests.len(), definitions().len());
    for (name, yaml) in manifests {
        let value: serde_yaml::Value = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!(value["kind"], "CustomResourceDefinition", "{name}");
        for refused in ["format: uint", "nullable: true", "$ref"] {
            assert!(!yaml.contains(refused), "{name} has {refused}");
        }
    }
}
