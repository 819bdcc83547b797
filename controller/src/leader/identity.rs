//! The name of one controller process in the Lease: `<pod>_<uuid>_<pod ip>`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One controller process. Unique, so that a restarted container is another holder than its predecessor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of its pod.
    pub pod: String,
    /// Random, from the start of the process.
    pub uuid: String,
    /// Address of its pod: agents and redirects are sent there.
    pub address: IpAddr,
}

/// A holder that is not written as [`Identity`] writes it; somebody edited the Lease.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Lease's holderIdentity {0:?} is not <pod>_<uuid>_<pod ip>")]
pub struct MalformedIdentity(String);

impl Identity {
    /// The identity of this process.
    #[must_use]
    pub fn new(pod: &str, address: IpAddr) -> Self {
        Self { pod: pod.to_owned(), uuid: uuid::Uuid::new_v4().to_string(), address }
    }

    /// `host:port` of a port of this process.
    #[must_use]
    pub fn at(&self, port: u16) -> String {
        std::net::SocketAddr::new(self.address, port).to_string()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.pod, self.uuid, self.address)
    }
}

impl FromStr for Identity {
    type Err = MalformedIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || MalformedIdentity(text.to_owned());
        let mut parts = text.splitn(3, '_');
        let (Some(pod), Some(uuid), Some(address)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed());
        };
        let address = address.parse().map_err(|_| malformed())?;
        Ok(Self { pod: pod.to_owned(), uuid: uuid.to_owned(), address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_back_with_either_family() {
        for address in ["10.244.1.7", "fd00::7"] {
            let identity = Identity::new("proffer-controller-5d8-x2x", address.parse().unwrap());
            assert_eq!(identity.to_string().parse(), Ok(identity.clone()));
        }
        assert_eq!(Identity::new("p", "fd00::7".parse().unwrap()).at(5052), "[fd00::7]:5052");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "pod", "pod_uuid", "pod_uuid_nowhere", "somebody-else"] {
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
    }
}
