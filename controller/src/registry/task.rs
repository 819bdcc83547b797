//! Task objects to the master's events. What the schema lets through or somebody forced past it is judged here, once.

use super::shelf::{Entry, object_key, uid_of};
use crate::records::{self, reserved};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use proffer_crds::{PortRequest as ObjectPorts, QuantityText, TASK_FINALIZER, Task, TaskSpec, TaskVolume};
use proffer_master::{Command, Event, PortRequest, TaskId, TaskObject, TaskRequest, VolumeRequest, task_request};
use proffer_resources::quantity::{self, QuantityError};
use proffer_resources::{Amount, Ranges, Resources, Role};
use std::time::Duration;

/// Longest single argument or `NAME=value` that execve takes (Linux: `MAX_ARG_STRLEN`, with its closing zero).
const LONGEST_STRING: usize = 131_071;
/// Most bytes of command, arguments and environment together: a quarter of what execve takes with a small stack limit,
/// and little enough for an object in etcd.
const LARGEST_COMMAND: usize = 262_144;
/// Least cores of a task (Mesos: `MIN_CPUS`).
const LEAST_CPU: Amount = Amount::from_thousandths(10);
/// Least memory of a task in MiB.
const LEAST_MEMORY: Amount = Amount::from_units(4);
/// Most ports of a task.
const MOST_PORTS: i32 = 100;
/// Longest grace, a day.
const LONGEST_GRACE_SECONDS: i32 = 86_400;

/// What a Task object that is there tells the master.
pub(super) fn applied(entry: &Entry<Task>) -> Event {
    let meta = entry.meta();
    let mut stream = None;
    let (framework, request, record) = match entry.value() {
        Ok(task) => {
            let record = task.status.as_ref().and_then(records::task::record);
            match records::stream::task_object(&task.spec) {
                Some(launched) => {
                    let record = record.or_else(|| records::stream::placed(&task.spec, &launched.as_ref().ok()?.info));
                    let request = launched.as_ref().map_err(Clone::clone).and_then(|one| task_request(&one.info));
                    stream = launched.ok().map(Box::new);
                    (task.spec.framework_ref.name.clone(), request, record)
                }
                None => (task.spec.framework_ref.name.clone(), request(&task.spec), record),
            }
        }
        Err(problem) => {
            (owning_framework(meta), Err(format!("the object does not have a Task's form: {problem}")), None)
        }
    };
    Event::TaskApplied(Box::new(TaskObject {
        id: id(entry),
        generation: meta.generation.unwrap_or_default(),
        framework,
        owner: owner(meta).map(|owner| owner.uid.clone()),
        request,
        record,
        stream,
        deleting: meta.deletion_timestamp.is_some(),
        finalizer: meta.finalizers.as_ref().is_some_and(|all| all.iter().any(|one| one == TASK_FINALIZER)),
        created: crate::clock::from_kubernetes(meta.creation_timestamp.as_ref()),
    }))
}

/// What a Task object that is gone tells the master.
pub(super) fn deleted(entry: &Entry<Task>) -> Event {
    Event::TaskDeleted(id(entry))
}

/// The identity of a Task. One that was launched over a stream had its place before it had an object, so its container's ID
/// stands for the object's.
pub(super) fn id(entry: &Entry<Task>) -> TaskId {
    let placement = entry.value().ok().and_then(|task| task.spec.placement.as_ref());
    let uid = placement.map_or_else(|| uid_of(entry), |placement| placement.container_id.clone());
    TaskId { key: object_key(entry), uid }
}

/// Of a Task that cannot be read, the owner is the only word on its framework.
fn owning_framework(meta: &ObjectMeta) -> String {
    owner(meta).map(|owner| owner.name.clone()).unwrap_or_default()
}

/// The Framework among the owners.
fn owner(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|owner| owner.kind == "Framework")
}

/// What a Task asks for, or what is wrong with it and what to write instead.
pub(super) fn request(spec: &TaskSpec) -> Result<TaskRequest, String> {
    let resources = Resources {
        cpus: at_least(
            "resources.cpu",
            amount("resources.cpu", &spec.resources.cpu, quantity::parse_cpu)?,
            LEAST_CPU,
            "10m",
        )?,
        mem: at_least(
            "resources.memory",
            amount("resources.memory", &spec.resources.memory, quantity::parse_bytes_as_mib)?,
            LEAST_MEMORY,
            "4Mi",
        )?,
        disk: match &spec.resources.disk {
            Some(disk) => amount("resources.disk", disk, quantity::parse_bytes_as_mib)?,
            None => Amount::ZERO,
        },
        ports: Ranges::default(),
    };
    let limit = |field: &str, text: Option<&QuantityText>, parse: Parse, least: Amount, written: &QuantityText| {
        let Some(text) = text else { return Ok(None) };
        let limit = amount(field, text, parse)?;
        if limit < least {
            return Err(format!(
                "{field} is {}, less than the {} that the task is given: write a limit of at least {}",
                text.0, written.0, written.0
            ));
        }
        Ok(Some(limit))
    };
    let limits = spec.limits.as_ref();
    Ok(TaskRequest {
        command: command(spec)?,
        role: spec.role.as_deref().map(Role::new).transpose().map_err(|error| error.to_string())?,
        cpu_limit: limit(
            "limits.cpu",
            limits.and_then(|limits| limits.cpu.as_ref()),
            quantity::parse_cpu,
            resources.cpus,
            &spec.resources.cpu,
        )?,
        mem_limit: limit(
            "limits.memory",
            limits.and_then(|limits| limits.memory.as_ref()),
            quantity::parse_bytes_as_mib,
            resources.mem,
            &spec.resources.memory,
        )?,
        ports: ports(spec.resources.ports.as_ref())?,
        volumes: volumes(&spec.volumes)?,
        kill_grace: grace(spec.kill_policy.grace_period_seconds)?,
        resources,
    })
}

type Parse = fn(&str) -> Result<Amount, QuantityError>;

fn amount(field: &str, text: &QuantityText, parse: Parse) -> Result<Amount, String> {
    parse(&text.0).map_err(|error| format!("{field}: {error}"))
}

fn at_least(field: &str, amount: Amount, least: Amount, least_text: &str) -> Result<Amount, String> {
    if amount < least {
        let name = field.rsplit('.').next().unwrap_or(field);
        return Err(format!(
            "{field}: a task needs at least {least_text} of {name}: write {name}: {least_text} or more"
        ));
    }
    Ok(amount)
}

fn ports(request: Option<&ObjectPorts>) -> Result<PortRequest, String> {
    let Some(request) = request else { return Ok(PortRequest::None) };
    match (request.count, &request.numbers) {
        (Some(count), None) => match u16::try_from(count) {
            Ok(count @ 1..=100) => Ok(PortRequest::Count(count)),
            _ => Err(format!("resources.ports.count is {count}: write a number from 1 to {MOST_PORTS}")),
        },
        (None, Some(numbers)) => {
            if numbers.is_empty() || numbers.len() > 100 {
                return Err(format!("resources.ports.numbers has {} ports: write 1 to {MOST_PORTS}", numbers.len()));
            }
            let mut seen = std::collections::BTreeSet::new();
            for &number in numbers {
                if !(1..=65_535).contains(&number) {
                    return Err(format!("resources.ports.numbers has {number}: write ports from 1 to 65535"));
                }
                if !seen.insert(number) {
                    return Err(format!("resources.ports.numbers has {number} twice: write each port once"));
                }
            }
            let pairs = seen.iter().filter_map(|&number| u64::try_from(number).ok()).map(|number| (number, number));
            Ok(PortRequest::Numbers(pairs.collect()))
        }
        _ => Err("resources.ports: ask for ports in one way: either count: 2 or numbers: [31000, 31001]".to_owned()),
    }
}

/// The volumes that a task uses. One that says no path is found at its ID.
fn volumes(written: &[TaskVolume]) -> Result<Vec<VolumeRequest>, String> {
    let mut all: Vec<VolumeRequest> = Vec::with_capacity(written.len());
    for volume in written {
        let id = volume.id.as_str();
        let container_path = volume.path.clone().unwrap_or_else(|| id.to_owned());
        reserved::path(&container_path).map_err(|problem| format!("volume {id:?}: {problem}"))?;
        for other in &all {
            if other.id == id {
                return Err(format!("volumes has {id:?} twice: write each once"));
            }
            let below = |one: &str, above: &str| one.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'));
            let (one, another) = (&*container_path, &*other.container_path);
            if one == another || below(one, another) || below(another, one) {
                return Err(format!(
                    "volumes {:?} and {id:?} are in each other's way, at {another:?} and {one:?}: write paths apart",
                    other.id
                ));
            }
        }
        all.push(VolumeRequest { id: id.to_owned(), container_path, read_only: volume.read_only });
    }
    Ok(all)
}

fn grace(seconds: i32) -> Result<Duration, String> {
    match u64::try_from(seconds) {
        Ok(seconds) if seconds <= LONGEST_GRACE_SECONDS.unsigned_abs().into() => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "killPolicy.gracePeriodSeconds is {seconds}: write a number of seconds from 0 to {LONGEST_GRACE_SECONDS}"
        )),
    }
}

fn command(spec: &TaskSpec) -> Result<Command, String> {
    let command = &spec.command;
    if command.value.trim().is_empty() {
        return Err("the command is empty: write what to run, such as value: echo hello".to_owned());
    }
    if command.shell && !command.arguments.is_empty() {
        return Err(
            "with shell: true the whole command stands in value: leave arguments out, or write shell: false".to_owned()
        );
    }
    if command.arguments.first().is_some_and(String::is_empty) {
        return Err("arguments[0] is the program's own name, as in execve: write it first".to_owned());
    }
    string("command.value", &command.value)?;
    let mut total = command.value.len();
    for (index, argument) in command.arguments.iter().enumerate() {
        string(&format!("command.arguments[{index}]"), argument)?;
        total += argument.len() + 1;
    }
    let mut environment = Vec::with_capacity(spec.env.len());
    for variable in &spec.env {
        if variable.name.is_empty() || variable.name.contains('=') {
            return Err(format!(
                "env: {:?} is no variable's name, which has at least one character and no '=': write name: FOO and value: bar",
                shortened(&variable.name)
            ));
        }
        let written = variable.name.len() + 1 + variable.value.len();
        let field = format!("env {}", shortened(&variable.name));
        string(&field, &variable.name)?;
        string(&field, &variable.value)?;
        too_long(&field, written)?;
        total += written + 1;
        environment.push((variable.name.clone(), variable.value.clone()));
    }
    if total > LARGEST_COMMAND {
        return Err(format!(
            "command, arguments and environment have {total} bytes together, and at most {LARGEST_COMMAND} are taken: \
             put large data into a file that the command reads"
        ));
    }
    if let Some(user) = &spec.user {
        let number = !user.is_empty() && user.bytes().all(|b| b.is_ascii_digit());
        let name = user.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && user.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        if user.len() > 32 || !(number || name) {
            return Err(format!(
                "user {:?} is neither a name of lower-case letters, digits, - and _, nor a number: write nobody or 65534",
                shortened(user)
            ));
        }
    }
    Ok(Command {
        value: command.value.clone(),
        shell: command.shell,
        arguments: command.arguments.clone(),
        user: spec.user.clone(),
        environment,
    })
}

/// What can be handed to a program: no zero byte in it, and not too long.
fn string(field: &str, text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err(format!("{field} has a zero byte in it, which no program can be given: remove it"));
    }
    too_long(field, text.len())
}

fn too_long(field: &str, bytes: usize) -> Result<(), String> {
    if bytes > LONGEST_STRING {
        return Err(format!(
            "{field} has {bytes} bytes, and a program can be given at most {LONGEST_STRING} in one string: \
             put large data into a file that the command reads"
        ));
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 80 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(80).collect::<String>())
    }
}

#[cfg(test)]
mod tests;
