//! The tables agree with what the independent implementation reads from the same files.

use proffer_mesos_api::Descriptor;

use crate::generator::pool;

#[test]
fn every_message_has_a_table() {
    let mut theirs: Vec<String> = pool()
        .all_messages()
        .filter(|message| !message.is_map_entry())
        .map(|message| message.full_name().to_owned())
        .collect();
    theirs.sort();
    let mut ours: Vec<String> = Descriptor::all().iter().map(|message| message.name().to_owned()).collect();
    ours.sort();
    assert_eq!(ours, theirs);
}
