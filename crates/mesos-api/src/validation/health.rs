//! Checks and health checks.

use super::{Validity, command, ensure, refuse};
use crate::v1::{CheckInfo, CheckStatusInfo, CommandInfo, HealthCheck, check_info, health_check};

/// A health check (Mesos: `common::validation::validateHealthCheck`).
pub fn health_check(check: &HealthCheck) -> Validity {
    use health_check::Type;
    ensure(check.r#type.is_some_and(|kind| Type::try_from(kind).is_ok()), || {
        "HealthCheck must specify 'type'".to_owned()
    })?;
    match check.r#type() {
        Type::Command => match &check.command {
            None => refuse("Expecting 'command' to be set for COMMAND health check")?,
            Some(command) => check_command(command, "Command health check", "Health check's")?,
        },
        Type::Http => match &check.http {
            None => refuse("Expecting 'http' to be set for HTTP health check")?,
            Some(http) => {
                if let Some(scheme) = &http.scheme {
                    ensure(scheme == "http" || scheme == "https", || {
                        format!("Unsupported HTTP health check scheme: '{scheme}'")
                    })?;
                }
                check_path(http.path.as_deref(), "HTTP health check")?;
            }
        },
        Type::Tcp => {
            ensure(check.tcp.is_some(), || "Expecting 'tcp' to be set for TCP health check".to_owned())?;
        }
        Type::Unknown => refuse("'UNKNOWN' is not a valid health check type")?,
    }
    not_negative(&[
        ("delay_seconds", check.delay_seconds),
        ("grace_period_seconds", check.grace_period_seconds),
        ("interval_seconds", check.interval_seconds),
        ("timeout_seconds", check.timeout_seconds),
    ])
}

/// A check (Mesos: `common::validation::validateCheckInfo`).
pub fn check(check: &CheckInfo) -> Validity {
    use check_info::Type;
    ensure(check.r#type.is_some_and(|kind| Type::try_from(kind).is_ok()), || {
        "CheckInfo must specify 'type'".to_owned()
    })?;
    match check.r#type() {
        Type::Command => match &check.command {
            None => refuse("Expecting 'command' to be set for COMMAND check")?,
            Some(command) => check_command(&command.command, "Command check", "Check's")?,
        },
        Type::Http => match &check.http {
            None => refuse("Expecting 'http' to be set for HTTP check")?,
            Some(http) => check_path(http.path.as_deref(), "HTTP check")?,
        },
        Type::Tcp => ensure(check.tcp.is_some(), || "Expecting 'tcp' to be set for TCP check".to_owned())?,
        Type::Unknown => refuse("'UNKNOWN' is not a valid check type")?,
    }
    not_negative(&[
        ("delay_seconds", check.delay_seconds),
        ("interval_seconds", check.interval_seconds),
        ("timeout_seconds", check.timeout_seconds),
    ])
}

/// The result of a check (Mesos: `common::validation::validateCheckStatusInfo`).
pub fn check_status(status: &CheckStatusInfo) -> Validity {
    use check_info::Type;
    ensure(status.r#type.is_some_and(|kind| Type::try_from(kind).is_ok()), || {
        "CheckStatusInfo must specify 'type'".to_owned()
    })?;
    let (set, field, kind) = match status.r#type() {
        Type::Command => (status.command.is_some(), "command", "COMMAND"),
        Type::Http => (status.http.is_some(), "http", "HTTP"),
        Type::Tcp => (status.tcp.is_some(), "tcp", "TCP"),
        Type::Unknown => return refuse("'UNKNOWN' is not a valid check's status type"),
    };
    ensure(set, || format!("Expecting '{field}' to be set for {kind} check's status"))
}

fn check_command(info: &CommandInfo, what: &str, whose: &str) -> Validity {
    ensure(info.value.is_some(), || {
        format!("{what} must contain {}", if info.shell() { "'shell command'" } else { "'executable path'" })
    })?;
    command::command(info).map_err(|error| error.after(&format!("{whose} `CommandInfo` is invalid: ")))
}

fn check_path(path: Option<&str>, what: &str) -> Validity {
    match path {
        Some(path) if !path.starts_with('/') => refuse(format!("The path '{path}' of {what} must start with '/'")),
        _ => Ok(()),
    }
}

fn not_negative(durations: &[(&str, Option<f64>)]) -> Validity {
    durations.iter().try_for_each(|(name, seconds)| {
        ensure(!seconds.is_some_and(|seconds| seconds < 0.0), || format!("Expecting '{name}' to be non-negative"))
    })
}
