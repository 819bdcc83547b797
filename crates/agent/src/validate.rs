//! What an order must be before anything is done about it. The master checks the same; an agent trusts nobody with
//! paths.

use crate::failure::LaunchFailure;
use crate::message::{Command, Order, TaskId, VolumeId, VolumeMount};

/// Longest single argument or variable that Linux takes (`MAX_ARG_STRLEN`), without its final NUL.
const MAX_STRING: usize = 131_071;
/// Most bytes of arguments and environment together that Linux takes with the usual stack limit of 8 MiB.
const MAX_TOTAL: usize = 2 * 1024 * 1024;
/// Longest part of a path that Linux takes.
const MAX_NAME: usize = 255;
/// Longest path that Linux takes, with room for what stands before it.
const MAX_PATH: usize = 2048;
/// Most volumes of one task: each is an open file while it starts.
const MAX_VOLUMES: usize = 32;
/// Where a task finds its sandbox.
const SANDBOX: &str = "/mnt/mesos/sandbox/";
/// Files that the agent keeps in a sandbox itself.
const OUTPUT: [&str; 2] = ["stdout", "stderr"];

/// Whether the parts of a task's identity can be parts of a path.
pub(crate) fn identity(task: &TaskId) -> Result<(), LaunchFailure> {
    let parts =
        [("namespace", &task.namespace), ("framework", &task.framework), ("name", &task.name), ("uid", &task.uid)];
    for (what, text) in parts {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let fits =
            !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(plain) && !text.starts_with(['.', '-']);
        if !fits {
            let shown: String = text.chars().take(80).collect();
            return Err(LaunchFailure::Invalid(format!(
                "the task's {what} {shown:?} cannot be part of a path: use letters, digits, '-', '_' and '.'"
            )));
        }
    }
    if task.namespace.len() + task.framework.len() + 1 > MAX_NAME {
        return Err(LaunchFailure::Invalid("the task's namespace and framework are too long together".to_owned()));
    }
    Ok(())
}

/// Whether the command can be handed to the kernel.
pub(crate) fn order(order: &Order) -> Result<(), LaunchFailure> {
    let Command { value, shell, arguments, user, environment } = &order.command;
    let invalid = |message: String| Err(LaunchFailure::Invalid(message));
    if value.trim().is_empty() {
        return invalid("the command is empty: write what to run".to_owned());
    }
    if *shell && !arguments.is_empty() {
        return invalid(
            "a shell command takes no arguments: write them into its text, or set shell to false".to_owned(),
        );
    }
    for (name, _) in environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            let shown: String = name.chars().take(80).collect();
            return invalid(format!("{shown:?} cannot be the name of an environment variable"));
        }
    }
    let variables = environment.iter().flat_map(|(name, text)| [name, text]);
    let strings = [value, user].into_iter().chain(arguments).chain(variables.clone());
    if strings.clone().any(|text| text.contains('\0')) {
        return invalid("the command, its arguments or its environment contain a NUL character".to_owned());
    }
    let longest_variable = environment.iter().map(|(name, text)| name.len() + text.len() + 1).max().unwrap_or(0);
    let total: usize = strings.map(|text| text.len() + 10).sum();
    let longest = arguments.iter().map(String::len).chain([value.len(), longest_variable]).max().unwrap_or(0);
    if longest > MAX_STRING || total > MAX_TOTAL {
        return invalid(format!(
            "the command's arguments and environment are too large ({total} bytes, the longest {longest}; Linux takes \
             {MAX_STRING} for one and {MAX_TOTAL} for all): pass large data in a file"
        ));
    }
    volumes(&order.volumes)
}

/// Whether a role and an ID can name a directory.
pub(crate) fn volume(volume: &VolumeId) -> Result<(), LaunchFailure> {
    let plain = |text: &str, slash: bool| {
        !text.chars().any(|c| c.is_whitespace() || c.is_control() || (c == '/' && !slash))
            && text.len() <= MAX_NAME
            && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
    };
    for (what, text, slash) in [("role", &volume.role, true), ("id", &volume.id, false)] {
        if !plain(text, slash) {
            let shown: String = text.chars().take(80).collect();
            return Err(LaunchFailure::Invalid(format!("the volume's {what} {shown:?} cannot be part of a path")));
        }
    }
    Ok(())
}

/// The path below the sandbox that a container path means; `None` if it means none, or one that the agent keeps.
pub(crate) fn container_path(path: &str) -> Option<&str> {
    let path = path.strip_prefix(SANDBOX).unwrap_or(path).trim_end_matches('/');
    let plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= MAX_NAME && !part.contains('\0');
    let kept = path.split('/').next().is_some_and(|first| OUTPUT.contains(&first));
    (path.len() <= MAX_PATH && path.split('/').all(plain) && !kept).then_some(path)
}

/// Whether all volumes can be mounted, each where no other is.
fn volumes(volumes: &[VolumeMount]) -> Result<(), LaunchFailure> {
    let invalid = |message: String| Err(LaunchFailure::Invalid(message));
    if volumes.len() > MAX_VOLUMES {
        return invalid(format!("the task has {} volumes, and may have {MAX_VOLUMES}", volumes.len()));
    }
    let mut paths: Vec<&str> = Vec::with_capacity(volumes.len());
    for mount in volumes {
        volume(&mount.volume())?;
        let Some(path) = container_path(&mount.container_path) else {
            let shown: String = mount.container_path.chars().take(80).collect();
            return invalid(format!(
                "volume {:?} cannot be mounted at {shown:?}: write a path below the sandbox, such as data, without . and ..",
                mount.id
            ));
        };
        let below = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
        if let Some(other) = paths.iter().find(|&&other| other == path || below(path, other) || below(other, path)) {
            return invalid(format!(
                "volume {:?} at {path:?} and another at {other:?} are in each other's way: write paths apart",
                mount.id
            ));
        }
        paths.push(path);
    }
    Ok(())
}
