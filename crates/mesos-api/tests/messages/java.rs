//! The classes that Apache Mesos published for Java read what we write, and we what they write.
//!
//! Needs `java` and the classes, whose path stands in `MESOS_JAVA_CLASSPATH`. From this crate's folder:
//!
//! ```sh
//! export MESOS_JAVA_CLASSPATH=$(mvn -q -f tests/java/pom.xml dependency:build-classpath -Dmdep.outputFile=/dev/stdout)
//! cargo test -p proffer-mesos-api --test messages java
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proffer_mesos_api::{Described, decode, encode, json};
use prost_reflect::{Cardinality, Kind};

use crate::generator::pool;

include!(concat!(env!("OUT_DIR"), "/every_message.rs"));

/// Messages of each type that are exchanged.
const ROUNDS: &str = "12";

/// Fields that came to Mesos after the published classes, by how they begin.
const NEWER: [&str; 7] = [
    "mesos.v1.ResourceStatistics\tmem_kmem_",
    "mesos.v1.ResourceStatistics\tnet_ephemeral_ports",
    "mesos.v1.ResourceStatistics\tnet_rate_statistics",
    "mesos.v1.ResourceStatistics\tnet_rx_",
    "mesos.v1.ResourceStatistics\tnet_tx_",
    "mesos.v1.ResourceStatistics.RatePercentiles\t",
    "mesos.v1.ResourceStatistics.RateStatistics\t",
];

/// Runs the Java side; nothing if there is none on this machine.
#[allow(clippy::disallowed_methods, reason = "a test's settings are its environment")]
fn run(arguments: &[&str], input: &[u8]) -> Option<String> {
    let Ok(classes) = std::env::var("MESOS_JAVA_CLASSPATH") else {
        println!("skipped: MESOS_JAVA_CLASSPATH does not say where Mesos' classes are");
        return None;
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/java/Exchange.java");
    let started = Command::new("java")
        .args(["-cp", &classes])
        .arg(source)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: no java: {error}");
            return None;
        }
    };
    // Java reads all before it writes.
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "java {arguments:?}: {}", output.status);
    Some(String::from_utf8(output.stdout).unwrap())
}

/// What we make of a message: protobuf and JSON. Checks that both of theirs are the same to us.
type Exchange = fn(&[u8], &[u8]) -> (Vec<u8>, String);

macro_rules! exchanges {
    ($($name:literal => $type:ty,)*) => { [$(($name, exchange::<$type> as Exchange)),*] };
}

fn exchange<M: Described + PartialEq>(protobuf: &[u8], text: &[u8]) -> (Vec<u8>, String) {
    let message: M = decode(protobuf).unwrap();
    if !text.is_empty() {
        let same: M = json::decode(text).unwrap();
        assert!(same == message, "{:?} read as {:?}", String::from_utf8_lossy(text), json::encode(&same));
    }
    (encode(&message), json::encode(&message))
}

#[test]
fn messages_written_by_either_side_are_read_by_the_other() {
    let Some(theirs) = run(&["write", ROUNDS], b"") else { return };
    let exchanges: BTreeMap<&str, Exchange> = every_message!(exchanges).into_iter().collect();
    let mut answer = String::new();
    let mut types = BTreeSet::new();
    for line in theirs.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let read = |text: &str| STANDARD.decode(text).unwrap();
        let (protobuf, text) = exchanges[parts[0]](&read(parts[1]), &read(parts[2]));
        types.insert(parts[0]);
        writeln!(answer, "{}\t{}\t{}\t{}", parts[0], parts[1], STANDARD.encode(protobuf), STANDARD.encode(text))
            .unwrap();
    }
    let verdict = run(&["verify"], answer.as_bytes()).unwrap();
    let count = answer.lines().count();
    assert_eq!(verdict.trim(), format!("verified {count}"));
    println!("{count} messages of {} types exchanged", types.len());
    assert!(types.len() > 300, "{}", types.len());
}

#[test]
fn fields_are_those_of_the_published_classes() {
    let Some(theirs) = run(&["fields"], b"") else { return };
    let theirs: BTreeSet<&str> = theirs.lines().collect();
    let mut ours = BTreeSet::new();
    for message in pool().all_messages().filter(|message| message.full_name().starts_with("mesos.")) {
        if message.is_map_entry() {
            continue;
        }
        for field in message.fields() {
            let label = match field.cardinality() {
                Cardinality::Required => "required",
                Cardinality::Repeated => "repeated",
                Cardinality::Optional => "optional",
            };
            let kind = match field.kind() {
                Kind::Message(_) => "message".to_owned(),
                Kind::Enum(_) => "enum".to_owned(),
                other => format!("{other:?}").to_lowercase(),
            };
            ours.insert(format!("{}\t{}\t{}\t{label}\t{kind}", message.full_name(), field.name(), field.number()));
        }
    }
    let missing: Vec<&&str> = theirs.iter().filter(|field| !ours.contains(**field)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    let newer: Vec<&String> = ours
        .iter()
        .filter(|field| !theirs.contains(field.as_str()))
        .filter(|field| !NEWER.iter().any(|known| field.starts_with(known)))
        .collect();
    assert!(newer.is_empty(), "{newer:#?}");
}
