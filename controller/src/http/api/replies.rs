//! The answer to each call that only reads.

use super::super::about::build;
use super::super::reads::MASTER_CAPABILITIES;
use super::super::view::View;
use super::super::{Master, figures};
use super::messages;
use crate::leader::Identity;
use proffer_mesos_api::v1::master::call::Type;
use proffer_mesos_api::v1::master::{Response as Reply, response};
use proffer_mesos_api::v1::{self, master_info};
use std::net::IpAddr;

/// An answer to this call that says nothing yet.
pub(super) fn empty(kind: Type) -> Reply {
    let kind = response::Type::from_str_name(kind.as_str_name());
    Reply { r#type: kind.map(i32::from), ..Reply::default() }
}

/// Answers what is the same for every caller; nothing if the call is not served.
pub(super) fn plain(master: &Master, kind: Type) -> Option<Reply> {
    let mut reply = empty(kind);
    match kind {
        Type::GetHealth => reply.get_health = Some(response::GetHealth { healthy: true }),
        Type::GetFlags => {
            // Whether the caller may see them was asked before.
            let flag = |(name, value): (&str, &str)| v1::Flag { name: name.to_owned(), value: Some(value.to_owned()) };
            reply.get_flags = Some(response::GetFlags { flags: master.about.flags().map(flag).collect() });
        }
        Type::GetVersion => reply.get_version = Some(response::GetVersion { version_info: version() }),
        Type::GetLoggingLevel => {
            reply.get_logging_level = Some(response::GetLoggingLevel { level: master.levels.level() });
        }
        Type::GetOperations => reply.get_operations = Some(response::GetOperations::default()),
        Type::GetMaster => reply.get_master = Some(of_master(master)),
        _ => return None,
    }
    Some(reply)
}

/// Answers what depends on what the caller may see.
pub(super) fn seen(master: &Master, kind: Type, view: &View<'_>) -> Reply {
    let mut reply = empty(kind);
    match kind {
        Type::GetRoles => reply.get_roles = Some(roles(view)),
        Type::GetMetrics => {
            let metric = |(name, value)| v1::Metric { name, value: Some(value) };
            let metrics = figures::figures(master, view, true).into_iter().map(metric).collect();
            reply.get_metrics = Some(response::GetMetrics { metrics });
        }
        _ => {}
    }
    reply
}

fn version() -> v1::VersionInfo {
    let build = build();
    v1::VersionInfo {
        version: build.version.to_owned(),
        build_date: Some(build.date.to_owned()),
        build_time: Some(build.time),
        build_user: Some(build.user.to_owned()),
        git_sha: Some(build.git_sha.to_owned()),
        ..v1::VersionInfo::default()
    }
}

fn of_master(master: &Master) -> response::GetMaster {
    response::GetMaster {
        master_info: Some(master_info(&master.me, master.port)),
        start_time: Some(master.about.start_time()),
        elected_time: Some(master.about.elected_time()),
    }
}

/// What clients are told of a process that leads: `port` is that of HTTP.
#[must_use]
pub fn master_info(me: &Identity, port: u16) -> v1::MasterInfo {
    let address = me.address.to_string();
    let capability =
        |name| master_info::Capability { r#type: master_info::capability::Type::from_str_name(name).map(i32::from) };
    v1::MasterInfo {
        id: me.uuid.clone(),
        // Mesos puts the four bytes into a number as they lie in memory; there is none for IPv6.
        ip: match me.address {
            IpAddr::V4(address) => u32::from_le_bytes(address.octets()),
            IpAddr::V6(_) => 0,
        },
        port: port.into(),
        pid: Some(format!("master@{}", me.at(port))),
        hostname: Some(address.clone()),
        version: Some(build().version.to_owned()),
        address: Some(v1::Address { hostname: Some(address.clone()), ip: Some(address), port: port.into() }),
        capabilities: MASTER_CAPABILITIES.into_iter().map(capability).collect(),
        ..v1::MasterInfo::default()
    }
}

fn roles(view: &View<'_>) -> response::GetRoles {
    let role = |(name, role): (&str, super::super::view::RoleView<'_>)| v1::Role {
        name: name.to_owned(),
        weight: role.weight(),
        frameworks: role.frameworks.iter().map(|id| messages::framework_id(id)).collect(),
        resources: messages::resources(&role.allocated.plus(&role.offered), None, None),
    };
    response::GetRoles { roles: view.roles().into_iter().map(role).collect() }
}
