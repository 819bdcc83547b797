//! Who may use a volume, and when it is removed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test that fails")]

mod bench_node;

use bench_node::{Node, order, order_with};
use proffer_agent::{Event, MasterCall, Order, ToMaster, VolumeId, VolumeMount};

fn volume(id: &str) -> VolumeId {
    VolumeId { role: "eng".into(), id: id.into() }
}

/// What the last answer to a destruction says.
fn answer(node: &Node) -> Option<String> {
    match node.sent.last() {
        Some(ToMaster::VolumeDestroyed { problem, .. }) => Some(problem.clone().unwrap_or_else(|| "gone".to_owned())),
        _ => None,
    }
}

fn destroy(node: &mut Node, id: &str) {
    node.master(node.agent.epoch(), MasterCall::DestroyVolume(volume(id)));
}

/// How an order with these volumes (role, ID, path) ends before anything is spawned; `None` if it is spawned.
fn refused(volumes: &[(&str, &str, &str)]) -> Option<String> {
    let mut node = Node::ready();
    let mount = |&(role, id, path): &(&str, &str, &str)| VolumeMount {
        role: role.into(),
        id: id.into(),
        container_path: path.into(),
        read_only: false,
    };
    node.launch_order(Order { volumes: volumes.iter().map(mount).collect(), ..order("a") });
    node.sync();
    node.updates("a").first().map(|update| update.status.message.clone())
}

#[test]
fn a_volume_goes_when_no_task_uses_it_and_is_answered_once() {
    let mut node = Node::ready();
    node.launch_order(order_with("a", "v"));
    node.sync();
    destroy(&mut node, "v");
    assert_eq!(answer(&node).unwrap(), "task ns/task-a (a) uses volume \"v\"", "it is being started");
    node.spawned();
    node.crash(false);
    node.connect(2);
    destroy(&mut node, "v");
    assert!(answer(&node).unwrap().contains("uses volume"), "a restarted agent still knows");
    destroy(&mut node, "other");
    assert_eq!(node.removing, [volume("other")]);
    node.volume_removed(None);
    assert_eq!(answer(&node).unwrap(), "gone");

    node.exits("a", 0);
    node.sync();
    let sent = node.sent.len();
    destroy(&mut node, "v");
    destroy(&mut node, "v");
    assert_eq!((node.removing.len(), node.sent.len()), (1, sent), "asked twice, removed once");
    node.volume_removed(Some("it is busy"));
    assert_eq!(answer(&node).unwrap(), "it is busy");
    destroy(&mut node, "v");
    node.volume_removed(None);
    assert_eq!(answer(&node).unwrap(), "gone");
}

#[test]
fn no_task_is_launched_or_made_ready_with_a_volume_that_goes() {
    let mut node = Node::ready();
    destroy(&mut node, "v");
    node.launch_order(order_with("a", "v"));
    node.launch_order(order_with("b", "other"));
    node.sync();
    assert_eq!(node.spawning, ["b"]);
    assert_eq!(node.story("a"), ["Dropped"]);
    assert!(node.updates("a")[0].status.message.contains("is being removed"), "{:?}", node.updates("a"));
    node.master(1, MasterCall::Prepare(Box::new(order_with("c", "third"))));
    node.master(1, MasterCall::Prepare(Box::new(order("d"))));
    assert_eq!(node.prepared, ["d"]);
    node.volume_removed(None);
    node.launch_order(order_with("e", "v"));
    node.sync();
    assert_eq!(node.spawning, ["b", "e"], "one of the same name is another volume");
}

#[test]
fn a_leader_of_an_earlier_epoch_destroys_nothing() {
    let mut node = Node::ready();
    node.happens(Event::Disconnected);
    node.connect(5);
    node.master(4, MasterCall::DestroyVolume(volume("v")));
    assert_eq!(node.sent.last(), Some(&ToMaster::StaleEpoch { refused: 4, confirmed: 5 }));
    assert!(node.removing.is_empty());
}

#[test]
fn names_and_paths_that_lead_elsewhere_are_refused() {
    for (volumes, expected) in [
        (&[("eng", "v", "data")][..], None),
        (&[("eng/analytics", "v.1", "deep/data/")], None),
        (&[("eng", "v", "/mnt/mesos/sandbox/data")], None),
        (&[("eng", "v", "data"), ("eng", "w", "data2")], None),
        (&[("eng", "..", "data")], Some("the volume's id \"..\" cannot be part of a path")),
        (&[("eng", "a/b", "data")], Some("the volume's id \"a/b\" cannot be part of a path")),
        (&[("eng", "", "data")], Some("the volume's id \"\" cannot be part of a path")),
        (&[("eng/..", "v", "data")], Some("the volume's role \"eng/..\" cannot be part of a path")),
        (&[("a b", "v", "data")], Some("the volume's role \"a b\" cannot be part of a path")),
        (&[("eng", "v", "../up")], Some("cannot be mounted at \"../up\": write a path below the sandbox")),
        (&[("eng", "v", "/etc")], Some("cannot be mounted at \"/etc\"")),
        (&[("eng", "v", "/mnt/mesos/sandbox")], Some("cannot be mounted at")),
        (&[("eng", "v", "")], Some("cannot be mounted at")),
        (&[("eng", "v", "a//b")], Some("cannot be mounted at")),
        (&[("eng", "v", "stdout")], Some("cannot be mounted at")),
        (&[("eng", "v", "data"), ("eng", "w", "data")], Some("in each other's way")),
        (&[("eng", "v", "data/a"), ("eng", "w", "data")], Some("in each other's way")),
    ] {
        let found = refused(volumes);
        match expected {
            None => assert_eq!(found, None, "{volumes:?}"),
            Some(expected) => {
                assert!(found.as_ref().is_some_and(|text| text.contains(expected)), "{volumes:?}: {found:?}");
            }
        }
    }
    let mut node = Node::ready();
    destroy(&mut node, "../v");
    assert_eq!(answer(&node).unwrap(), "the volume's id \"../v\" cannot be part of a path");
    assert_eq!(VolumeId { role: "eng/a".into(), id: "v".into() }.path(), "volumes/roles/eng a/v");
}
