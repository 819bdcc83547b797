//! Commands, their environment and secrets.

use super::{Validity, ensure, refuse};
use crate::v1::environment::variable::Type as VariableType;
use crate::v1::{CommandInfo, Environment, Secret, environment, secret};

/// A command (Mesos: `common::validation::validateCommandInfo`).
pub fn command(command: &CommandInfo) -> Validity {
    command.environment.as_ref().map_or(Ok(()), environment)
}

/// Environment variables (Mesos: `common::validation::validateEnvironment`).
pub fn environment(environment: &Environment) -> Validity {
    environment.variables.iter().try_for_each(variable)
}

fn variable(variable: &environment::Variable) -> Validity {
    let name = &variable.name;
    match variable.r#type() {
        VariableType::Secret => {
            let Some(inner) = &variable.secret else {
                return refuse(format!("Environment variable '{name}' of type 'SECRET' must have a secret set"));
            };
            ensure(variable.value.is_none(), || {
                format!("Environment variable '{name}' of type 'SECRET' must not have a value set")
            })?;
            secret(inner).map_err(|error| {
                error.after(&format!("Environment variable '{name}' specifies an invalid secret: "))
            })?;
            ensure(!inner.value.as_ref().is_some_and(|value| value.data.contains(&0)), || {
                format!(
                    "Environment variable '{name}' specifies a secret containing null bytes, which is not allowed in \
                     the environment"
                )
            })
        }
        VariableType::Value => {
            ensure(variable.value.is_some(), || {
                format!("Environment variable '{name}' of type 'VALUE' must have a value set")
            })?;
            ensure(variable.secret.is_none(), || {
                format!("Environment variable '{name}' of type 'VALUE' must not have a secret set")
            })
        }
        VariableType::Unknown => refuse("Environment variable of type 'UNKNOWN' is not allowed"),
    }
}

/// A secret (Mesos: `common::validation::validateSecret`).
pub fn secret(secret: &Secret) -> Validity {
    match secret.r#type() {
        secret::Type::Reference => {
            let Some(reference) = &secret.reference else {
                return refuse("Secret of type REFERENCE must have the 'reference' field set");
            };
            ensure(secret.value.is_none(), || {
                format!("Secret '{}' of type REFERENCE must not have the 'value' field set", reference.name)
            })
        }
        secret::Type::Value => {
            ensure(secret.value.is_some(), || "Secret of type VALUE must have the 'value' field set".to_owned())?;
            ensure(secret.reference.is_none(), || {
                "Secret of type VALUE must not have the 'reference' field set".to_owned()
            })
        }
        secret::Type::Unknown => Ok(()),
    }
}
