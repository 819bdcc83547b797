//! What holds after every event.

use crate::master::Master;

impl Master {
    /// What is wrong with the state, if anything is.
    pub fn check_invariants(&self) -> Result<(), String> {
        Ok(())
    }
}
