//! Whether an answer has at least the fields of a recorded one.

use serde_json::Value;

/// What of `recorded` is not in `ours` with the same type of JSON, by path. Of a list, the first elements are compared;
/// a list that is recorded with elements must have some. Paths in `known` are left out.
pub(super) fn missing(recorded: &Value, ours: &Value, known: &[&str]) -> Vec<String> {
    let mut missing = Vec::new();
    compare(recorded, ours, "", known, &mut missing);
    missing
}

fn compare(recorded: &Value, ours: &Value, path: &str, known: &[&str], missing: &mut Vec<String>) {
    if known.contains(&path) {
        return;
    }
    match (recorded, ours) {
        (Value::Object(recorded), Value::Object(ours)) => {
            for (name, value) in recorded {
                let path = format!("{path}.{name}");
                match ours.get(name) {
                    Some(ours) => compare(value, ours, &path, known, missing),
                    None if known.contains(&path.as_str()) => {}
                    None => missing.push(path),
                }
            }
        }
        (Value::Array(recorded), Value::Array(ours)) => match (recorded.first(), ours.first()) {
            (Some(recorded), Some(ours)) => compare(recorded, ours, &format!("{path}[]"), known, missing),
            (Some(_), None) => missing.push(format!("{path}[]")),
            (None, _) => {}
        },
        // Mesos tells whole numbers from others; some clients do too.
        (Value::Number(recorded), Value::Number(ours)) if recorded.is_f64() == ours.is_f64() => {}
        (Value::String(_), Value::String(_)) | (Value::Bool(_), Value::Bool(_)) | (Value::Null, Value::Null) => {}
        _ => missing.push(format!("{path}: {recorded} is recorded, {ours} is ours")),
    }
}
