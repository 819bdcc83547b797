//! Operations that schedulers ask for, and what they are told of those that cannot be.

use crate::world::{World, info};

fn subscribed() -> World {
    let mut world = World::new();
    world.agent("a1", vec![]);
    world.subscribe(1, info());
    world
}

/// State and message of the last word about an operation.
fn answered(world: &World) -> (String, String) {
    let update = world.events.iter().rev().find_map(|(_, event)| event.update_operation_status.as_ref());
    let status = &update.unwrap().status;
    (status.state().as_str_name().to_owned(), status.message.clone().unwrap_or_default())
}

/// An agent with the capability `RESOURCE_PROVIDER` and without a resource provider, which is what all agents here are.
#[test]
fn what_resource_providers_do_is_refused_in_mesos_words() {
    let disk = |more: &str| {
        format!(
            r#"{{"name":"disk","type":"SCALAR","scalar":{{"value":64}},"disk":{{"source":{{"type":"RAW"}}}}{more}}}"#
        )
    };
    let provided = disk(r#","provider_id":{"value":"p"}"#);
    let profiled = provided.replace(r#""type":"RAW""#, r#""type":"RAW","profile":"fast""#);
    let with_id = provided.replace(r#""type":"RAW""#, r#""type":"MOUNT","id":"i""#);
    let create = |source: &str, target: &str| {
        format!(r#""type":"CREATE_DISK","create_disk":{{"source":{source},"target_type":"{target}"}}"#)
    };
    let destroy = |source: &str| format!(r#""type":"DESTROY_DISK","destroy_disk":{{"source":{source}}}"#);
    let left = "cpus:4;mem:4096;disk:1000;ports:[31000-31999]";
    let on = "; on agent id-of-a1 at slave(1)@10.0.0.1:5051 (a1)";
    for (operation, expected) in [
        (create(&disk(""), "MOUNT"), format!("'source' is not managed by a resource provider{on}")),
        (create(&with_id, "MOUNT"), format!("'source' is not a RAW disk resource{on}")),
        (create(&profiled, "PATH"), format!("'target_type' is neither MOUNT or BLOCK{on}")),
        (create(&provided, "MOUNT"), format!("'target_profile' must be set when 'source' has no profile{on}")),
        (create(&profiled, "MOUNT"), format!("Invalid CREATE_DISK Operation: {left} does not contain disk")),
        (destroy(&disk("")), format!("'source' is not managed by a resource provider{on}")),
        (destroy(&provided), format!("'source' is not backed by a CSI volume{on}")),
        (destroy(&with_id), format!("Invalid DESTROY_DISK Operation: {left} does not contain disk")),
        (
            r#""type":"CREATE_DISK""#.to_owned(),
            "Operation attempted with invalid resources: A CREATE_DISK offer operation must have the \
             Offer.Operation.create_disk field set."
                .to_owned(),
        ),
    ] {
        let mut world = subscribed();
        let offer = world.offers().pop().unwrap().id.value;
        world.call(
            1,
            &format!(
                r#"{{"type":"ACCEPT","accept":{{"offer_ids":[{{"value":"{offer}"}}],"filters":{{"refuse_seconds":0}},
                "operations":[{{"id":{{"value":"o"}},{operation}}}]}}}}"#
            ),
        );
        let (state, message) = answered(&world);
        assert_eq!(state, "OPERATION_ERROR", "{operation}: {message}");
        assert!(message.starts_with(&expected), "{operation}: {message}");
        let offered = world.offers().pop().unwrap();
        assert_ne!(offered.id.value, offer, "{operation}: what was offered is offered again");
    }
}
