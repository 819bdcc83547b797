//! What a scheduler asks for, as agents run it; and what they cannot do, said so.

use crate::event::{Command, TaskRequest};
use proffer_allocator::PortRequest;
use proffer_mesos_api::v1::environment::variable;
use proffer_mesos_api::v1::executor_info::Type as ExecutorType;
use proffer_mesos_api::v1::{CommandInfo, ContainerInfo, LinuxInfo, TaskInfo, container_info};
use proffer_resources::{Amount, Resource, ResourceBag, ResourceName, Resources};
use std::time::Duration;

/// Between SIGTERM and SIGKILL where a task does not say (Mesos: `executor_shutdown_grace_period`).
const DEFAULT_GRACE: Duration = Duration::from_secs(5);
/// Longest grace, a day.
const LONGEST_GRACE: Duration = Duration::from_hours(24);
/// Least cores and MiB of a task: less cannot be enforced.
const LEAST: (Amount, Amount) = (Amount::from_thousandths(10), Amount::from_units(4));
/// Longest single argument or `NAME=value` that execve takes (Linux: `MAX_ARG_STRLEN`, with its closing zero).
const LONGEST_STRING: usize = 131_071;
/// Most bytes of command, arguments and environment together.
const LARGEST_COMMAND: usize = 262_144;

/// What an agent is to run for a task of the scheduler API. An error says, to the framework's developer, what in it agents
/// of this version cannot do.
pub fn task_request(info: &TaskInfo) -> Result<TaskRequest, String> {
    cannot(info)?;
    let Some(command) = &info.command else {
        return Err("Custom executors are not supported by this version of Proffer: give the task a command".to_owned());
    };
    let held = super::resources::from_v1(&info.resources)?;
    let resources = plain(&held)?;
    let ports = held.ranges(&ResourceName::Ports);
    let (cpu_limit, mem_limit) = limits(info)?;
    Ok(TaskRequest {
        command: read_command(command)?,
        role: None,
        resources,
        // They are among what the task holds, which says where it finds them.
        volumes: Vec::new(),
        ports: if ports.is_empty() { PortRequest::None } else { PortRequest::Numbers(ports) },
        cpu_limit,
        mem_limit,
        kill_grace: grace(info),
    })
}

/// How long a task may take to end, once it is asked to.
fn grace(info: &TaskInfo) -> Duration {
    let asked = info.kill_policy.as_ref().and_then(|policy| policy.grace_period.as_ref());
    let nanoseconds = asked.and_then(|period| u64::try_from(period.nanoseconds).ok());
    nanoseconds.map_or(DEFAULT_GRACE, Duration::from_nanos).min(LONGEST_GRACE)
}

/// Refuses what nobody would carry out: it must not be ignored silently.
fn cannot(info: &TaskInfo) -> Result<(), String> {
    let not_yet = |what: &str| Err(format!("{what} not supported by this version of Proffer"));
    // The one of a task group is not run.
    if info.executor.as_ref().is_some_and(|executor| executor.r#type() != ExecutorType::Default) {
        return not_yet("Custom executors are");
    }
    if info.health_check.is_some() {
        return not_yet("Health checks are");
    }
    if info.check.is_some() {
        return not_yet("Checks are");
    }
    if info.max_completion_time.is_some() {
        return not_yet("'max_completion_time' is");
    }
    if info.container.as_ref().is_some_and(|container| !is_plain(container)) {
        return not_yet("Containers with an image, volumes, networks or limits of their own are");
    }
    let Some(command) = &info.command else { return Ok(()) };
    if !command.uris.is_empty() {
        return not_yet("'command.uris' are");
    }
    let secret = |variable: &proffer_mesos_api::v1::environment::Variable| {
        variable.secret.is_some() || variable.r#type() == variable::Type::Secret
    };
    if command.environment.iter().flat_map(|environment| &environment.variables).any(secret) {
        return not_yet("Secrets in the environment are");
    }
    Ok(())
}

/// Whether a container asks for nothing that a task does not have anyway.
pub(super) fn is_plain(container: &ContainerInfo) -> bool {
    // Every task has cgroups of its own.
    let share_cgroups = container.linux_info.as_ref().and_then(|linux| linux.share_cgroups);
    let cgroups_only = LinuxInfo { share_cgroups, ..LinuxInfo::default() };
    let plain = ContainerInfo {
        r#type: container_info::Type::Mesos.into(),
        linux_info: container.linux_info.clone().filter(|linux| *linux == cgroups_only),
        mesos: container.mesos.clone().filter(|mesos| *mesos == container_info::MesosInfo::default()),
        ..ContainerInfo::default()
    };
    *container == plain
}

/// The resources that agents know how to give to a task.
fn plain(held: &ResourceBag) -> Result<Resources, String> {
    let odd = |resource: &&Resource| {
        !matches!(resource.name, ResourceName::Cpus | ResourceName::Mem | ResourceName::Disk | ResourceName::Ports)
            || (resource.disk.is_some() && !resource.is_persistent_volume())
            || resource.revocable
    };
    if let Some(resource) = held.iter().find(odd) {
        return Err(format!(
            "Resource {resource} cannot be given to a task by this version of Proffer, which knows cpus, mem, disk, persistent volumes and ports"
        ));
    }
    let resources = held.to_resources().without_ports();
    let (cpus, mem) = LEAST;
    if resources.cpus < cpus || resources.mem < mem {
        return Err(format!(
            "Task has {} cpus and {} MiB of mem, and needs at least {cpus} cpus and {mem} MiB",
            resources.cpus, resources.mem
        ));
    }
    Ok(resources)
}

fn limits(info: &TaskInfo) -> Result<(Option<Amount>, Option<Amount>), String> {
    let limit = |name: &str| match info.limits.get(name).map(|limit| limit.value) {
        Some(value) if value.is_infinite() => Ok(None),
        Some(value) => Amount::from_float(value).map(Some).ok_or_else(|| format!("Limit {name}: {value} is no amount")),
        None => Ok(None),
    };
    if info.limits.get("mem").is_some_and(|limit| limit.value.is_infinite()) {
        return Err("A memory limit of Infinity is not supported by this version of Proffer: give a number".to_owned());
    }
    Ok((limit("cpus")?, limit("mem")?))
}

fn read_command(command: &CommandInfo) -> Result<Command, String> {
    let value = command.value.clone().unwrap_or_default();
    if value.trim().is_empty() {
        return Err("The command is empty: 'command.value' is what to run".to_owned());
    }
    let shell = command.shell();
    // With a shell, Mesos ignores them.
    let arguments = if shell { Vec::new() } else { command.arguments.clone() };
    let variables = command.environment.iter().flat_map(|environment| &environment.variables);
    let environment: Vec<(String, String)> =
        variables.map(|variable| (variable.name.clone(), variable.value.clone().unwrap_or_default())).collect();
    if let Some((name, _)) = environment.iter().find(|(name, _)| name.is_empty() || name.contains('=')) {
        let shown: String = name.chars().take(80).collect();
        return Err(format!("{shown:?} cannot be the name of an environment variable"));
    }
    let user = command.user.clone().filter(|user| !user.is_empty());
    if let Some(user) = user.as_ref().filter(|user| !is_user(user)) {
        let shown: String = user.chars().take(80).collect();
        return Err(format!("'command.user' {shown:?} is neither a name of letters, digits, - and _, nor a number"));
    }
    let command = Command { value, shell, arguments, user, environment };
    let variables = command.environment.iter().map(|(name, value)| name.len() + value.len() + 1);
    let longest = variables.chain(command.arguments.iter().map(String::len)).chain([command.value.len()]).max();
    if longest > Some(LONGEST_STRING) || command.size() > LARGEST_COMMAND {
        return Err(format!(
            "Command, arguments and environment are too large: at most {LONGEST_STRING} bytes in one string and \
             {LARGEST_COMMAND} in all are taken; put large data into a file that the command reads"
        ));
    }
    let strings = command.environment.iter().flat_map(|(name, value)| [name, value]).chain(&command.arguments);
    if strings.chain([&command.value]).any(|text| text.contains('\0')) {
        return Err("Command, arguments and environment must not contain a zero byte".to_owned());
    }
    Ok(command)
}

fn is_user(user: &str) -> bool {
    let number = user.bytes().all(|b| b.is_ascii_digit());
    let name = user.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && user.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    user.len() <= 32 && (number || name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_mesos_api::json;
    use proffer_resources::Ranges;

    fn info(change: &str) -> TaskInfo {
        let text = format!(
            r#"{{"name":"t","task_id":{{"value":"t"}},"agent_id":{{"value":"a"}},
            "resources":[{{"name":"cpus","type":"SCALAR","scalar":{{"value":0.5}}}},
                         {{"name":"mem","type":"SCALAR","scalar":{{"value":64}}}},
                         {{"name":"ports","type":"RANGES","ranges":{{"range":[{{"begin":31000,"end":31001}}]}}}}],
            "command":{{"value":"sleep 5","environment":{{"variables":[{{"name":"A","value":"b"}}]}}}}{change}}}"#
        );
        json::decode(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_command_task_is_read() {
        let request = task_request(&info(
            r#","limits":{"cpus":{"value":"Infinity"},"mem":{"value":128}},
            "kill_policy":{"grace_period":{"nanoseconds":1500000000}},"labels":{"labels":[{"key":"k"}]},
            "container":{"type":"MESOS"}"#,
        ));
        assert_eq!(
            request,
            Ok(TaskRequest {
                command: Command {
                    value: "sleep 5".to_owned(),
                    shell: true,
                    arguments: Vec::new(),
                    user: None,
                    environment: vec![("A".to_owned(), "b".to_owned())],
                },
                role: None,
                resources: Resources::of(Amount::from_thousandths(500), Amount::from_units(64)),
                ports: PortRequest::Numbers(Ranges::span(31_000, 31_001)),
                volumes: Vec::new(),
                cpu_limit: None,
                mem_limit: Some(Amount::from_units(128)),
                kill_grace: Duration::from_millis(1_500),
            })
        );
    }

    #[test]
    fn what_agents_cannot_do_is_refused() {
        for (change, expected) in [
            (r#","health_check":{"type":"TCP","tcp":{"port":1}}"#, "Health checks are"),
            (r#","check":{"type":"TCP","tcp":{"port":1}}"#, "Checks are"),
            (r#","max_completion_time":{"nanoseconds":1}"#, "'max_completion_time' is"),
            (r#","executor":{"executor_id":{"value":"e"}}"#, "Custom executors are"),
            (r#","container":{"type":"DOCKER","docker":{"image":"x"}}"#, "Containers with an image"),
            (r#","container":{"type":"MESOS","volumes":[{"mode":"RW","container_path":"x"}]}"#, "Containers with"),
            (r#","command":{"value":"x","uris":[{"value":"http://x"}]}"#, "'command.uris' are"),
            (r#","command":{"value":" "}"#, "The command is empty"),
            (r#","command":{"value":"x","user":"Ä"}"#, "'command.user' \"Ä\""),
            (r#","resources":[{"name":"gpus","type":"SCALAR","scalar":{"value":1}}]"#, "Resource gpus:1 cannot"),
            (r#","resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1}}]"#, "Task has 1 cpus and 0 MiB"),
        ] {
            let refused = task_request(&info(change)).unwrap_err();
            assert!(refused.starts_with(expected), "{refused}");
        }
    }
}
